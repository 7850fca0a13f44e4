package main

import (
	"context"
	"errors"

	"nbdbridge/evidence/acquire"
	"nbdbridge/wasm/boundary"
)

// A source is the device as an acquisition wants it.
type source struct{ *boundary.Device }

func (s source) Read(ctx context.Context, p []byte, offset int64) error {
	return judged(s.Device.Read(ctx, p, offset))
}

// Status can't tell a server that tells nothing from a device without a hole:
// of both the client says that all is data.
func (s source) Status(ctx context.Context, offset, length int64) ([]acquire.Extent, error) {
	told, err := s.BlockStatus(ctx, offset, length)
	failed := (*boundary.Rejected)(nil)
	switch {
	case errors.As(err, &failed) && failed.Field("code") == "ENOTSUP":
		return nil, acquire.ErrNoStatus
	case err != nil:
		return nil, judged(err)
	case len(told) == 0:
		return []acquire.Extent{{Offset: offset, Length: length, Kind: acquire.Data}}, nil
	}
	extents := make([]acquire.Extent, len(told))
	for i, x := range told {
		extents[i] = acquire.Extent{Offset: x.Offset, Length: x.Length, Kind: kindOf(x.Type)}
	}
	return extents, nil
}

// A wholeSource is a device that is not asked what need not be read.
type wholeSource struct{ *boundary.Device }

func (s wholeSource) Read(ctx context.Context, p []byte, offset int64) error {
	return source(s).Read(ctx, p, offset)
}

func (wholeSource) Status(context.Context, int64, int64) ([]acquire.Extent, error) {
	return nil, acquire.ErrNoStatus
}

func kindOf(name string) acquire.Kind {
	switch kind := acquire.Kind(name); kind {
	case acquire.Zero, acquire.Hole:
		return kind
	}
	return acquire.Data
}
