package boundary

import (
	"context"
	"errors"
	"fmt"
	"syscall/js"
)

// An ArgumentError is an argument that can't be meant.
type ArgumentError struct{ Detail string }

func (e *ArgumentError) Error() string { return e.Detail }

// Argumentf makes an *ArgumentError.
func Argumentf(format string, args ...any) error {
	return &ArgumentError{fmt.Sprintf(format, args...)}
}

// A panicError is what a program fell over.
type panicError struct{ reason any }

func (e *panicError) Error() string {
	return fmt.Sprintf("panic: %v. This is a bug; please report it.", e.reason)
}

// A Rejected is what a promise rejected with: an NbdError, or anything.
type Rejected struct{ Reason js.Value }

func (e *Rejected) Error() string {
	if e.Reason.Type() == js.TypeObject && e.Reason.Get("message").Type() == js.TypeString {
		return e.Reason.Get("message").String()
	}
	return js.Global().Call("String", e.Reason).String()
}

// Field is a text of the reason, or "": the code of a DOMException is a number.
func (e *Rejected) Field(name string) string {
	if e.Reason.Type() != js.TypeObject || e.Reason.Get(name).Type() != js.TypeString {
		return ""
	}
	return e.Reason.Get(name).String()
}

// rejection is the JavaScript value of an error: {code, message, details}. Of
// what JavaScript rejected with all but the message stays.
func rejection(judge Judge, err error) js.Value {
	v := map[string]any{"code": codeOf(judge, err), "message": err.Error(), "details": map[string]any{}}
	failed := (*Rejected)(nil)
	if !errors.As(err, &failed) {
		return js.ValueOf(v)
	}
	for _, name := range []string{"code", "stage"} {
		if text := failed.Field(name); text != "" {
			v[name] = text
		}
	}
	if failed.Reason.Type() == js.TypeObject && failed.Reason.Get("details").Type() == js.TypeObject {
		v["details"] = failed.Reason.Get("details")
	}
	return js.ValueOf(v)
}

func codeOf(judge Judge, err error) string {
	if code := judge(err); code != "" {
		return code
	}
	switch {
	case errors.As(err, new(*ArgumentError)):
		return "INVALID_ARGUMENT"
	case errors.Is(err, context.Canceled):
		return "CLOSED"
	}
	return "INTERNAL"
}
