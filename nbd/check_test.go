package nbd_test

import (
	"context"
	"errors"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"nbdbridge/nbd"
)

// plainDisk opens a disk at v, on one connection.
func (v *volatile) plainDisk(ctx context.Context) *nbd.Disk {
	v.t.Helper()
	conn, err := v.dial(ctx)
	if err != nil {
		v.t.Fatal(err)
	}
	disk := openDisk(v.t, conn, plain(), "x")
	v.t.Cleanup(func() { disk.Close() })
	return disk
}

// What counts as an answer, and that nothing else does.
func TestCheck(t *testing.T) {
	for _, c := range []struct {
		name   string
		spoil  func(v *volatile)
		answer bool
	}{
		{"a byte", nil, true},
		{"an error", func(v *volatile) { v.once(5) }, true},
		{"of an empty export, a flush", func(v *volatile) { v.offer.size = 0 }, true},
		{"of an empty export that can't be flushed, none", func(v *volatile) { v.offer.size, v.offer.flags = 0, hasFlags }, true},
		{"silence", func(v *volatile) { v.once(ignore) }, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			lasting(t, 4096, func(t *testing.T, ctx context.Context, v *volatile) {
				if c.spoil != nil {
					c.spoil(v)
				}
				disk := v.plainDisk(ctx)
				begin := time.Now()
				err := disk.Check(ctx, 5*time.Second)
				took := time.Since(begin)
				if c.answer && (err != nil || took != 0) {
					t.Errorf("Check: %v after %v", err, took)
				}
				if !c.answer && (!errors.Is(err, nbd.ErrRequestTimeout) || disk.Wait() != err || took != 5*time.Second) {
					t.Errorf("Check: %v after %v; Wait: %v", err, took, disk.Wait())
				}
			})
		})
	}
}

// A link that is slow with what was asked before is alive; one that has
// brought the last of it long ago is not.
func TestCheckOfSlowLink(t *testing.T) {
	for until, alive := range map[time.Duration]bool{time.Second: false, time.Minute: true} {
		synctest.Test(t, func(t *testing.T) {
			client, server := net.Pipe()
			opened := make(chan struct{})
			go func() {
				defer close(opened)
				l := &liar{conn: server}
				l.greet()
				l.open(offer{size: 1 << 20, flags: hasFlags})
				first := l.request()
				go func() {
					defer func() { _ = recover() }()
					l.request() // of Check
				}()
				l.send(simple(0, first.cookie))
				for begin := time.Now(); time.Since(begin) < until; time.Sleep(100 * time.Millisecond) {
					if _, err := server.Write([]byte{1}); err != nil {
						return
					}
				}
			}()
			disk := openDisk(t, client, plain(), "x")
			ctx, cancel := context.WithCancel(t.Context())
			go func() { _ = disk.Read(ctx, make([]byte, 4096), 0) }()
			synctest.Wait()
			if err := disk.Check(t.Context(), 10*time.Second); (err == nil) != alive {
				t.Errorf("Check, where bytes come for %v: %v", until, err)
			}
			cancel()
			server.Close()
			<-opened
			_ = disk.Wait()
		})
	}
}

// A caller who only stops waiting leaves the connection as it is.
func TestCheckCancelled(t *testing.T) {
	lasting(t, 4096, func(t *testing.T, ctx context.Context, v *volatile) {
		defer promptly(t)()
		v.once(ignore)
		disk := v.open(v.config())
		checking, cancel := context.WithCancelCause(ctx)
		over := make(chan error)
		go func() { over <- disk.Check(checking, time.Minute) }()
		synctest.Wait()
		cancel(errBroken)
		if err := <-over; !errors.Is(err, errBroken) {
			t.Errorf("Check: %v", err)
		}
		works(t, ctx, disk)
		if v.dials != 1 {
			t.Errorf("%d dials", v.dials)
		}
	})
}

// A connection that does not answer is made again at once, for everyone.
func TestRedialCheck(t *testing.T) {
	lasting(t, 4096, func(t *testing.T, ctx context.Context, v *volatile) {
		disk := v.open(v.config())
		write(t, ctx, disk, pattern(512), 0, 0)
		v.answer = func(call) int { return ignore }
		read := make(chan error)
		go func() { read <- disk.Read(ctx, make([]byte, 1), 0) }()
		synctest.Wait()
		begin := time.Now()
		v.onDial = func(int) error { v.answer = nil; return nil }
		err := disk.Check(ctx, 5*time.Second)
		if !errors.Is(err, nbd.ErrRequestTimeout) {
			t.Errorf("Check: %v", err)
		}
		if err := <-read; err != nil || time.Since(begin) != 5*time.Second || v.dials != 2 {
			t.Errorf("Read: %v after %v and %d dials", err, time.Since(begin), v.dials)
		}
		if err := disk.Check(ctx, time.Second); err != nil {
			t.Errorf("Check: %v", err)
		}
	})
}

// During an outage Check does not wait for the time of the next attempt, and
// the delays after it are short again.
func TestRedialCheckDuringOutage(t *testing.T) {
	lasting(t, 4096, func(t *testing.T, ctx context.Context, v *volatile) {
		cfg := v.config()
		cfg.GiveUpAfter = time.Hour
		disk := v.open(cfg)
		v.down()
		v.cut()
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		before, last := v.dials, v.events[len(v.events)-1]
		begin := time.Now()
		err := disk.Check(ctx, time.Millisecond)
		synctest.Wait()
		if !errors.Is(err, nbd.ErrRequestTimeout) || v.dials == before {
			t.Errorf("Check: %v, after %d more dials", err, v.dials-before)
		}
		next := v.events[len(v.events)-1]
		if next.Attempt <= last.Attempt || next.Delay > 200*time.Millisecond {
			t.Errorf("after a hurried attempt: %+v", next)
		}
		v.onDial = nil
		if err := disk.Check(ctx, time.Minute); err != nil || time.Since(begin) > time.Second {
			t.Errorf("Check: %v after %v", err, time.Since(begin))
		}
		works(t, ctx, disk)
	})
}

// A disk that has ended says why.
func TestRedialCheckAfterEnd(t *testing.T) {
	lasting(t, 4096, func(t *testing.T, ctx context.Context, v *volatile) {
		disk := v.open(v.config())
		disk.Close()
		if err := disk.Check(ctx, time.Minute); !errors.Is(err, net.ErrClosed) {
			t.Errorf("Check: %v", err)
		}
	})
}
