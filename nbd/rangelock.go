package nbd

import (
	"context"
	"sync"
)

// A rangeLock keeps writes that overlap apart. The protocol leaves the order
// of two overlapping requests in flight undefined, and a write of part of a
// block is a read and a write that nothing may come between.
type rangeLock struct {
	mu      sync.Mutex
	held    map[*heldRange]struct{}
	waiting int
	changed chan struct{} // closed and renewed when a range is freed
}

type heldRange struct{ lo, hi int64 }

func newRangeLock() *rangeLock {
	return &rangeLock{held: map[*heldRange]struct{}{}, changed: make(chan struct{})}
}

// lock waits until no held range overlaps lo to hi. The returned function
// frees the range; it must be called once.
func (l *rangeLock) lock(ctx context.Context, lo, hi int64) (release func(), err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for l.overlaps(lo, hi) {
		if err := l.waitLocked(ctx); err != nil {
			return nil, err
		}
	}
	h := &heldRange{lo, hi}
	l.held[h] = struct{}{}
	return func() { l.free(h) }, nil
}

func (l *rangeLock) overlaps(lo, hi int64) bool {
	for h := range l.held {
		if lo < h.hi && h.lo < hi {
			return true
		}
	}
	return false
}

func (l *rangeLock) waitLocked(ctx context.Context) error {
	changed := l.changed
	l.waiting++
	l.mu.Unlock()
	defer func() {
		l.mu.Lock()
		l.waiting--
	}()
	select {
	case <-changed:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (l *rangeLock) free(h *heldRange) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.held, h)
	if l.waiting > 0 {
		close(l.changed)
		l.changed = make(chan struct{})
	}
}
