package main

import (
	"errors"
	"slices"

	"nbdbridge/evidence/acquire"
	"nbdbridge/evidence/report"
	"nbdbridge/wasm/boundary"
)

// A damagedError is an image that is none, or can't be followed, unless it is
// the device that failed.
type damagedError struct{ err error }

func (e *damagedError) Error() string { return e.err.Error() }
func (e *damagedError) Unwrap() error { return e.err }

// codeOf gives the codes of web/client/errors.js.
func codeOf(err error) string {
	switch {
	case errors.Is(err, report.ErrTooMany):
		return "LIMIT"
	case errors.As(err, new(*damagedError)):
		return "DAMAGED"
	case errors.As(err, new(*acquire.Unreadable)):
		return "EIO" // what a pass could not read, after retries
	}
	return ""
}

// unreadable are codes of reads that the server answered: the next read may go
// well. All others tell that the device is gone.
var unreadable = []string{"EIO", "ENOMEM", "EINVAL", "EOVERFLOW", "EPERM", "ENOSPC", "ENOTSUP"}

// outOfRange, of a range of the device, is a last block that is not whole: no
// request reaches it.
const outOfRange = "OUT_OF_RANGE"

// judged tells what the server can't read from the end of the device.
func judged(err error) error {
	failed := (*boundary.Rejected)(nil)
	if errors.As(err, &failed) && (failed.Field("stage") == "transmission" && slices.Contains(unreadable, failed.Field("code")) || failed.Field("code") == outOfRange) {
		return &acquire.Unreadable{Err: err}
	}
	return err
}
