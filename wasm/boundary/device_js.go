package boundary

import (
	"context"
	"errors"
	"io"
	"syscall/js"
)

const (
	readPiece = 1 << 20 // bytes of one read of the device at most

	// MaxReads are under way; together they bound the bytes that wait to be copied.
	MaxReads = 8
)

// A Device is the page's, behind a handle.
type Device struct {
	js    js.Value
	size  int64
	slots chan struct{}
	life  context.Context // until Close
	end   context.CancelFunc
}

// Attach makes a device of a handle, a MessagePort.
func Attach(handle js.Value) (*Device, error) {
	d, err := Awaited(func() js.Value { return js.Global().Call(deviceFunc, handle) })
	if err != nil {
		return nil, err
	}
	size, err := SafeInteger("the size of the device", d.Get("size"))
	life, end := context.WithCancel(context.Background())
	return &Device{d, size, make(chan struct{}, MaxReads), life, end}, err
}

// Size is in bytes.
func (d *Device) Size() int64 { return d.size }

// Close ends what is under way, and the handle.
func (d *Device) Close() error {
	d.end()
	_, err := Awaited(func() js.Value { return d.js.Call("close") })
	return err
}

// Under is the device for as long as the context allows.
func (d *Device) Under(ctx context.Context) io.ReaderAt { return reader{ctx, d} }

// A reader must not panic whatever the device does: caches read in goroutines
// of their own.
type reader struct {
	ctx context.Context
	*Device
}

func (r reader) ReadAt(p []byte, offset int64) (n int, err error) {
	if offset < 0 {
		return 0, errors.New("a read before the beginning of the disk")
	}
	wanted := p[:min(int64(len(p)), max(r.size-offset, 0))]
	for n < len(wanted) {
		piece := wanted[n:min(n+readPiece, len(wanted))]
		if err := r.Read(r.ctx, piece, offset+int64(n)); err != nil {
			return n, err
		}
		n += len(piece)
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// Read fills p with one read of the device, which waits while MaxReads are
// under way. What the device rejected with is a *Rejected.
func (d *Device) Read(ctx context.Context, p []byte, offset int64) (err error) {
	defer Catch(&err)
	select {
	case d.slots <- struct{}{}:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	defer func() { <-d.slots }()
	array, err := d.call(ctx, "read", offset, len(p))
	if err == nil && js.CopyBytesToGo(p, array) < len(p) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// An Extent is a run of bytes of one type: "data", "zero" or "hole".
type Extent struct {
	Offset, Length int64
	Type           string
}

// BlockStatus tells of the bytes from offset on, in order and without gaps, at
// most length of them. What the device tells beyond sense ends it.
func (d *Device) BlockStatus(ctx context.Context, offset, length int64) (extents []Extent, err error) {
	defer Catch(&err)
	told, err := d.call(ctx, "blockStatus", offset, length)
	if err != nil {
		return nil, err
	}
	at, end := offset, offset+length
	for i := range told.Length() {
		x := told.Index(i)
		e := Extent{int64(x.Get("offset").Float()), int64(x.Get("length").Float()), x.Get("type").String()}
		if e.Offset != at || e.Length <= 0 || e.Length > end-at {
			break
		}
		extents = append(extents, e)
		at += e.Length
	}
	return extents, nil
}

// call calls a method of a range for as long as the context, and the device,
// live.
func (d *Device) call(ctx context.Context, method string, offset, length any) (js.Value, error) {
	signal, stop := signalOf(ctx, d.life)
	defer stop()
	value, err := Awaited(func() js.Value {
		return d.js.Call(method, offset, length, map[string]any{"signal": signal})
	})
	if err != nil && ctx.Err() != nil {
		return value, context.Cause(ctx)
	}
	return value, err
}
