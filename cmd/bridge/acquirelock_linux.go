package main

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// lockAlone keeps other acquisitions from a file until it is closed.
func lockAlone(f *os.File) error {
	err := onDescriptor(f, func(fd int) error { return unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB) })
	if err == unix.EWOULDBLOCK {
		return fmt.Errorf("%s is being written by another bridge acquire: wait for its end", f.Name())
	}
	if err != nil {
		return fmt.Errorf("locking %s: %w", f.Name(), err)
	}
	return nil
}

// readCold has what is read of a file come from where it is stored, and not out
// of memory, where the system can do that.
func readCold(f *os.File) {
	_ = onDescriptor(f, func(fd int) error { return unix.Fadvise(fd, 0, 0, unix.FADV_DONTNEED) })
}

func onDescriptor(f *os.File, op func(fd int) error) error {
	raw, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var failure error
	if err := raw.Control(func(fd uintptr) {
		for failure = op(int(fd)); failure == unix.EINTR; {
			failure = op(int(fd))
		}
	}); err != nil {
		return err
	}
	return failure
}
