package image

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
)

// A Writer appends a disk to an Output, piece by piece. Its methods are for one
// goroutine. After one of them has failed, all fail but Sync; State is that
// before the call that failed.
type Writer struct {
	out    Output
	state  State
	frames *encoder // of Zstd
	failed error
}

var errFinished = errors.New("the image is finished: nothing can be added to it")

// NewWriter begins an image in an Output that is empty.
func NewWriter(f Format, out Output) (*Writer, error) { return Resume(State{Format: f}, out) }

// Resume goes on with an image where State was called. The Output must append
// at byte s.File of the file, with what was after it cut off. A state that
// can't be one is an error, and so is one of a finished image.
func Resume(s State, out Output) (*Writer, error) {
	w := &Writer{out: out, state: s}
	var err error
	switch s.Format {
	case Raw:
		err = checkRaw(s)
	case Zstd:
		if err = checkFrames(s); err == nil {
			w.frames, err = newEncoder()
		}
	default:
		err = fmt.Errorf("there is no format %q of images: known are raw and zstd", string(s.Format))
	}
	if err != nil {
		return nil, err
	}
	return w, nil
}

var errNoState = errors.New("this is no state of an image that can go on: its sizes don't fit together")

func checkRaw(s State) error {
	if s.Disk < 0 || s.File != s.Disk || len(s.Frames) != 0 {
		return errNoState
	}
	return nil
}

// Write appends the next bytes of the disk, at most MaxPiece. p is the caller's
// again when it returns.
func (w *Writer) Write(ctx context.Context, p []byte) error {
	return w.append(int64(len(p)), MaxPiece, func() error {
		if w.frames == nil {
			return w.appendRaw(int64(len(p)), w.out.Write(ctx, p))
		}
		return w.appendFrame(ctx, w.frames.piece(p), len(p))
	})
}

func (w *Writer) appendRaw(n int64, err error) error {
	w.state.File += n
	w.state.Disk += n
	return err
}

// Zeros appends n zeros of the disk.
func (w *Writer) Zeros(ctx context.Context, n int64) error {
	return w.append(n, math.MaxInt64, func() error {
		if w.frames == nil {
			return w.appendRaw(n, w.out.Skip(ctx, n))
		}
		return w.zeroFrames(ctx, n)
	})
}

func (w *Writer) zeroFrames(ctx context.Context, n int64) error {
	for n > 0 {
		length := min(n, maxFrame)
		frame, err := w.frames.zeros(length)
		if err == nil {
			err = w.appendFrame(ctx, frame, int(length))
		}
		if err != nil {
			return err
		}
		n -= length
	}
	return nil
}

// append checks the bounds of what do appends to the disk. When do fails, it
// takes back what do has changed in the state.
func (w *Writer) append(n, most int64, do func() error) error {
	switch {
	case w.failed != nil:
		return w.failed
	case n < 0 || n > most || n > math.MaxInt64-w.state.Disk:
		return fmt.Errorf("an image can't take %d bytes at once after %d", n, w.state.Disk)
	case n == 0:
		return nil
	}
	before := w.state
	if err := do(); err != nil {
		w.state, w.failed = before, err
	}
	return w.failed
}

func (w *Writer) appendFrame(ctx context.Context, frame []byte, length int) error {
	if len(w.state.Frames) >= maxFrames*entrySize {
		return errors.New("the image has all the frames that its table can have")
	}
	if err := w.out.Write(ctx, frame); err != nil {
		return err
	}
	w.state.Frames = appendEntry(w.state.Frames, len(frame), length)
	w.state.File += int64(len(frame))
	w.state.Disk += int64(length)
	return nil
}

// Sync makes durable what was appended, also after a failure: from then on the
// State can be kept.
func (w *Writer) Sync(ctx context.Context) error {
	err := w.out.Sync(ctx)
	if err != nil && w.failed == nil {
		w.failed = err
	}
	return err
}

// Finish ends the image and makes it durable. Then State().File is the size of
// the file, and nothing can be added.
func (w *Writer) Finish(ctx context.Context) error {
	if w.failed != nil {
		return w.failed
	}
	if w.frames != nil {
		w.failed = w.appendTable(ctx)
	}
	if w.failed == nil {
		w.failed = w.out.Sync(ctx)
	}
	if w.failed != nil {
		return w.failed
	}
	w.failed = errFinished
	w.state.File += tableSize(w.state)
	return nil
}

func (w *Writer) appendTable(ctx context.Context) error {
	header, footer := tableEnds(len(w.state.Frames) / entrySize)
	if err := w.out.Write(ctx, header); err != nil {
		return err
	}
	for entries := range slices.Chunk(w.state.Frames, MaxPiece) {
		if err := w.out.Write(ctx, entries); err != nil {
			return err
		}
	}
	return w.out.Write(ctx, footer)
}

// State is all that Resume needs. It costs nothing, and later calls don't change
// what it returned.
func (w *Writer) State() State {
	s := w.state
	s.Frames = s.Frames[:len(s.Frames):len(s.Frames)]
	return s
}
