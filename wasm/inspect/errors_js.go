package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"syscall/js"

	"nbdbridge/disk/fs"
	"nbdbridge/disk/search"
)

// An argumentError is an argument that can't be meant.
type argumentError struct{ detail string }

func (e *argumentError) Error() string { return e.detail }

func argumentErrorf(format string, args ...any) error {
	return &argumentError{fmt.Sprintf(format, args...)}
}

// A limitError is one thing too many that stays open.
type limitError struct {
	what  string
	limit int
}

func (e *limitError) Error() string {
	return fmt.Sprintf("%d %s are open, and no more can be. Close some first.", e.limit, e.what)
}

// A closedError is the use of what is not open.
type closedError struct{ what string }

func (e *closedError) Error() string { return "the " + e.what + " is not open any more" }

// A deviceError is what the device rejected with: an NbdError, or anything.
type deviceError struct{ reason js.Value }

func (e *deviceError) Error() string {
	if e.reason.Type() == js.TypeObject && e.reason.Get("message").Type() == js.TypeString {
		return e.reason.Get("message").String()
	}
	return js.Global().Call("String", e.reason).String()
}

// rejection is the JavaScript value of an error: {code, message, details}. Of
// an error of the device all but the message stays.
func rejection(err error) js.Value {
	v := map[string]any{"code": codeOf(err), "message": message(err), "details": map[string]any{}}
	if failed := (*deviceError)(nil); errors.As(err, &failed) && failed.reason.Type() == js.TypeObject {
		for name, kind := range map[string]js.Type{"code": js.TypeString, "stage": js.TypeString, "details": js.TypeObject} {
			if value := failed.reason.Get(name); value.Type() == kind { // the code of a DOMException is a number
				v[name] = value
			}
		}
	}
	return js.ValueOf(v)
}

// codeOf gives the codes of web/client/errors.js.
func codeOf(err error) string {
	var (
		argument *argumentError
		limit    *limitError
		closed   *closedError
	)
	switch {
	case errors.As(err, &argument), isAny(err, fs.ErrNotFolder, fs.ErrNotFile, fs.ErrPath, search.ErrNeedle, search.ErrOptions):
		return "INVALID_ARGUMENT"
	case errors.As(err, &limit):
		return "LIMIT"
	case errors.As(err, &closed), isAny(err, fs.ErrClosed, context.Canceled):
		return "CLOSED"
	case errors.Is(err, fs.ErrNotFound):
		return "NOT_FOUND"
	case isAny(err, fs.ErrUnsupported, fs.ErrLimit):
		return "UNSUPPORTED"
	case isAny(err, fs.ErrDamaged, io.EOF, io.ErrUnexpectedEOF):
		return "DAMAGED"
	}
	return "INTERNAL"
}

func isAny(err error, kinds ...error) bool {
	for _, kind := range kinds {
		if errors.Is(err, kind) {
			return true
		}
	}
	return false
}

func message(err error) string {
	if errors.As(err, new(*panicError)) {
		return err.Error() + ". This is a bug in the inspector; please report it."
	}
	return err.Error()
}
