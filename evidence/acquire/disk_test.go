package acquire

import (
	"context"
	"errors"
	"sync"
	"time"
)

// A fakeDisk is a Source that does what a test says.
type fakeDisk struct {
	data    []byte
	extents []Extent                                           // nil: ErrNoStatus
	latency time.Duration                                      // of a read
	answer  int64                                              // bytes that Status tells of at most; 0: all
	request func(n int) error                                  // asked first for each request, counted from 1
	failing func(offset, length int64) error                   // asked for each read
	told    func(told []Extent, offset, length int64) []Extent // changes answers

	mu       sync.Mutex
	requests int
	reads    []Extent
	now, top int // reads under way, and at most
}

var (
	errBad  = &Unreadable{errors.New("input/output error")}
	errGone = errors.New("connection reset")
)

func (d *fakeDisk) Size() int64 { return int64(len(d.data)) }

func (d *fakeDisk) begin() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.requests++
	if d.request == nil {
		return nil
	}
	return d.request(d.requests)
}

func (d *fakeDisk) Read(ctx context.Context, p []byte, offset int64) error {
	if err := d.begin(); err != nil {
		return err
	}
	d.mu.Lock()
	d.reads = append(d.reads, Extent{offset, int64(len(p)), Data})
	d.now++
	d.top = max(d.top, d.now)
	d.mu.Unlock()
	defer func() { d.mu.Lock(); d.now--; d.mu.Unlock() }()
	if err := d.sleep(ctx); err != nil {
		return err
	}
	if d.failing != nil {
		if err := d.failing(offset, int64(len(p))); err != nil {
			p[0] ^= 0xff // what a failed read leaves is anything
			return err
		}
	}
	copy(p, d.data[offset:])
	return nil
}

func (d *fakeDisk) sleep(ctx context.Context) error {
	if d.latency == 0 {
		return ctx.Err()
	}
	select {
	case <-time.After(d.latency):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (d *fakeDisk) Status(ctx context.Context, offset, length int64) ([]Extent, error) {
	if d.extents == nil {
		return nil, ErrNoStatus
	}
	if err := d.begin(); err != nil {
		return nil, err
	}
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if d.answer > 0 {
		length = min(length, d.answer)
	}
	told := cutOut(d.extents, offset, length)
	if d.told != nil {
		told = d.told(told, offset, length)
	}
	return told, nil
}

// cutOut is the part of extents that lies in a range.
func cutOut(extents []Extent, offset, length int64) []Extent {
	var out []Extent
	for _, e := range extents {
		from, to := max(e.Offset, offset), min(e.Offset+e.Length, offset+length)
		if from < to {
			out = append(out, Extent{from, to - from, e.Kind})
		}
	}
	return out
}
