package listen

import (
	"errors"
	"io/fs"
	"syscall"
)

// restrict gives a socket its mode before it has a name: between the two,
// others could connect where the umask lets them.
func restrict(c syscall.RawConn, mode fs.FileMode) error {
	var failure error
	err := c.Control(func(fd uintptr) { failure = syscall.Fchmod(int(fd), uint32(mode)) })
	return errors.Join(err, failure)
}
