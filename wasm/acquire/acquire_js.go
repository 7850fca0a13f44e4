package main

import (
	"bytes"
	"context"
	"encoding/json"
	"syscall/js"

	"nbdbridge/evidence/acquire"
	"nbdbridge/evidence/image"
	"nbdbridge/evidence/report"
	"nbdbridge/wasm/boundary"
)

// A wish is an acquisition as the page wants it. One that goes on has its
// state, and of the rest but the connection.
type wish struct {
	Format     image.Format      `json:"format"`
	Settings   report.Settings   `json:"settings"`
	Facts      facts             `json:"facts"`
	Connection report.Connection `json:"connection"`
	From       *acquire.State    `json:"from"`
}

// Facts are what the log says that only the page knows.
type facts struct {
	Tool   report.Tool   `json:"tool"`
	Page   *report.Page  `json:"page"`
	Case   report.Case   `json:"case"`
	Source report.Source `json:"source"`
	Image  struct {
		Name string `json:"name"`
	} `json:"image"`
}

// acquire(page, hashes, wish) takes a port of the page, an array of ports of
// Workers that hash, and JSON. It resolves with the log.
func (s *session) acquire(ctx context.Context, args []js.Value) (any, error) {
	var w wish
	if err := strict(args[2], &w); err != nil {
		return nil, err
	}
	p := page{newLine(args[0])}
	from, err := w.begin(s.device.Size())
	if err != nil {
		return nil, err
	}
	job := acquire.Job{
		Source: source{s.device}, Log: from.Log,
		Connection: w.Connection, Outages: p.outages, Checkpoint: p.checkpoint, Progress: p.progress,
	}
	if job.Image, err = writer(from.Image, p); err != nil {
		return nil, err
	}
	if job.Digests, err = digests(ctx, from.Log.Settings.Hashes, args[1], from); err != nil {
		return nil, err
	}
	if err := p.cut(ctx, from.Image.File); err != nil {
		return nil, err
	}
	err = acquire.Run(ctx, job, from.Offset)
	return boundary.JSON(from.Log, err)
}

// strict reads JSON without fields that nobody knows.
func strict(text js.Value, v any) error {
	d := json.NewDecoder(bytes.NewReader([]byte(text.String())))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return boundary.Argumentf("facts, connection or state: %v", err)
	}
	return nil
}

// begin is the state to go on from: that of the wish, or one at the beginning.
func (w *wish) begin(size int64) (*acquire.State, error) {
	if w.From == nil {
		return &acquire.State{Image: &image.State{Format: w.Format}, Log: w.log(size)}, nil
	}
	if w.From.Image == nil || w.From.Log == nil {
		return nil, boundary.Argumentf("the state has no image or no log: want one of onState")
	}
	if err := w.From.Log.Check(); err != nil {
		return nil, boundary.Argumentf("the log of the state: %v", err)
	}
	if length := w.From.Log.Source.Length; length != size {
		return nil, boundary.Argumentf("the state is of a device of %d bytes, and this one has %d: go on with the same one", length, size)
	}
	return w.From, nil
}

func (w *wish) log(size int64) *report.Log {
	log := &report.Log{
		Schema: report.Schema, Tool: w.Facts.Tool, Page: w.Facts.Page, Case: w.Facts.Case, Source: w.Facts.Source,
		Image:    report.Image{Name: w.Facts.Image.Name, Format: string(w.Format)},
		Settings: w.Settings,
		Sessions: []report.Session{}, Errors: []report.Error{}, ZeroFilled: []report.Range{}, Hashes: map[string]string{}, Passes: []report.Pass{},
	}
	log.Source.Length = size
	if log.Source.Size == 0 {
		log.Source.Size = log.Source.Offset + size
	}
	if log.Source.Flags == nil {
		log.Source.Flags = []string{}
	}
	return log
}

func writer(s *image.State, out image.Output) (w *image.Writer, err error) {
	if s.File == 0 && s.Disk == 0 {
		w, err = image.NewWriter(s.Format, out)
	} else {
		w, err = image.Resume(*s, out)
	}
	if err != nil {
		return nil, boundary.Argumentf("the state of the image: %v", err)
	}
	return w, nil
}

// digests begins a hash behind each of the ports.
func digests(ctx context.Context, names []string, ports js.Value, from *acquire.State) ([]acquire.Digest, error) {
	if ports.Length() != len(names) {
		return nil, boundary.Argumentf("%d hashes and %d Workers", len(names), ports.Length())
	}
	all := make([]acquire.Digest, len(names))
	for i, name := range names {
		state := from.Hashes[name]
		if state == nil && from.Offset > 0 {
			return nil, boundary.Argumentf("the state has none of %s", name)
		}
		var err error
		if all[i], err = newDigest(ctx, name, ports.Index(i), state, from.Offset); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// pass(page, hashes, wish) reads the device once more. It resolves with sums by
// algorithm, in hex.
func (s *session) pass(ctx context.Context, args []js.Value) (any, error) {
	var w struct {
		Hashes    []string       `json:"hashes"`
		Zeros     []report.Range `json:"zeros"`
		SkipHoles bool           `json:"skipHoles"`
	}
	if err := strict(args[2], &w); err != nil {
		return nil, err
	}
	all, err := digests(ctx, w.Hashes, args[1], new(acquire.State))
	if err != nil {
		return nil, err
	}
	var from acquire.Source = source{s.device}
	if !w.SkipHoles {
		from = wholeSource{s.device}
	}
	return boundary.JSON(acquire.Pass(ctx, from, w.Zeros, all, page{newLine(args[0])}.progress))
}
