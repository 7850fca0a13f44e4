package main

import (
	"context"
	"errors"
	"io"
	"syscall/js"
)

const (
	readPiece = 1 << 20 // bytes of one read of the device at most
	maxReads  = 8       // under way; together they bound the bytes that wait to be copied
)

// A device is the page's, behind a handle.
type device struct {
	js    js.Value
	size  int64
	slots chan struct{}
	life  context.Context // until close
	end   context.CancelFunc
}

// attach makes a device of a handle, a MessagePort.
func attach(handle js.Value) (*device, error) {
	d, err := awaited(func() js.Value { return js.Global().Call(deviceFunc, handle) })
	if err != nil {
		return nil, err
	}
	size, err := safeInteger("the size of the device", d.Get("size"))
	life, end := context.WithCancel(context.Background())
	return &device{d, size, make(chan struct{}, maxReads), life, end}, err
}

// close ends what is under way, and the handle.
func (d *device) close() error {
	d.end()
	_, err := awaited(func() js.Value { return d.js.Call("close") })
	return err
}

// under is the device for as long as the context allows.
func (d *device) under(ctx context.Context) io.ReaderAt { return reader{ctx, d} }

// A reader must not panic whatever the device does: caches read in goroutines
// of their own.
type reader struct {
	ctx context.Context
	*device
}

func (r reader) ReadAt(p []byte, offset int64) (n int, err error) {
	if offset < 0 {
		return 0, errors.New("a read before the beginning of the disk")
	}
	wanted := p[:min(int64(len(p)), max(r.size-offset, 0))]
	for n < len(wanted) {
		piece := wanted[n:min(n+readPiece, len(wanted))]
		if err := r.read(piece, offset+int64(n)); err != nil {
			return n, err
		}
		n += len(piece)
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func (r reader) read(p []byte, offset int64) (err error) {
	defer catch(&err)
	select {
	case r.slots <- struct{}{}:
	case <-r.ctx.Done():
		return context.Cause(r.ctx)
	}
	defer func() { <-r.slots }()
	signal, stop := signalOf(r.ctx, r.life)
	defer stop()
	array, err := awaited(func() js.Value {
		return r.js.Call("read", offset, len(p), map[string]any{"signal": signal})
	})
	switch {
	case err == nil && js.CopyBytesToGo(p, array) < len(p):
		return io.ErrUnexpectedEOF
	case err != nil && r.ctx.Err() != nil:
		return context.Cause(r.ctx)
	}
	return err
}
