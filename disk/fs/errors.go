package fs

import (
	"errors"
	"fmt"
)

// What can be wrong, beside the disk's own errors.
var (
	// ErrUnsupported: the volume has a file system that can't be browsed, or
	// none that is known; or a file is of a kind whose content can't be read,
	// such as an encrypted one. The message names what was found.
	ErrUnsupported = errors.New("not supported")
	// ErrDamaged: what the disk says contradicts itself.
	ErrDamaged = errors.New("the file system is damaged")
	// ErrNotFound: no entry, or no stream, has that name.
	ErrNotFound = errors.New("not found")
	// ErrNotFolder: a list, or a further name, of what is no folder. Links are
	// not followed.
	ErrNotFolder = errors.New("not a folder")
	// ErrNotFile: the content of what has none: a folder, a device, a link.
	ErrNotFile = errors.New("not a file")
	// ErrPath: a path that doesn't begin with "/" or that names nothing in
	// the form of Escape.
	ErrPath = errors.New("not a valid path")
	// ErrLimit: more than a limit of this package, or more reads than any
	// sound file system would take.
	ErrLimit = errors.New("over a limit")
	// ErrClosed: the volume has been closed.
	ErrClosed = errors.New("the volume has been closed")
)

// An Error says what an operation failed on.
type Error struct {
	Op   string // "open volume", "list", "stat", "open", "read"
	Path string // empty for the volume
	Err  error
}

func (e *Error) Error() string {
	if e.Path == "" {
		return fmt.Sprintf("%s: %v", e.Op, e.Err)
	}
	return fmt.Sprintf("%s %s: %v", e.Op, e.Path, e.Err)
}

func (e *Error) Unwrap() error { return e.Err }

// damaged is ErrDamaged with what was found.
func damaged(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrDamaged, fmt.Sprintf(format, args...))
}

// unsupported is ErrUnsupported with what was found.
func unsupported(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrUnsupported, fmt.Sprintf(format, args...))
}
