package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"syscall/js"

	"nbdbridge/disk/fs"
	"nbdbridge/wasm/boundary"
)

// A file is open from openFile to closeFile.
type file struct {
	volume *volume
	fs.File
}

// maxSize is the largest integer that a JavaScript number holds together with
// all smaller ones.
const maxSize = 1<<53 - 1

// readPiece is how much of a file is read at once, in bytes.
const readPiece = 1 << 20

// openFile(volume, path, stream) resolves with {id, size, zeros}.
func (s *session) openFile(ctx context.Context, args []js.Value) (any, error) {
	v, path, err := s.place(args)
	if err != nil {
		return nil, err
	}
	stream, err := boundary.Text("stream", args[2])
	if err != nil {
		return nil, err
	}
	f, err := v.Open(ctx, path, stream)
	if err != nil {
		return nil, err
	}
	var holes []zeros
	if stream == "" {
		holes = v.zeros(ctx, path, f.Size())
	}
	if f.Size() > maxSize {
		return nil, fmt.Errorf("%w: a file of %d bytes", fs.ErrUnsupported, f.Size())
	}
	id, err := s.files.add(&file{v, f})
	if v.ctx.Err() != nil { // it was closed meanwhile, and may have missed this file
		s.files.removeAll(func(f *file) bool { return f.volume == v })
		return nil, context.Cause(v.ctx)
	}
	return boundary.JSON(map[string]any{"id": id, "size": f.Size(), "zeros": holes}, err)
}

// A zeros is a range of a file that reads as zeroes, in bytes.
type zeros struct {
	Offset int64  `json:"offset"`
	Length int64  `json:"length"`
	Type   string `json:"type"` // as of web/client/ranges.js
}

// zeros tells what is known to be zeroes: what is not is read, so that nothing
// is lost where extents are not in order.
func (v *volume) zeros(ctx context.Context, path string, size int64) []zeros {
	known := []zeros{}
	d, err := v.Stat(ctx, path)
	if err != nil {
		return known
	}
	end := int64(0)
	for _, x := range d.Extents {
		if x.Offset < end || x.Length <= 0 || x.Offset >= size {
			break
		}
		end = x.Offset + min(x.Length, size-x.Offset)
		switch x.Kind {
		case fs.ExtentHole:
			known = append(known, zeros{x.Offset, end - x.Offset, "hole"})
		case fs.ExtentUnwritten:
			known = append(known, zeros{x.Offset, end - x.Offset, "zero"})
		}
	}
	return known
}

// readFile(file, offset, length) resolves with a Uint8Array. The length is at
// most readPiece.
func (s *session) readFile(ctx context.Context, args []js.Value) (any, error) {
	f, err := s.files.get(args[0])
	if err != nil {
		return nil, err
	}
	offset, err := boundary.SafeInteger("offset", args[1])
	if err != nil {
		return nil, err
	}
	length, err := boundary.SafeInteger("length", args[2])
	if err != nil || length > readPiece {
		return nil, errors.Join(err, boundary.Argumentf("length is %d, and at most %d", length, readPiece))
	}
	select {
	case s.reads <- struct{}{}:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	defer func() { <-s.reads }()
	p := make([]byte, length)
	if n, err := f.ReadContext(ctx, p, offset); n < len(p) {
		return nil, errors.Join(err, io.ErrUnexpectedEOF)
	}
	return boundary.Array(p), nil
}

// closeFile(file)
func (s *session) closeFile(_ context.Context, args []js.Value) (any, error) {
	s.files.remove(args[0])
	return boundary.Done(nil)
}
