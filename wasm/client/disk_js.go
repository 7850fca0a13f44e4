package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"syscall/js"

	"nbdbridge/nbd"
)

// pieceSize is how much of one call goes through the memory of Go at a time,
// in bytes: as much as may be in flight. The rest of a long read or write
// stays in the memory of JavaScript, because Go's only ever grows.
const pieceSize = nbd.DefaultMaxInFlight

// A session is what one Worker does: one list, or one disk.
type session struct {
	disk  disk   // nil before open has resolved
	where string // the export and the bridge, for messages
}

// api is the object that the worker calls. Every function returns a promise
// and takes an AbortSignal, or nothing, as its last argument.
func (s *session) api() js.Value {
	return js.ValueOf(map[string]any{
		"list":        method(1, s.list).Func,
		"info":        method(1, s.info).Func,
		"open":        method(2, s.open).Func,
		"read":        method(2, s.read).Func,
		"write":       method(3, s.write).Func,
		"trim":        method(2, s.trim).Func,
		"zero":        method(3, s.zero).Func,
		"cache":       method(2, s.cache).Func,
		"blockStatus": method(2, s.blockStatus).Func,
		"flush":       method(0, s.flush).Func,
		"wait":        method(0, s.wait).Func,
		"check":       method(1, s.check).Func,
		"close":       method(0, s.close).Func,
	})
}

// open(options, hooks) resolves with the facts of the disk.
func (s *session) open(ctx context.Context, args []js.Value) (any, error) {
	if s.disk != nil {
		return nil, argumentErrorf("a disk is open already: each needs a Worker of its own")
	}
	o, err := parseOptions(args[0])
	if err != nil {
		return nil, err
	}
	s.where = whereOf(o)
	o.cfg.MetaContexts = []string{allocation}
	disk, err := s.opens(ctx, o, hooksOf(args[1]))
	if err != nil {
		return nil, s.in("opening", err)
	}
	if err := checkSize(disk.Info()); err != nil {
		disk.Close()
		return nil, s.in("opening", err)
	}
	s.disk = disk
	return facts(disk.Info(), disk.ReadOnly(), disk.TLS(), &o.cfg), nil
}

// connect makes the tunnel and negotiates.
func (s *session) connect(ctx context.Context, o *options, by tickets) (*nbd.Client, error) {
	c, err := dial(ctx, o.url, by)
	if err != nil {
		return nil, err
	}
	client, err := nbd.NewClient(ctx, c, &o.cfg)
	return client, signing(&o.cfg.TLS, err)
}

// in says what was being done, and where.
func (s *session) in(doing string, err error) error { return s.at(doing, nowhere, err) }

// at is in with the byte that a request was about; it leaves nil as it is.
func (s *session) at(doing string, offset int64, err error) error {
	if err == nil {
		return nil
	}
	return &callError{doing: doing + " " + s.where, opened: s.disk != nil, offset: offset, err: err}
}

// withoutQuery leaves out of a message what may be secret in a URL.
func withoutQuery(url string) string {
	url, _, _ = strings.Cut(url, "?")
	return url
}

// opened returns the disk, which is nil before open has resolved.
func (s *session) opened() (disk, error) {
	if s.disk == nil {
		return nil, fmt.Errorf("no disk is open: %w", net.ErrClosed)
	}
	return s.disk, nil
}

// read(offset, length) resolves with a Uint8Array that has its buffer to itself.
func (s *session) read(ctx context.Context, args []js.Value) (any, error) {
	offset, length, err := s.span("read", args[0], args[1])
	if err != nil {
		return nil, err
	}
	out, err := newBytes(length)
	if err != nil {
		return nil, err
	}
	err = pieces(length, func(at int64, p []byte) error {
		if err := s.disk.Read(ctx, p, offset+at); err != nil {
			return err
		}
		js.CopyBytesToJS(out.Call("subarray", at), p)
		return nil
	})
	if err != nil {
		return nil, s.at("reading", offset, err)
	}
	return out, nil
}

// write(offset, bytes, fua) resolves when the server has answered for all of it.
func (s *session) write(ctx context.Context, args []js.Value) (any, error) {
	data := args[1]
	if !data.InstanceOf(uint8Array) {
		return nil, argumentErrorf("write takes a Uint8Array")
	}
	offset, length, err := s.span("write", args[0], data.Get("byteLength"))
	if err != nil {
		return nil, err
	}
	var flags nbd.Flags
	if args[2].Truthy() {
		flags = nbd.FlagFUA
	}
	err = pieces(length, func(at int64, p []byte) error {
		js.CopyBytesToGo(p, data.Call("subarray", at))
		return s.disk.Write(ctx, p, offset+at, flags)
	})
	return done(s.at("writing", offset, err))
}

// span checks a range against the disk before anything is allocated for it.
func (s *session) span(op string, offsetValue, lengthValue js.Value) (offset, length int64, err error) {
	disk, err := s.opened()
	if err != nil {
		return 0, 0, err
	}
	if offset, err = safeInteger("offset", offsetValue); err != nil {
		return 0, 0, err
	}
	if length, err = safeInteger("length", lengthValue); err != nil {
		return 0, 0, err
	}
	if size := disk.Info().Size; offset > size || length > size-offset {
		return 0, 0, s.at("using", offset, fmt.Errorf("%w: %s of %d bytes at %d of %d", nbd.ErrOutOfRange, op, length, offset, size))
	}
	return offset, length, nil
}

// pieces calls fn for one part of a range after the other, with a buffer of its size.
//
// The buffer is new in every call, on purpose: the garbage collector of Go
// knows nothing of the JavaScript buffers that a js.Value holds on to, and
// this allocation is what makes it run in step with them.
func pieces(length int64, fn func(at int64, p []byte) error) error {
	buf := make([]byte, min(length, pieceSize))
	for at := int64(0); at < length; at += int64(len(buf)) {
		if err := fn(at, buf[:min(length-at, pieceSize)]); err != nil {
			return err
		}
	}
	return nil
}

// flush() resolves when the server has everything on stable storage.
func (s *session) flush(ctx context.Context, _ []js.Value) (any, error) {
	disk, err := s.opened()
	if err != nil {
		return nil, err
	}
	return done(s.in("flushing", disk.Flush(ctx)))
}

// wait() resolves after close(), and rejects when the connection ends by itself.
func (s *session) wait(context.Context, []js.Value) (any, error) {
	disk, err := s.opened()
	if err != nil {
		return nil, err
	}
	return done(s.in("using", disk.Wait()))
}

// check(milliseconds) asks the server for something small, and resolves with
// whether an answer came in that time. A connection without one is ended, and
// made again where the disk reconnects.
func (s *session) check(ctx context.Context, args []js.Value) (any, error) {
	disk, err := s.opened()
	if err != nil {
		return nil, err
	}
	within, err := milliseconds("milliseconds", args[0])
	if err != nil {
		return nil, err
	}
	err = disk.Check(ctx, within)
	if errors.Is(err, nbd.ErrRequestTimeout) {
		return false, nil
	}
	return err == nil, s.in("checking", err)
}

// close() resolves when the connection is closed. It rejects when acknowledged
// writes are lost with it; what else went wrong is told by wait.
func (s *session) close(context.Context, []js.Value) (any, error) {
	disk, err := s.opened()
	if err != nil {
		return nil, err
	}
	return done(s.in("closing", disk.Close()))
}
