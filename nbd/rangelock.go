package nbd

import (
	"context"
	"slices"
	"sync"
)

// A rangeLock keeps writes that overlap apart. The protocol leaves the order
// of two overlapping requests in flight undefined, and a write of part of a
// block is a read and a write that nothing may come between. Whoever comes
// first goes first, so that a wide write is not starved by narrow ones.
type rangeLock struct {
	mu      sync.Mutex
	claims  []*claim // held and waited for, in the order in which they came
	waiting int
	changed chan struct{} // closed and renewed when a claim is gone
}

type claim struct{ lo, hi int64 }

func newRangeLock() *rangeLock { return &rangeLock{changed: make(chan struct{})} }

// lock waits until no range claimed before overlaps lo to hi. The returned
// function frees the range; it must be called once.
func (l *rangeLock) lock(ctx context.Context, lo, hi int64) (release func(), err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	c := &claim{lo, hi}
	l.claims = append(l.claims, c)
	for l.blocked(c) {
		if err := l.waitLocked(ctx); err != nil {
			l.dropLocked(c)
			return nil, err
		}
	}
	return func() { l.free(c) }, nil
}

// blocked tells whether a claim that came before c overlaps it.
func (l *rangeLock) blocked(c *claim) bool {
	for _, before := range l.claims {
		if before == c {
			return false
		}
		if c.lo < before.hi && before.lo < c.hi {
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

func (l *rangeLock) free(c *claim) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.dropLocked(c)
}

func (l *rangeLock) dropLocked(c *claim) {
	i := slices.Index(l.claims, c)
	l.claims = slices.Delete(l.claims, i, i+1)
	if l.waiting > 0 {
		close(l.changed)
		l.changed = make(chan struct{})
	}
}
