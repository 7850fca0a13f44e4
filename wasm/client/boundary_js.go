package main

import (
	"context"
	"errors"
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

// catch, deferred, turns a JavaScript exception into an error. Any other panic goes on.
func catch(err *error) {
	switch r := recover().(type) {
	case nil:
	case js.Error:
		*err = r
	default:
		panic(r)
	}
}

// A work is the Go side of one call from JavaScript.
type work func(ctx context.Context, args []js.Value) (any, error)

// method exports w as a function of n arguments and, after them, an
// AbortSignal or nothing. It returns a promise.
func method(n int, w work) *callback {
	return newCallback(func(given []js.Value) any {
		args := make([]js.Value, n+1) // a zero Value is undefined
		copy(args, given)
		return promise(func() (any, error) { return underSignal(args[n], args[:n], w) })
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
	go settle(resolve, reject, do)
	return p
}

func settle(resolve, reject js.Value, do func() (any, error)) {
	value, err := recovered(do)
	if err != nil {
		reject.Invoke(rejection(err))
		return
	}
	resolve.Invoke(value)
}

// recovered turns a panic into an error, so that no caller waits for a
// goroutine that is gone.
func recovered(do func() (any, error)) (value any, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic: %v", r)
		}
	}()
	return do()
}

// awaited calls fn and blocks its goroutine until the promise that it returns
// has settled. What it throws, or rejects with, is the error.
func awaited(fn func() js.Value) (value js.Value, err error) {
	defer catch(&err)
	settled := make(chan struct{}, 1)
	yes := newCallback(func(args []js.Value) any { value = args[0]; settled <- struct{}{}; return nil })
	no := newCallback(func(args []js.Value) any { err = &rejected{args[0]}; settled <- struct{}{}; return nil })
	defer yes.release()
	defer no.release()
	fn().Call("then", yes.Func, no.Func)
	<-settled
	return value, err
}

// awaitedUnder is awaited for as long as the context allows. The callbacks hang
// on a race, which ends with the context, so that a promise that never settles
// holds none of them.
func awaitedUnder(ctx context.Context, fn func() js.Value) (js.Value, error) {
	var giveUp js.Value
	executor := newCallback(func(args []js.Value) any { giveUp = args[0]; return nil })
	defer executor.release()
	class := js.Global().Get("Promise")
	end := class.New(executor.Func)
	stop := context.AfterFunc(ctx, func() { giveUp.Invoke() })
	value, err := awaited(func() js.Value { return class.Call("race", []any{fn(), end}) })
	if !stop() {
		return js.Undefined(), context.Cause(ctx)
	}
	return value, err
}

// A rejected is the reason of a rejected promise, which can be anything.
type rejected struct{ reason js.Value }

func (e *rejected) Error() string {
	if e.reason.Type() == js.TypeObject && e.reason.Get("message").Type() == js.TypeString {
		return e.reason.Get("message").String()
	}
	return js.Global().Call("String", e.reason).String()
}

// rejection is the JavaScript value of an error: the reason of an aborted
// signal as it is, otherwise {code, message, details}.
func rejection(err error) js.Value {
	var aborted *abortError
	if errors.As(err, &aborted) {
		return aborted.reason
	}
	return describe(err).value()
}

// An abortError is a call that ended because its signal was aborted.
type abortError struct{ reason js.Value }

func (e *abortError) Error() string { return "aborted" }

// underSignal runs w with a context that the signal cancels. Whatever an
// aborted call failed with, the signal's reason is what its caller expects.
func underSignal(signal js.Value, args []js.Value, w work) (any, error) {
	ctx, stop := contextOf(signal)
	defer stop()
	value, err := w(ctx, args)
	if err != nil && ctx.Err() != nil {
		return nil, &abortError{reason: signal.Get("reason")}
	}
	return value, err
}

// contextOf returns a context that ends when the AbortSignal does. stop
// releases what ties the two.
func contextOf(signal js.Value) (ctx context.Context, stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	if !signal.Truthy() {
		return ctx, cancel
	}
	remove := listen(signal, "abort", func(js.Value) { cancel() })
	if signal.Get("aborted").Bool() {
		cancel()
	}
	return ctx, func() { remove(); cancel() }
}

// listen registers fn for an event and returns the remover, which may be
// called more than once.
func listen(target js.Value, event string, fn func(event js.Value)) (remove func()) {
	cb := newCallback(func(args []js.Value) any {
		fn(args[0])
		return nil
	})
	target.Call("addEventListener", event, cb.Func)
	return sync.OnceFunc(func() {
		target.Call("removeEventListener", event, cb.Func)
		cb.release()
	})
}

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

// newBytes allocates in the memory of JavaScript, which may refuse.
func newBytes(length int64) (array js.Value, err error) {
	defer func() {
		if err != nil {
			err = argumentErrorf("%d bytes do not fit in memory (%v): ask for less at a time", length, err)
		}
	}()
	defer catch(&err)
	return uint8Array.New(length), nil
}
