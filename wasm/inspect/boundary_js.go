package main

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"sync"
	"sync/atomic"
	"syscall/js"
)

// maxSafeInteger is the largest integer that a JavaScript number holds
// together with all smaller ones, 2^53 - 1.
const maxSafeInteger = 1<<53 - 1

var uint8Array = js.Global().Get("Uint8Array")

// liveFuncs counts the callbacks that JavaScript can still reach. A test that
// finds more of them afterwards than before has found a leak.
var liveFuncs atomic.Int64

// A callback is a js.Func that can be released more than once.
type callback struct {
	js.Func
	once sync.Once
}

// newCallback wraps fn, which must not block: the event loop stands still
// until it returns.
func newCallback(fn func(args []js.Value) any) *callback {
	liveFuncs.Add(1)
	return &callback{Func: js.FuncOf(func(_ js.Value, args []js.Value) any { return fn(args) })}
}

func (c *callback) release() {
	c.once.Do(func() {
		c.Release()
		liveFuncs.Add(-1)
	})
}

// A work is the Go side of one call from JavaScript.
type work func(ctx context.Context, args []js.Value) (any, error)

// method exports w as a function of n arguments and, after them, an
// AbortSignal or nothing. It returns a promise.
func method(n int, w work) *callback {
	return newCallback(func(given []js.Value) any {
		args := make([]js.Value, n+1) // a zero Value is undefined
		copy(args, given)
		return promise(func() (any, error) {
			ctx, stop := contextOf(args[n])
			defer stop()
			return w(ctx, args[:n])
		})
	})
}

// promise runs do in a goroutine and settles the promise it returns with the
// outcome, exactly once. The executor runs inside New, so it is released here.
func promise(do func() (any, error)) js.Value {
	var resolve, reject js.Value
	executor := newCallback(func(args []js.Value) any {
		resolve, reject = args[0], args[1]
		return nil
	})
	defer executor.release()
	p := js.Global().Get("Promise").New(executor.Func)
	go func() {
		value, err := recovered(do)
		if err != nil {
			reject.Invoke(rejection(err))
			return
		}
		resolve.Invoke(value)
	}()
	return p
}

// A panicError is what a parser fell over.
type panicError struct{ reason any }

func (e *panicError) Error() string { return fmt.Sprintf("panic: %v", e.reason) }

// recovered turns a panic into an error, so that no caller waits for a
// goroutine that is gone.
func recovered(do func() (any, error)) (value any, err error) {
	defer catch(&err)
	return do()
}

// catch, deferred, turns any panic into an error, an exception of JavaScript too.
func catch(err *error) {
	switch r := recover().(type) {
	case nil:
	case js.Error:
		*err = r
	default:
		*err = &panicError{r}
	}
}

// awaited calls fn and blocks its goroutine until the promise that it returns
// has settled. What it throws, or rejects with, is the error.
func awaited(fn func() js.Value) (value js.Value, err error) {
	defer catch(&err)
	settled := make(chan struct{}, 1)
	yes := newCallback(func(args []js.Value) any { value = args[0]; settled <- struct{}{}; return nil })
	no := newCallback(func(args []js.Value) any { err = &deviceError{args[0]}; settled <- struct{}{}; return nil })
	defer yes.release()
	defer no.release()
	fn().Call("then", yes.Func, no.Func)
	<-settled
	return value, err
}

// contextOf returns a context that ends when the AbortSignal does. stop
// releases what ties the two.
func contextOf(signal js.Value) (ctx context.Context, stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	if !signal.Truthy() {
		return ctx, cancel
	}
	abort := newCallback(func([]js.Value) any { cancel(); return nil })
	signal.Call("addEventListener", "abort", abort.Func)
	if signal.Get("aborted").Bool() {
		cancel()
	}
	return ctx, func() {
		signal.Call("removeEventListener", "abort", abort.Func)
		abort.release()
		cancel()
	}
}

// signalOf returns an AbortSignal that aborts when one of the contexts ends.
// stop releases what ties them.
func signalOf(a, b context.Context) (signal js.Value, stop func()) {
	controller := js.Global().Get("AbortController").New()
	abort := func() { controller.Call("abort") }
	stopA, stopB := context.AfterFunc(a, abort), context.AfterFunc(b, abort)
	return controller.Get("signal"), func() { stopA(); stopB() }
}

// asJSON is how results get to the page, which parses them.
func asJSON(v any, err error) (any, error) {
	if err != nil {
		return nil, err
	}
	text, err := json.Marshal(v)
	return string(text), err
}

// done is the answer of a call that has none.
func done(err error) (any, error) { return js.Undefined(), err }

// safeInteger reads a count or an offset in bytes.
func safeInteger(name string, v js.Value) (int64, error) {
	if v.Type() != js.TypeNumber {
		return 0, argumentErrorf("%s must be a number, not %s", name, v.Type())
	}
	f := v.Float()
	if f != math.Trunc(f) || f < 0 || f > maxSafeInteger {
		return 0, argumentErrorf("%s is %v: want an integer from 0 to 2^53-1", name, f)
	}
	return int64(f), nil
}

// text reads a string.
func text(name string, v js.Value) (string, error) {
	if v.Type() != js.TypeString {
		return "", argumentErrorf("%s must be a string, not %s", name, v.Type())
	}
	return v.String(), nil
}
