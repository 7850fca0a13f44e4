package main

import (
	"errors"
	"fmt"
	"syscall"
)

// withRoom says what to do about a place that has no room for an image.
func withRoom(err error) error {
	switch {
	case errors.Is(err, syscall.ENOSPC):
		return fmt.Errorf("%w\nMake room there first", err)
	case errors.Is(err, syscall.EFBIG):
		return fmt.Errorf("%w\nThe file system there takes no file that large: move all files of the acquisition to another one first", err)
	}
	return err
}
