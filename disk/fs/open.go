package fs

import (
	"context"
	"io"
)

// openers are the formats that can be browsed, by the kind that disk.Probe
// gives their signature. An opener of another's volume fails.
var openers = map[string]opener{}

// Open finds the file system of a volume of size bytes and reads its head. It
// reads through Pages of its own, or through r where that is a *Pages of that
// size.
//
// ErrUnsupported names what was found; ErrDamaged is a file system that can't
// be opened.
func Open(r io.ReaderAt, size int64) (Volume, error) {
	return OpenContext(context.Background(), r, size)
}

// OpenContext is Open that goes on no longer than the context allows.
func OpenContext(ctx context.Context, r io.ReaderAt, size int64) (opened Volume, err error) {
	defer explain("open volume", "", &err)
	pages, ok := r.(*Pages)
	if !ok || pages.Size() != size {
		pages = NewPages(r, size, 0)
	}
	f, err := openFormat(newSource(ctx, pages))
	if err != nil {
		return nil, err
	}
	return &volume{pages: pages, format: f}, nil
}

func openFormat(s *source) (format, error) {
	return openExt(s)
}
