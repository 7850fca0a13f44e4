package main

import (
	"context"
	"errors"
	"math"
	"syscall/js"
	"testing"
)

func TestPromiseSettles(t *testing.T) {
	funcs := liveFuncs.Load()
	for name, test := range map[string]struct {
		do       func() (any, error)
		rejected bool
		code     string
	}{
		"value":     {do: func() (any, error) { return 7, nil }},
		"error":     {func() (any, error) { return nil, argumentErrorf("no") }, true, "INVALID_ARGUMENT"},
		"panic":     {func() (any, error) { panic("boom") }, true, "INTERNAL"},
		"exception": {func() (any, error) { js.Global().Get("JSON").Call("parse", "{"); return nil, nil }, true, "INTERNAL"},
	} {
		value, rejected := await(promise(test.do))
		switch {
		case rejected != test.rejected:
			t.Errorf("%s: rejected is %v", name, rejected)
		case rejected && value.Get("code").String() != test.code:
			t.Errorf("%s: code %v", name, value.Get("code"))
		case !rejected && value.Int() != 7:
			t.Errorf("%s: value %v", name, value)
		}
	}
	if n := liveFuncs.Load() - funcs; n != 0 {
		t.Errorf("%d callbacks are left", n)
	}
}

func TestMethodUnderSignal(t *testing.T) {
	funcs := liveFuncs.Load()
	started := make(chan struct{}, 1)
	wait := method(1, func(ctx context.Context, args []js.Value) (any, error) {
		if args[0].String() != "hello" {
			return nil, errors.New("wrong argument")
		}
		started <- struct{}{}
		<-ctx.Done()
		return nil, ctx.Err()
	})
	for _, before := range []bool{true, false} {
		controller := eval("new AbortController()")
		if before {
			controller.Call("abort", "enough")
		}
		p := wait.Invoke("hello", controller.Get("signal"))
		<-started
		controller.Call("abort", "enough")
		if reason, rejected := await(p); !rejected || reason.String() != "enough" {
			t.Errorf("aborted before is %v: %v, %v", before, reason, rejected)
		}
	}
	wait.release()
	wait.release()
	if n := liveFuncs.Load() - funcs; n != 0 {
		t.Errorf("%d callbacks are left", n)
	}
}

func TestAbortAfterwardsIsNothing(t *testing.T) {
	funcs := liveFuncs.Load()
	quick := method(0, func(context.Context, []js.Value) (any, error) { return "done", nil })
	controller := eval("new AbortController()")
	p := quick.Invoke(controller.Get("signal"))
	value, rejected := await(p)
	controller.Call("abort")
	if rejected || value.String() != "done" {
		t.Errorf("promise: %v, %v", value, rejected)
	}
	if value, _ := await(quick.Invoke()); value.String() != "done" {
		t.Errorf("without a signal: %v", value)
	}
	quick.release()
	if n := liveFuncs.Load() - funcs; n != 0 {
		t.Errorf("%d callbacks are left", n)
	}
}

func TestSafeInteger(t *testing.T) {
	for _, good := range []float64{0, 1, maxSafeInteger} {
		if n, err := safeInteger("offset", js.ValueOf(good)); err != nil || float64(n) != good {
			t.Errorf("%v: %d, %v", good, n, err)
		}
	}
	for _, bad := range []any{-1, 0.5, maxSafeInteger + 1, math.NaN(), math.Inf(1), "1", nil, true} {
		if n, err := safeInteger("offset", js.ValueOf(bad)); codeOf(err) != CodeInvalidArgument {
			t.Errorf("%v: %d, %v", bad, n, err)
		}
	}
}
