package main

import (
	"errors"
	"io"
	"slices"

	"nbdbridge/evidence/acquire"
	"nbdbridge/evidence/report"
	"nbdbridge/wasm/boundary"
)

// codeOf gives the codes of web/client/errors.js.
func codeOf(err error) string {
	switch {
	case errors.Is(err, report.ErrTooMany):
		return "LIMIT"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "DAMAGED"
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
