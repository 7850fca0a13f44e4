package nbd

import (
	"context"
	"io"
)

// ReadUnfragmented is Read with FlagDF: the server answers each of the
// requests that make up the call with one piece of data.
func (d *Disk) ReadUnfragmented(ctx context.Context, p []byte, off int64) error { return ENOTSUP }

// Trim tells the server that length bytes at off are no longer needed.
func (d *Disk) Trim(ctx context.Context, off, length int64, f Flags) error { return ENOTSUP }

// WriteZeroes makes length bytes at off read as zeroes.
func (d *Disk) WriteZeroes(ctx context.Context, off, length int64, f Flags) error { return ENOTSUP }

// Cache asks the server to fetch length bytes at off in advance.
func (d *Disk) Cache(ctx context.Context, off, length int64) error { return ENOTSUP }

// BlockStatus asks for the status of length bytes at off in the metadata
// contexts named, or in all that are selected. The extents of each context
// are consecutive from off, inside the range, at least one; they may end
// before the range does: ask again for the rest.
func (d *Disk) BlockStatus(ctx context.Context, off, length int64, f Flags, contexts ...string) (map[string][]Extent, error) {
	return nil, ENOTSUP
}

// MetaContexts are the names of the metadata contexts that are selected.
func (d *Disk) MetaContexts() []string { return nil }

// At returns the disk as a reader and writer whose calls are bounded by ctx.
func (d *Disk) At(ctx context.Context) interface {
	io.ReaderAt
	io.WriterAt
} {
	return nil
}
