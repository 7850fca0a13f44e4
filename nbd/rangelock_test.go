package nbd

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
)

func TestRangeLock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newRangeLock()
		take := func(lo, hi int64) (got chan func()) {
			got = make(chan func(), 1)
			go func() {
				release, err := l.lock(t.Context(), lo, hi)
				if err != nil {
					t.Error(err)
				}
				got <- release
			}()
			synctest.Wait()
			return got
		}
		first := <-take(100, 200)
		for _, apart := range [][2]int64{{0, 100}, {200, 300}, {99, 100}} {
			(<-take(apart[0], apart[1]))()
		}
		var waiting []chan func()
		for _, overlap := range [][2]int64{{199, 300}, {0, 101}, {150, 160}} {
			w := take(overlap[0], overlap[1])
			if len(w) > 0 {
				t.Errorf("%v was given although it overlaps", overlap)
			}
			waiting = append(waiting, w)
		}
		first()
		for _, w := range waiting {
			(<-w)()
		}
		if len(l.claims) != 0 || l.waiting != 0 {
			t.Errorf("left: %d claims, %d waiting", len(l.claims), l.waiting)
		}
	})
}

// A wide range comes to its turn although narrow ones keep coming, and one
// that gives up makes way.
func TestRangeLockIsFair(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newRangeLock()
		given := make(chan string, 3)
		take := func(ctx context.Context, name string, lo, hi int64) {
			go func() {
				if release, err := l.lock(ctx, lo, hi); err == nil {
					given <- name
					release()
				}
			}()
			synctest.Wait()
		}
		first, _ := l.lock(t.Context(), 0, 10)
		ctx, cancel := context.WithCancel(t.Context())
		take(ctx, "gives up", 0, 200)
		take(t.Context(), "wide", 0, 100)
		take(t.Context(), "narrow", 20, 30)
		if len(given) > 0 {
			t.Errorf("%s overtook", <-given)
		}
		cancel()
		synctest.Wait()
		first()
		if a, b := <-given, <-given; a != "wide" || b != "narrow" {
			t.Errorf("%s before %s", a, b)
		}
	})
}

func TestRangeLockCancelled(t *testing.T) {
	l := newRangeLock()
	release, _ := l.lock(t.Context(), 0, 10)
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("enough"))
	if _, err := l.lock(ctx, 5, 6); err == nil || err.Error() != "enough" {
		t.Errorf("error: %v", err)
	}
	release()
	if release, err := l.lock(t.Context(), 5, 6); err != nil {
		t.Error(err)
	} else {
		release()
	}
	if len(l.claims) != 0 || l.waiting != 0 {
		t.Error("something is left")
	}
}

// No two holders ever overlap.
func TestRangeLockExcludes(t *testing.T) {
	l := newRangeLock()
	var cells [16]sync.Mutex
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for range 300 {
				lo := rand.Int64N(16)
				hi := lo + 1 + rand.Int64N(16-lo)
				release, err := l.lock(t.Context(), lo, hi)
				if err != nil {
					t.Error(err)
					return
				}
				for i := lo; i < hi; i++ {
					if !cells[i].TryLock() {
						t.Error("two hold the same range")
						release()
						return
					}
				}
				for i := lo; i < hi; i++ {
					cells[i].Unlock()
				}
				release()
			}
		})
	}
	group.Wait()
}
