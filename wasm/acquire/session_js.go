package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"syscall/js"

	"nbdbridge/evidence/image"
	"nbdbridge/evidence/report"
	"nbdbridge/wasm/boundary"
)

// A session is what one Worker is used for: an acquisition, a pass, an image,
// a log, or a hash.
type session struct {
	device *boundary.Device
	image  *image.Image
}

// api is what the page calls. Results are JSON unless a comment says otherwise.
func (s *session) api() *boundary.API {
	api := boundary.NewAPI(codeOf)
	api.Add("attach", 1, s.attach)
	api.Add("detach", 0, s.detach)
	api.Add("acquire", 3, s.acquire)
	api.Add("pass", 3, s.pass)
	api.Add("text", 1, s.text)
	api.Add("openImage", 1, s.openImage)
	api.Add("readImage", 2, s.readImage)
	api.Add("hash", 1, s.hash)
	return api
}

// attach takes a handle.
func (s *session) attach(_ context.Context, args []js.Value) (_ any, err error) {
	s.device, err = boundary.Attach(args[0])
	return boundary.Done(err)
}

// detach ends the handle.
func (s *session) detach(context.Context, []js.Value) (any, error) {
	if s.device == nil {
		return boundary.Done(nil)
	}
	return boundary.Done(s.device.Close())
}

// text(log) resolves with the text of a log that is given as JSON.
func (s *session) text(_ context.Context, args []js.Value) (any, error) {
	log, err := report.Decode([]byte(args[0].String()))
	if err != nil {
		return nil, boundary.Argumentf("%v", err)
	}
	var b bytes.Buffer
	err = log.WriteText(&b)
	return b.String(), err
}

// openImage(format) resolves with the size of the disk in the image that the
// device holds.
func (s *session) openImage(_ context.Context, args []js.Value) (_ any, err error) {
	s.image, err = image.Open(image.Format(args[0].String()), s.device.Under(context.Background()), s.device.Size())
	if err != nil {
		return nil, &damagedError{err}
	}
	return s.image.Size(), nil
}

// readImage(offset, length) resolves with a Uint8Array. The length is at most
// image.MaxPiece.
func (s *session) readImage(_ context.Context, args []js.Value) (any, error) {
	offset, err := boundary.SafeInteger("offset", args[0])
	if err != nil {
		return nil, err
	}
	length, err := boundary.SafeInteger("length", args[1])
	if err != nil || length > image.MaxPiece {
		return nil, errors.Join(err, boundary.Argumentf("length is %d, and at most %d", length, image.MaxPiece))
	}
	p := make([]byte, length)
	if n, err := s.image.ReadAt(p, offset); n < len(p) {
		return nil, &damagedError{errors.Join(err, io.ErrUnexpectedEOF)}
	}
	return boundary.Array(p), nil
}
