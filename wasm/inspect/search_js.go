package main

import (
	"context"
	"encoding/json"
	"sync/atomic"
	"syscall/js"
	"time"

	"nbdbridge/disk/search"
	"nbdbridge/wasm/boundary"
)

const (
	hitsAhead = 1000
	lookTime  = 100 * time.Millisecond // after which what was found is told
)

// A wish is what the page searches for.
type wish struct {
	Offset    int64 `json:"offset"`
	Length    int64 `json:"length"`
	Context   int   `json:"context"`
	SkipHoles bool  `json:"skipHoles"`
	Needles   []struct {
		Bytes      []byte          `json:"bytes"`
		Text       string          `json:"text"`
		Encoding   search.Encoding `json:"encoding"` // none: bytes
		IgnoreCase bool            `json:"ignoreCase"`
	} `json:"needles"`
}

// A hit is one of search, as JSON.
type hit struct {
	Offset int64  `json:"offset"`
	Length int    `json:"length"`
	Needle int    `json:"needle"`
	Bytes  []byte `json:"bytes"`
	Before int    `json:"before"`
}

// A finding is a search that goes on until it ends or endSearch: a goroutine,
// which waits when nobody takes its hits.
type finding struct {
	cancel        context.CancelFunc
	hits          chan hit // closed at the end
	err           error    // after that
	done, skipped atomic.Int64
}

// search(options) takes a wish as JSON and resolves with a number, for nextHits.
func (s *session) search(_ context.Context, args []js.Value) (any, error) {
	var w wish
	if err := json.Unmarshal([]byte(args[0].String()), &w); err != nil {
		return nil, boundary.Argumentf("what to search for: %v", err)
	}
	o, err := w.options()
	if err != nil {
		return nil, err
	}
	if w.SkipHoles {
		o.NextData = (&extents{Device: s.device}).nextData
	}
	ctx, cancel := context.WithCancel(context.Background())
	f := &finding{cancel: cancel, hits: make(chan hit, hitsAhead)}
	id, err := s.searches.add(f)
	if err != nil {
		cancel()
		return nil, err
	}
	go f.run(ctx, s.device, o)
	return id, nil
}

func (w *wish) options() (search.Options, error) {
	o := search.Options{Offset: w.Offset, Length: w.Length, Context: w.Context}
	for _, n := range w.Needles {
		make := func() (search.Needle, error) { return search.Text(n.Text, n.Encoding, n.IgnoreCase) }
		if n.Encoding == "" {
			make = func() (search.Needle, error) { return search.Bytes(n.Bytes) }
		}
		needle, err := make()
		if err != nil {
			return o, err
		}
		o.Needles = append(o.Needles, needle)
	}
	return o, nil
}

func (f *finding) run(ctx context.Context, d *boundary.Device, o search.Options) {
	defer close(f.hits)
	defer boundary.Catch(&f.err)
	o.Progress = func(done, skipped int64) {
		f.done.Store(done)
		f.skipped.Store(skipped)
	}
	for h, err := range search.Search(ctx, d.Under(ctx), o) {
		if err != nil {
			f.err = err
			return
		}
		select {
		case f.hits <- hit(h):
		case <-ctx.Done():
			f.err = context.Cause(ctx)
			return
		}
	}
}

// What nextHits tells; done and skipped are bytes.
type news struct {
	Hits    []hit `json:"hits"`
	Done    int64 `json:"done"`
	Skipped int64 `json:"skipped"`
	Ended   bool  `json:"ended"`
}

// nextHits(search) resolves with news, after a while without any too. A call
// that is aborted ends the search.
func (s *session) nextHits(ctx context.Context, args []js.Value) (any, error) {
	f, err := s.searches.get(args[0])
	if err != nil {
		return nil, err
	}
	defer context.AfterFunc(ctx, f.cancel)()
	n, err := f.news()
	if err != nil || n.Ended {
		s.searches.remove(args[0])
		f.cancel()
	}
	return boundary.JSON(n, err)
}

func (f *finding) news() (n news, err error) {
	n.Hits = []hit{}
	late := time.NewTimer(lookTime)
	defer late.Stop()
	for len(n.Hits) < hitsAhead && !n.Ended {
		select {
		case h, more := <-f.hits:
			if n.Ended = !more; more {
				n.Hits = append(n.Hits, h)
			}
			continue
		case <-late.C:
		}
		break
	}
	n.Done, n.Skipped = f.done.Load(), f.skipped.Load()
	if n.Ended {
		err = f.err
	}
	return n, err
}

// endSearch(search)
func (s *session) endSearch(_ context.Context, args []js.Value) (any, error) {
	if f, open := s.searches.remove(args[0]); open {
		f.cancel()
	}
	return boundary.Done(nil)
}
