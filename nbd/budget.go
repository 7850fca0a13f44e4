package nbd

import (
	"context"
	"errors"
	"sync"
)

// A budget bounds the bytes in flight: a semaphore of bytes whose waiters are
// served in their order, so that large requests are not starved by small ones.
type budget struct {
	limit int64

	mu      sync.Mutex
	free    int64
	waiters []*waiter
}

type waiter struct {
	n     int64
	ready chan struct{}
}

var errEnded = errors.New("nbd: the connection has ended")

func newBudget(limit int64) *budget { return &budget{limit: limit, free: limit} }

// acquire takes n bytes, or all of them if n is more than there can be.
func (b *budget) acquire(ctx context.Context, ended <-chan struct{}, n int64) error {
	w := b.enter(min(n, b.limit))
	var err error
	select {
	case <-w.ready:
		return nil
	case <-ctx.Done():
		err = context.Cause(ctx)
	case <-ended:
		err = errEnded
	}
	b.leave(w)
	return err
}

func (b *budget) enter(n int64) *waiter {
	b.mu.Lock()
	defer b.mu.Unlock()
	w := &waiter{n: n, ready: make(chan struct{})}
	b.waiters = append(b.waiters, w)
	b.serve()
	return w
}

// leave gives up waiting, or gives back what came at the same moment.
func (b *budget) leave(w *waiter) {
	b.mu.Lock()
	defer b.mu.Unlock()
	select {
	case <-w.ready:
		b.free += w.n
	default:
		for i, other := range b.waiters {
			if other == w {
				b.waiters = append(b.waiters[:i], b.waiters[i+1:]...)
				break
			}
		}
	}
	b.serve()
}

func (b *budget) release(n int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.free += min(n, b.limit)
	b.serve()
}

func (b *budget) serve() {
	for len(b.waiters) > 0 && b.waiters[0].n <= b.free {
		b.free -= b.waiters[0].n
		close(b.waiters[0].ready)
		b.waiters = b.waiters[1:]
	}
}
