package main

import (
	"context"
	"sync"
	"syscall/js"

	"nbdbridge/wasm/boundary"
)

// ahead is how many pieces wait for the sink, and for each hash.
const ahead = 4

// A line hands calls to another thread in their order. A few are under way at
// once; the first that fails fails all later ones.
type line struct {
	js    js.Value // of nbdbridgeAsk
	slots chan struct{}

	mu  sync.Mutex
	err error
}

// askFunc is the function of the worker that makes {call, tell} of a port.
const askFunc = "nbdbridgeAsk"

func newLine(port js.Value) *line {
	return &line{js: js.Global().Call(askFunc, port), slots: make(chan struct{}, ahead)}
}

// begin makes a call, and waits for nothing but a place.
func (l *line) begin(ctx context.Context, method string, args ...any) error {
	select {
	case l.slots <- struct{}{}:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	if err := l.failure(); err != nil {
		<-l.slots
		return err
	}
	answer := l.send(method, args)
	go func() {
		if _, err := answer(); err != nil {
			l.fail(err)
		}
		<-l.slots
	}()
	return nil
}

// send makes a call at once; answer waits for it.
func (l *line) send(method string, args []any) (answer func() (js.Value, error)) {
	var promise js.Value
	err := func() (err error) {
		defer boundary.Catch(&err)
		promise = l.js.Call("call", method, args)
		return nil
	}()
	return func() (js.Value, error) {
		if err != nil {
			return js.Undefined(), err
		}
		return boundary.Awaited(func() js.Value { return promise })
	}
}

// ask makes a call and waits for its answer, for as long as the context allows.
func (l *line) ask(ctx context.Context, method string, args ...any) (js.Value, error) {
	type result struct {
		value js.Value
		err   error
	}
	answer, settled := l.send(method, args), make(chan result, 1)
	go func() {
		value, err := answer()
		settled <- result{value, err}
	}()
	select {
	case r := <-settled:
		return r.value, r.err
	case <-ctx.Done():
		return js.Undefined(), context.Cause(ctx)
	}
}

// drain waits for all that was begun.
func (l *line) drain(ctx context.Context) error {
	for taken := range ahead {
		select {
		case l.slots <- struct{}{}:
		case <-ctx.Done():
			l.free(taken)
			return context.Cause(ctx)
		}
	}
	l.free(ahead)
	return l.failure()
}

func (l *line) free(n int) {
	for range n {
		<-l.slots
	}
}

// tell says something that nobody answers.
func (l *line) tell(method string, args ...any) {
	l.js.Call("tell", method, args)
}

func (l *line) failure() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.err
}

func (l *line) fail(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err == nil {
		l.err = err
	}
}
