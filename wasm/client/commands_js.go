package main

import (
	"context"
	"encoding/binary"
	"math"
	"syscall/js"

	"nbdbridge/nbd"
)

// allocation is the metadata context that blockStatus tells.
const allocation = "base:allocation"

// Kinds of extents, as web/client/extents.js has them.
const (
	extentData = iota
	extentZero // allocated, and reads as zeroes
	extentHole // not allocated, and reads as zeroes
)

// trim(offset, length) resolves when the server has answered for all of it.
func (s *session) trim(ctx context.Context, args []js.Value) (any, error) {
	offset, length, err := s.span("trim", args[0], args[1])
	if err != nil {
		return nil, err
	}
	return done(s.at("trimming", offset, s.disk.Trim(ctx, offset, length, 0)))
}

// zero(offset, length, unmap) resolves when the range reads as zeroes. With
// unmap the server may give its space back.
func (s *session) zero(ctx context.Context, args []js.Value) (any, error) {
	offset, length, err := s.span("write of zeroes", args[0], args[1])
	if err != nil {
		return nil, err
	}
	flags := nbd.FlagNoHole
	if args[2].Truthy() {
		flags = 0
	}
	return done(s.at("writing zeroes to", offset, s.disk.WriteZeroes(ctx, offset, length, flags)))
}

// cache(offset, length) resolves when the server has fetched the range.
func (s *session) cache(ctx context.Context, args []js.Value) (any, error) {
	offset, length, err := s.span("cache", args[0], args[1])
	if err != nil {
		return nil, err
	}
	return done(s.at("caching", offset, s.disk.Cache(ctx, offset, length)))
}

// done is the answer of a call that has none.
func done(err error) (any, error) {
	if err != nil {
		return nil, err
	}
	return js.Undefined(), nil
}

// blockStatus(offset, length) resolves with a Uint8Array that holds the length
// and the kind of each extent, as float64, little-endian. They begin at offset
// and may end before the range does: more than fits into one answer is for the
// next call. A server that tells nothing has one extent of data.
func (s *session) blockStatus(ctx context.Context, args []js.Value) (any, error) {
	offset, length, err := s.span("block status", args[0], args[1])
	if err != nil {
		return nil, err
	}
	extents := []nbd.Extent{{Offset: offset, Length: length}}
	if len(s.disk.MetaContexts()) > 0 {
		status, err := s.disk.BlockStatus(ctx, offset, length, 0, allocation)
		if err != nil {
			return nil, s.at("asking for the block status of", offset, err)
		}
		extents = status[allocation]
	}
	return extentBytes(extents)
}

func extentBytes(extents []nbd.Extent) (any, error) {
	b := make([]byte, 0, 16*len(extents))
	for _, e := range extents {
		b = binary.LittleEndian.AppendUint64(b, math.Float64bits(float64(e.Length)))
		b = binary.LittleEndian.AppendUint64(b, math.Float64bits(kindOf(e.Status)))
	}
	out, err := newBytes(int64(len(b)))
	if err != nil {
		return nil, err
	}
	js.CopyBytesToJS(out, b)
	return out, nil
}

// kindOf takes a hole whose contents are undefined for data: it must be read.
func kindOf(status uint64) float64 {
	switch status & (nbd.StateHole | nbd.StateZero) {
	case nbd.StateZero:
		return extentZero
	case nbd.StateHole | nbd.StateZero:
		return extentHole
	}
	return extentData
}
