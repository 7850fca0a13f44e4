package main

import (
	"context"
	"encoding/json"

	"nbdbridge/evidence/acquire"
	"nbdbridge/evidence/report"
	"nbdbridge/wasm/boundary"
)

// A page is where the image goes, and what is told of it.
type page struct{ *line }

// Write, Skip and Sync are those of an image.Output.

func (p page) Write(ctx context.Context, b []byte) error {
	return p.begin(ctx, "write", boundary.Array(b))
}

func (p page) Skip(ctx context.Context, n int64) error { return p.begin(ctx, "skip", n) }

func (p page) Sync(ctx context.Context) error {
	if err := p.drain(ctx); err != nil {
		return err
	}
	_, err := p.ask(ctx, "sync")
	return err
}

// cut has the sink go on at a byte of the file.
func (p page) cut(ctx context.Context, file int64) error {
	_, err := p.ask(ctx, "cut", file)
	return err
}

func (p page) checkpoint(ctx context.Context, s *acquire.State) error {
	text, err := json.Marshal(s)
	if err != nil {
		return err
	}
	_, err = p.ask(ctx, "state", string(text))
	return err
}

// outages are those that the page knows of. One that can't tell knows none.
func (p page) outages() (known []report.Outage) {
	told, err := p.ask(context.Background(), "outages")
	if err != nil || json.Unmarshal([]byte(told.String()), &known) != nil {
		return nil
	}
	return known
}

func (p page) progress(now acquire.Progress) {
	p.tell("progress", map[string]any{
		"done": now.Done, "total": now.Total, "skipped": now.Skipped, "lost": now.Lost, "errors": now.Errors, "recovering": now.Recovering,
	})
}
