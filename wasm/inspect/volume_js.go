package main

import (
	"context"
	"io"
	"syscall/js"

	"nbdbridge/disk/fs"
	"nbdbridge/wasm/boundary"
)

// A volume is open from openVolume to closeVolume, and its context as long.
type volume struct {
	fs.Volume
	ctx context.Context
	end context.CancelCauseFunc
}

// openVolume(offset, length) resolves with {id, facts}.
func (s *session) openVolume(ctx context.Context, args []js.Value) (any, error) {
	offset, length, err := s.span(args)
	if err != nil {
		return nil, err
	}
	v := &volume{}
	v.ctx, v.end = context.WithCancelCause(context.Background())
	v.Volume, err = fs.OpenContext(ctx, io.NewSectionReader(s.device.Under(v.ctx), offset, length), length)
	if err != nil {
		v.end(nil)
		return nil, err
	}
	id, err := s.volumes.add(v)
	if err != nil {
		v.close()
	}
	return boundary.JSON(map[string]any{"id": id, "facts": v.Facts()}, err)
}

func (v *volume) close() {
	v.end(&closedError{"volume"})
	v.Volume.Close()
}

// closeVolume(id) closes what is open of it too.
func (s *session) closeVolume(_ context.Context, args []js.Value) (any, error) {
	v, open := s.volumes.remove(args[0])
	if !open {
		return boundary.Done(nil)
	}
	v.close()
	s.files.removeAll(func(f *file) bool { return f.volume == v })
	for _, l := range s.lists.removeAll(func(l *list) bool { return l.volume == v }) {
		l.end()
	}
	return boundary.Done(nil)
}

// stat(volume, path)
func (s *session) stat(ctx context.Context, args []js.Value) (any, error) {
	v, path, err := s.place(args)
	if err != nil {
		return nil, err
	}
	return boundary.JSON(v.Stat(ctx, path))
}

// place reads the arguments volume and path.
func (s *session) place(args []js.Value) (*volume, string, error) {
	v, err := s.volumes.get(args[0])
	if err != nil {
		return nil, "", err
	}
	path, err := boundary.Text("path", args[1])
	return v, path, err
}
