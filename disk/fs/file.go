package fs

import (
	"context"
	"errors"
	"io"
)

// A file is a File over a format's content.
type file struct {
	volume  *volume
	path    string
	content content
}

func (f *file) Size() int64 { return f.content.size() }

func (f *file) ReadAt(p []byte, offset int64) (int, error) {
	return f.ReadContext(context.Background(), p, offset)
}

// piece is how much of a read is one operation, for its budget.
const piece = 1 << 20

func (f *file) ReadContext(ctx context.Context, p []byte, offset int64) (int, error) {
	if offset < 0 {
		return 0, &Error{"read", f.path, errors.New("an offset below zero")}
	}
	wanted := p[:min(int64(len(p)), max(f.Size()-offset, 0))]
	for n := 0; n < len(wanted); n += piece {
		part := wanted[n:min(n+piece, len(wanted))]
		if err := f.readPiece(ctx, part, offset+int64(n)); err != nil {
			return n, err
		}
	}
	if len(wanted) < len(p) {
		return len(wanted), io.EOF
	}
	return len(wanted), nil
}

func (f *file) readPiece(ctx context.Context, p []byte, offset int64) (err error) {
	defer explain("read", f.path, &err)
	if f.volume.closed.Load() {
		return ErrClosed
	}
	return f.content.readAt(newSource(ctx, f.volume.pages), p, offset)
}
