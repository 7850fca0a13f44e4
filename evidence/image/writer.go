package image

import (
	"context"
	"errors"
)

// A Writer appends a disk to an Output, piece by piece. Its methods are not to
// be called at once. After one of them has failed, but Sync, all do; State then
// is that before the call that failed.
type Writer struct {
	out   Output
	state State
}

var errSkeleton = errors.New("not written yet")

// NewWriter begins an image in an Output that is empty.
func NewWriter(f Format, out Output) (*Writer, error) { return nil, errSkeleton }

// Resume goes on with an image where State was called. The Output must append
// at byte s.File of the file, with what was after it cut off. A state that
// can't be one is an error.
func Resume(s State, out Output) (*Writer, error) { return nil, errSkeleton }

// Write appends the next bytes of the disk, at most MaxPiece. p is the caller's
// again when it returns.
func (w *Writer) Write(ctx context.Context, p []byte) error { return errSkeleton }

// Zeros appends n zeros of the disk.
func (w *Writer) Zeros(ctx context.Context, n int64) error { return errSkeleton }

// Sync makes durable what was appended, also after a failure: from then on State
// can be kept.
func (w *Writer) Sync(ctx context.Context) error { return errSkeleton }

// Finish ends the image and makes it durable. Then State().File is the size of
// the file, and there is no way to go on.
func (w *Writer) Finish(ctx context.Context) error { return errSkeleton }

// State is all that Resume needs. It costs nothing, and later calls don't change
// it.
func (w *Writer) State() State { return w.state }
