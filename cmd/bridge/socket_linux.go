package main

import (
	"errors"
	"syscall"
)

// ownersOnly gives a socket its mode before it has a name: between the two,
// others could connect where the umask lets them.
func ownersOnly(_, _ string, c syscall.RawConn) error {
	var failure error
	err := c.Control(func(fd uintptr) { failure = syscall.Fchmod(int(fd), 0o600) })
	return errors.Join(err, failure)
}
