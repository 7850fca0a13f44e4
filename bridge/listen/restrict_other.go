//go:build !linux

package listen

import (
	"io/fs"
	"syscall"
)

// restrict does nothing: other systems have no mode for a socket without a
// name, and listenUnix sets it right after.
func restrict(syscall.RawConn, fs.FileMode) error { return nil }
