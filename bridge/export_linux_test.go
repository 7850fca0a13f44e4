package bridge

import (
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// RefuseSplice makes the kernel one that can't, for a test.
func RefuseSplice(t *testing.T) {
	real := splice
	splice = func(int, *int64, int, *int64, int, int) (int64, error) { return 0, unix.EINVAL }
	t.Cleanup(func() { splice = real })
}

// RefusePipes makes it one that gives no pipes.
func RefusePipes(t *testing.T) {
	pipes.mu.Lock()
	defer pipes.mu.Unlock()
	for _, p := range pipes.free {
		p.close()
	}
	pipes.made -= len(pipes.free)
	pipes.free = nil
	pipes.refused = time.Now().Add(time.Hour)
	t.Cleanup(func() {
		pipes.mu.Lock()
		defer pipes.mu.Unlock()
		pipes.refused = time.Time{}
	})
}
