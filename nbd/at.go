package nbd

import (
	"context"
	"io"
)

// A ReaderWriterAt is a disk for the interfaces of package io, which know no
// contexts: every call is bounded by the one that At was given.
type ReaderWriterAt interface {
	io.ReaderAt
	io.WriterAt
}

// At returns the disk as a reader and writer, in whose calls ctx is used.
func (d *Disk) At(ctx context.Context) ReaderWriterAt { return at{ctx, d} }

// At returns the disk as a reader and writer, in whose calls ctx is used.
func (r *LastingDisk) At(ctx context.Context) ReaderWriterAt { return at{ctx, r} }

type at struct {
	ctx  context.Context
	disk interface {
		Info() *ExportInfo
		Read(ctx context.Context, p []byte, off int64) error
		Write(ctx context.Context, p []byte, off int64, f Flags) error
	}
}

// ReadAt reads as io.ReaderAt says: up to the end, and then io.EOF.
func (a at) ReadAt(p []byte, off int64) (int, error) {
	var end error
	if size := a.disk.Info().Size; off >= 0 && int64(len(p)) > size-off {
		p, end = p[:max(size-off, 0)], io.EOF
	}
	if len(p) > 0 || end == nil {
		if err := a.disk.Read(a.ctx, p, off); err != nil {
			return 0, err
		}
	}
	return len(p), end
}

// WriteAt writes all of p or fails.
func (a at) WriteAt(p []byte, off int64) (int, error) {
	if err := a.disk.Write(a.ctx, p, off, 0); err != nil {
		return 0, err
	}
	return len(p), nil
}
