package nbd

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
)

// Waiters are served in their order: a small one does not overtake a large one.
func TestBudgetOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBudget(100)
		served := make(chan int64, 9)
		for _, n := range []int64{60, 50, 1, 1000, 2} {
			go func() {
				if err := b.acquire(t.Context(), nil, n); err != nil {
					t.Error(err)
				}
				served <- n
			}()
			synctest.Wait()
		}
		for _, step := range []struct {
			release int64
			want    []int64
		}{{0, []int64{60}}, {60, []int64{1, 50}}, {50, nil}, {1, []int64{1000}}, {1000, []int64{2}}, {2, nil}} {
			if step.release > 0 {
				b.release(step.release)
			}
			synctest.Wait()
			var got []int64
			for len(served) > 0 {
				got = append(got, <-served)
			}
			slices.Sort(got) // the goroutines of one step wake in any order
			if !slices.Equal(got, step.want) {
				t.Errorf("after %d: served %v, not %v", step.release, got, step.want)
			}
		}
		if b.free != 100 {
			t.Errorf("%d are free at the end", b.free)
		}
	})
}

// One that gives up waiting makes way for those behind it.
func TestBudgetCancelled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBudget(10)
		_ = b.acquire(t.Context(), nil, 5)
		ctx, cancel := context.WithCancelCause(t.Context())
		large, small := make(chan error), make(chan error)
		go func() { large <- b.acquire(ctx, nil, 10) }()
		synctest.Wait()
		go func() { small <- b.acquire(t.Context(), nil, 5) }()
		synctest.Wait()
		cancel(errors.New("enough"))
		if err := <-large; err == nil || err.Error() != "enough" {
			t.Errorf("the large one: %v", err)
		}
		if err := <-small; err != nil {
			t.Errorf("the small one: %v", err)
		}
		ended := make(chan struct{})
		close(ended)
		if err := b.acquire(t.Context(), ended, 1); err != errEnded {
			t.Errorf("after the end: %v", err)
		}
		if b.free != 0 || len(b.waiters) != 0 {
			t.Errorf("%d free, %d waiting", b.free, len(b.waiters))
		}
	})
}

func TestBudgetNeverExceeded(t *testing.T) {
	b := newBudget(1000)
	var used atomic.Int64
	var group sync.WaitGroup
	for range 16 {
		group.Go(func() {
			for range 200 {
				n := 1 + rand.Int64N(1500)
				ctx, cancel := context.WithCancel(t.Context())
				if rand.IntN(4) == 0 {
					go cancel()
				}
				if b.acquire(ctx, nil, n) == nil {
					if used.Add(min(n, 1000)) > 1000 {
						t.Error("more than the limit is in use")
					}
					used.Add(-min(n, 1000))
					b.release(n)
				}
				cancel()
			}
		})
	}
	group.Wait()
	if b.free != 1000 || len(b.waiters) != 0 {
		t.Errorf("%d free, %d waiting", b.free, len(b.waiters))
	}
}
