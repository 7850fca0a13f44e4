package nbd_test

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"nbdbridge/nbd"
)

// inBubble runs a test on a clock of its own. wait returns when everything
// that can happen without time passing has happened.
func inBubble(t *testing.T, run func(t *testing.T, wait func())) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { run(t, synctest.Wait) })
}

// stuck opens a disk whose server has stopped: it answers nothing, and reads
// nothing unless it listens.
func stuck(t *testing.T, listens bool) (disk *nbd.Disk, server net.Conn) {
	client, server := net.Pipe()
	l := &liar{conn: server}
	opened := make(chan struct{})
	go func() {
		defer close(opened)
		l.greet()
		l.open(offer{size: 1 << 30, flags: hasFlags | sendFlush, structured: true})
		if listens {
			go func() { _, _ = io.Copy(io.Discard, server) }()
		}
	}()
	disk = openDisk(t, client, plain(), "x")
	<-opened
	t.Cleanup(func() { server.Close() })
	return disk, server
}

// everything starts one of each request, and a few that have to queue.
func everything(ctx context.Context, disk *nbd.Disk) (group *sync.WaitGroup, errs chan error) {
	group, errs = &sync.WaitGroup{}, make(chan error, 100)
	for i := range 20 {
		group.Go(func() { errs <- disk.Read(ctx, make([]byte, 1<<20), int64(i)) })
		group.Go(func() { errs <- disk.Write(ctx, make([]byte, 100_000), 50_000*int64(i), 0) }) // overlaps the next
		group.Go(func() { errs <- disk.Flush(ctx) })
	}
	return group, errs
}

// With a server that is stuck, cancelling is enough for every caller.
func TestStuckServerAndCancel(t *testing.T) {
	for _, listens := range []bool{false, true} {
		inBubble(t, func(t *testing.T, wait func()) {
			defer promptly(t)()
			disk, server := stuck(t, listens)
			ctx, cancel := context.WithCancelCause(t.Context())
			group, errs := everything(ctx, disk)
			wait()
			cancel(errBroken)
			group.Wait()
			for range len(errs) {
				if err := <-errs; !errors.Is(err, errBroken) {
					t.Errorf("a caller got %v", err)
				}
			}
			server.Close()
			_ = disk.Wait()
		})
	}
}

// Close with a stuck server is done after five seconds, and everybody knows.
func TestStuckServerAndClose(t *testing.T) {
	for _, listens := range []bool{false, true} {
		inBubble(t, func(t *testing.T, wait func()) {
			disk, _ := stuck(t, listens)
			group, errs := everything(t.Context(), disk)
			wait()
			begin := time.Now()
			if err := disk.Close(); err != nil || time.Since(begin) > 5*time.Second {
				t.Errorf("Close: %v after %v", err, time.Since(begin))
			}
			group.Wait()
			for range len(errs) {
				if err := <-errs; !errors.Is(err, net.ErrClosed) {
					t.Errorf("a caller got %v", err)
				}
			}
			if err := disk.Wait(); err != nil {
				t.Errorf("Wait: %v", err)
			}
		})
	}
}

// The death of the server gives every caller the same first cause.
func TestServerDies(t *testing.T) {
	for _, listens := range []bool{false, true} {
		inBubble(t, func(t *testing.T, wait func()) {
			defer promptly(t)()
			disk, server := stuck(t, listens)
			group, errs := everything(t.Context(), disk)
			waited := make(chan error)
			go func() { waited <- disk.Wait() }()
			wait()
			server.Close()
			cause := <-waited
			if cause == nil || !isEnd(cause) {
				t.Errorf("Wait: %v", cause)
			}
			group.Wait()
			for range len(errs) {
				if err := <-errs; !errors.Is(err, cause) {
					t.Errorf("a caller got %v, the cause is %v", err, cause)
				}
			}
			if err := disk.Read(t.Context(), make([]byte, 1), 0); err != cause {
				t.Errorf("afterwards: %v", err)
			}
			if err := disk.Close(); err != nil || disk.Wait() != cause {
				t.Errorf("Close: %v, Wait: %v", err, disk.Wait())
			}
		})
	}
}

// Close amid traffic waits for the replies under way; the rest is refused.
func TestCloseDuringTraffic(t *testing.T) {
	for range 20 {
		c, verdict := serve(t, testServer(pattern(1<<20)))
		cfg := plain()
		cfg.MaxInFlight = 1
		disk := openDisk(t, c, cfg, "vda")
		var group sync.WaitGroup
		begun := make(chan struct{}, 100)
		for i := range 8 {
			group.Go(func() {
				for {
					err := disk.Write(t.Context(), pattern(30_000), int64(i*20_000), 0)
					select {
					case begun <- struct{}{}:
					default:
					}
					if err != nil {
						if !errors.Is(err, net.ErrClosed) {
							t.Errorf("a writer got %v", err)
						}
						return
					}
				}
			})
		}
		<-begun
		var closers sync.WaitGroup
		for range 3 {
			closers.Go(func() {
				if err := disk.Close(); err != nil {
					t.Error(err)
				}
			})
		}
		closers.Wait()
		group.Wait()
		if err := disk.Wait(); err != nil {
			t.Errorf("Wait: %v", err)
		}
		if err := verdict(); err != nil {
			t.Errorf("the server says %v: no polite end", err)
		}
	}
}

// A severed connection ends the way a socket does that somebody else closed.
type severed struct{ net.Conn }

func (s *severed) Read(p []byte) (int, error) {
	n, err := s.Conn.Read(p)
	if err != nil {
		err = &net.OpError{Op: "read", Err: net.ErrClosed}
	}
	return n, err
}

// Only Close makes Wait return nil: a connection that was closed under the
// disk is a failure, whatever its error is called.
func TestConnectionClosedUnderTheDisk(t *testing.T) {
	client, _ := serve(t, testServer(make([]byte, 4096)))
	disk := openDisk(t, &severed{client}, plain(), "vda")
	client.Close()
	if err := disk.Wait(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Wait: %v", err)
	}
}
