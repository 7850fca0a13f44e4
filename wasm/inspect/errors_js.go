package main

import (
	"errors"
	"fmt"
	"io"

	"nbdbridge/disk/fs"
	"nbdbridge/disk/search"
)

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

// codeOf gives the codes of web/client/errors.js.
func codeOf(err error) string {
	switch {
	case isAny(err, fs.ErrNotFolder, fs.ErrNotFile, fs.ErrPath, search.ErrNeedle, search.ErrOptions):
		return "INVALID_ARGUMENT"
	case errors.As(err, new(*limitError)):
		return "LIMIT"
	case errors.As(err, new(*closedError)), errors.Is(err, fs.ErrClosed):
		return "CLOSED"
	case errors.Is(err, fs.ErrNotFound):
		return "NOT_FOUND"
	case isAny(err, fs.ErrUnsupported, fs.ErrLimit):
		return "UNSUPPORTED"
	case isAny(err, fs.ErrDamaged, io.EOF, io.ErrUnexpectedEOF):
		return "DAMAGED"
	}
	return ""
}

func isAny(err error, kinds ...error) bool {
	for _, kind := range kinds {
		if errors.Is(err, kind) {
			return true
		}
	}
	return false
}
