// Package boundary is what WebAssembly programs share that have a device of the
// page: calls from JavaScript and to it, and the device behind its handle.
package boundary

import (
	"context"
	"sync"
	"sync/atomic"
	"syscall/js"
)

// readyFunc is the function that the worker installs to be handed the API, and
// deviceFunc the one that makes a device of a handle.
const (
	readyFunc  = "nbdbridgeReady"
	deviceFunc = "nbdbridgeDevice"
)

var uint8Array = js.Global().Get("Uint8Array")

// liveFuncs counts the callbacks that JavaScript can still reach.
var liveFuncs atomic.Int64

// LiveFuncs is how many callbacks JavaScript can still reach. A test that finds
// more of them afterwards than before has found a leak.
func LiveFuncs() int64 { return liveFuncs.Load() }

// A Func is a js.Func that can be released more than once.
type Func struct {
	js.Func
	once sync.Once
}

// NewFunc wraps fn, which must not block: the event loop stands still until it
// returns.
func NewFunc(fn func(args []js.Value) any) *Func {
	liveFuncs.Add(1)
	return &Func{Func: js.FuncOf(func(_ js.Value, args []js.Value) any { return fn(args) })}
}

func (f *Func) Release() {
	f.once.Do(func() {
		f.Func.Release()
		liveFuncs.Add(-1)
	})
}

// A Work is the Go side of one call from JavaScript.
type Work func(ctx context.Context, args []js.Value) (any, error)

// A Judge gives the codes of web/client/errors.js to the errors of a program;
// "" to others.
type Judge func(error) string

// An API is what JavaScript calls. Its functions live as long as the program.
type API struct {
	js.Value
	judge Judge
}

// NewAPI makes one without functions.
func NewAPI(judge Judge) *API {
	return &API{js.Global().Get("Object").New(), judge}
}

// Add adds a function of n arguments and, after them, an AbortSignal or
// nothing. It returns a promise.
func (a *API) Add(name string, n int, do Work) {
	a.Set(name, NewFunc(func(given []js.Value) any {
		args := make([]js.Value, n+1) // a zero Value is undefined
		copy(args, given)
		return promise(a.judge, func() (any, error) {
			ctx, stop := contextOf(args[n])
			defer stop()
			return do(ctx, args[:n])
		})
	}).Func)
}

// Serve hands the API to the worker, and never returns: the worker ends the
// program by ending itself.
func (a *API) Serve() {
	js.Global().Call(readyFunc, a.Value)
	select {}
}

// promise runs do in a goroutine and settles the promise it returns with the
// outcome, exactly once. The executor runs inside New, so it is released here.
func promise(judge Judge, do func() (any, error)) js.Value {
	var resolve, reject js.Value
	executor := NewFunc(func(args []js.Value) any {
		resolve, reject = args[0], args[1]
		return nil
	})
	defer executor.Release()
	p := js.Global().Get("Promise").New(executor.Func)
	go func() {
		value, err := recovered(do)
		if err != nil {
			reject.Invoke(rejection(judge, err))
			return
		}
		resolve.Invoke(value)
	}()
	return p
}

// recovered turns a panic into an error, so that no caller waits for a
// goroutine that is gone.
func recovered(do func() (any, error)) (value any, err error) {
	defer Catch(&err)
	return do()
}

// Catch, deferred, turns any panic into an error, an exception of JavaScript too.
func Catch(err *error) {
	switch r := recover().(type) {
	case nil:
	case js.Error:
		*err = r
	default:
		*err = &panicError{r}
	}
}

// Awaited calls fn and blocks its goroutine until the promise that it returns
// has settled. What it throws, or rejects with, is the error: the latter as
// *Rejected.
func Awaited(fn func() js.Value) (value js.Value, err error) {
	defer Catch(&err)
	settled := make(chan struct{}, 1)
	yes := NewFunc(func(args []js.Value) any { value = args[0]; settled <- struct{}{}; return nil })
	no := NewFunc(func(args []js.Value) any { err = &Rejected{args[0]}; settled <- struct{}{}; return nil })
	defer yes.Release()
	defer no.Release()
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
	abort := NewFunc(func([]js.Value) any { cancel(); return nil })
	signal.Call("addEventListener", "abort", abort.Func)
	if signal.Get("aborted").Bool() {
		cancel()
	}
	return ctx, func() {
		signal.Call("removeEventListener", "abort", abort.Func)
		abort.Release()
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
