package main

import (
	"context"
	"syscall/js"

	"nbdbridge/evidence/acquire"
	"nbdbridge/wasm/boundary"
	"nbdbridge/wasm/hasher"
)

// zerosAtOnce is how many bytes of zeros are hashed by one call.
const zerosAtOnce = 16 << 20

// A digest is a hash in another Worker.
type digest struct {
	*line
	name string
}

// newDigest begins a hash behind a port, at the position of a state if there is one.
func newDigest(ctx context.Context, name string, port js.Value, state []byte, position int64) (acquire.Digest, error) {
	d := digest{newLine(port), name}
	from := js.Undefined()
	if state != nil {
		from = boundary.Array(state)
	}
	_, err := d.ask(ctx, "begin", name, from, position)
	return d, err
}

func (d digest) Name() string { return d.name }

func (d digest) Write(ctx context.Context, p []byte) error {
	return d.begin(ctx, "write", boundary.Array(p))
}

func (d digest) Zeros(ctx context.Context, n int64) error {
	for ; n > 0; n -= zerosAtOnce {
		if err := d.begin(ctx, "zeros", min(n, zerosAtOnce)); err != nil {
			return err
		}
	}
	return nil
}

func (d digest) State(ctx context.Context) ([]byte, error) { return d.bytes(ctx, "state") }
func (d digest) Sum(ctx context.Context) ([]byte, error)   { return d.bytes(ctx, "sum") }

func (d digest) bytes(ctx context.Context, method string) ([]byte, error) {
	if err := d.drain(ctx); err != nil {
		return nil, err
	}
	array, err := d.ask(ctx, method)
	if err != nil {
		return nil, err
	}
	return bytesOf(array)
}

func bytesOf(array js.Value) (p []byte, err error) {
	defer boundary.Catch(&err)
	p = make([]byte, array.Length())
	js.CopyBytesToGo(p, array)
	return p, nil
}

// serveFunc is the function of the worker that has calls over a port answered
// by an object of functions.
const serveFunc = "nbdbridgeServe"

// hash(port) answers the calls of a digest for as long as the Worker lives.
func (s *session) hash(_ context.Context, args []js.Value) (any, error) {
	js.Global().Call(serveFunc, args[0], hasher.New())
	return boundary.Done(nil)
}
