package nbd_test

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"nbdbridge/nbd"
)

// Changes whose answer got lost are made again, with the same data, and what a
// crash has lost is there again before anybody can tell.
func TestRedialReplays(t *testing.T) {
	for _, spoil := range []int{hangUp, hangAfter} {
		lasting(t, 8192, func(t *testing.T, ctx context.Context, v *volatile) {
			disk := v.open(v.config())
			write(t, ctx, disk, pattern(3000), 100, 0) // not of whole blocks
			if err := disk.WriteZeroes(ctx, 1000, 1200, nbd.FlagNoHole); err != nil {
				t.Error(err)
			}
			v.once(spoil)
			v.onDial = func(int) error { v.cut(); v.forget(); return nil }
			write(t, ctx, disk, bytes.Repeat([]byte{7}, 600), 2000, 0)
			want := slices.Concat(pattern(900), make([]byte, 1000), bytes.Repeat([]byte{7}, 600), pattern(3000)[2500:])
			got := make([]byte, 3000)
			if err := disk.Read(ctx, got, 100); err != nil || !bytes.Equal(got, want) {
				t.Errorf("after the crash something else is read, %v", err)
			}
			flush(t, ctx, disk)
			v.isDurable(want, 100)
			noHole := 0
			for _, c := range v.of(cmdWriteZeroes) {
				noHole += int(c.flags >> 1 & 1)
			}
			if noHole != 2 {
				t.Errorf("%d writes of zeroes without a hole, want the one and its replay", noHole)
			}
		})
	}
}

// A flush drops what was acknowledged before it, so that a replay has no more
// of it; and so do FUA, and the absence of flush.
func TestRedialReplaysNothingDurable(t *testing.T) {
	for _, c := range []struct {
		name  string
		flags uint16
		use   func(ctx context.Context, disk *nbd.LastingDisk) error
		want  int // writes before and after
	}{
		{"flush", allFlags, func(ctx context.Context, d *nbd.LastingDisk) error { return d.Flush(ctx) }, 1},
		{"FUA over it", allFlags, func(ctx context.Context, d *nbd.LastingDisk) error {
			return d.Write(ctx, pattern(512), 0, nbd.FlagFUA)
		}, 2},
		{"trim over it", allFlags, func(ctx context.Context, d *nbd.LastingDisk) error { return d.Trim(ctx, 0, 512, 0) }, 1},
		{"trim of less than a block", allFlags, func(ctx context.Context, d *nbd.LastingDisk) error { return d.Trim(ctx, 0, 511, 0) }, 2},
		{"no flush", hasFlags, func(ctx context.Context, d *nbd.LastingDisk) error { return nil }, 1},
		{"nothing", allFlags, func(ctx context.Context, d *nbd.LastingDisk) error { return nil }, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			lasting(t, 4096, func(t *testing.T, ctx context.Context, v *volatile) {
				v.offer.flags = c.flags
				disk := v.open(v.config())
				write(t, ctx, disk, pattern(512), 0, 0)
				if err := c.use(ctx, disk); err != nil {
					t.Error(err)
				}
				v.crash()
				works(t, ctx, disk)
				if got := len(v.of(cmdWrite)); got != c.want {
					t.Errorf("%d writes, want %d", got, c.want)
				}
			})
		})
	}
}

// What the server does not take again is lost, and told once.
func TestRedialRefusedReplay(t *testing.T) {
	for _, how := range []string{"flush", "FUA", "close"} {
		lasting(t, 8192, func(t *testing.T, ctx context.Context, v *volatile) {
			disk := v.open(v.config())
			write(t, ctx, disk, pattern(512), 1024, 0)
			write(t, ctx, disk, pattern(512), 4096, 0)
			v.crash()
			v.answer = func(c call) int {
				if c.cmd == cmdWrite && c.offset == 4096 {
					return 28
				}
				return 0
			}
			works(t, ctx, disk)
			tell := map[string]func() error{
				"flush": func() error { return disk.Flush(ctx) },
				"FUA":   func() error { return disk.Write(ctx, pattern(512), 0, nbd.FlagFUA) },
				"close": disk.Close,
			}[how]
			err := tell()
			var lost *nbd.UnflushedError
			if !errors.Is(err, nbd.ErrUnflushed) || !errors.Is(err, nbd.ENOSPC) || !errors.As(err, &lost) || lost.Offset != 4096 || lost.Length != 512 {
				t.Errorf("%s: %v", how, err)
			}
			if err := tell(); err != nil {
				t.Errorf("%s again: %v", how, err)
			}
			if how == "flush" {
				v.isDurable(pattern(512), 1024)
			}
		})
	}
}

// A write that was given up had taken the place of an older one: if the server
// crashes neither need be there, and the next flush says so. Without a crash,
// or with a newer write, nothing is lost.
func TestRedialDoubt(t *testing.T) {
	for _, c := range []struct {
		name                 string
		crash, newer, failed bool
		want                 error
	}{
		{"no crash", false, false, false, nil},
		{"crash", true, false, false, nbd.ErrUnflushed},
		{"newer", true, true, false, nil},
		{"failed and crash", true, false, true, nbd.ErrUnflushed},
	} {
		t.Run(c.name, func(t *testing.T) {
			lasting(t, 8192, func(t *testing.T, ctx context.Context, v *volatile) {
				disk := v.open(v.config())
				write(t, ctx, disk, pattern(2048), 0, 0)
				v.once(silence)
				if c.failed {
					v.once(5)
				}
				short, cancel := context.WithTimeout(ctx, time.Second)
				err := disk.Write(short, pattern(512), 512, 0)
				cancel()
				if c.failed != errors.Is(err, nbd.EIO) || c.failed == errors.Is(err, nbd.ErrUnknownOutcome) || c.failed == errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("the write: %v", err)
				}
				if c.newer {
					v.crash() // the range is locked until the connection has ended
					v.answer = nil
				}
				if c.crash && !c.newer {
					v.crash()
				}
				if c.newer {
					err := disk.Flush(ctx) // tells of the doubt
					if !errors.Is(err, nbd.ErrUnflushed) {
						t.Errorf("the first flush: %v", err)
					}
					write(t, ctx, disk, pattern(512), 512, 0)
					v.crash()
				}
				err = disk.Flush(ctx)
				var lost *nbd.UnflushedError
				if !errors.Is(err, c.want) || errors.As(err, &lost) && (lost.Offset != 512 || lost.Length != 512) {
					t.Errorf("Flush: %v, want %v", err, c.want)
				}
				v.isDurable(pattern(512), 0)
				v.isDurable(pattern(2048)[1024:], 1024)
			})
		})
	}
}

// A flush waits for the write that an outage has interrupted, where that had
// taken the place of an acknowledged one: until then neither is there.
func TestRedialFlushWaitsForMending(t *testing.T) {
	lasting(t, 8192, func(t *testing.T, ctx context.Context, v *volatile) {
		cfg := v.config()
		cfg.RequestTimeout = time.Second
		disk := v.open(cfg)
		write(t, ctx, disk, pattern(512), 0, 0)
		answers := []int{hangUp, ignore}
		v.answer = func(c call) (errno int) {
			if c.cmd == cmdWrite && len(answers) > 0 {
				errno, answers = answers[0], answers[1:]
			}
			return errno
		}
		v.onDial = func(int) error { v.cut(); v.forget(); return nil }
		written := make(chan error)
		go func() { written <- disk.Write(ctx, bytes.Repeat([]byte{7}, 512), 0, 0) }()
		synctest.Wait()
		flush(t, ctx, disk)
		v.isDurable(bytes.Repeat([]byte{7}, 512), 0)
		if err := <-written; err != nil {
			t.Error(err)
		}
	})
}

// The journal is bounded: writes flush when it is full, and those that are
// larger than all of it are durable at once.
func TestRedialBound(t *testing.T) {
	lasting(t, 1<<20, func(t *testing.T, ctx context.Context, v *volatile) {
		cfg := v.config()
		cfg.MaxUnflushed = 10 * (4096 + 512)
		disk := v.open(cfg)
		for i := range 35 {
			write(t, ctx, disk, pattern(4096), int64(i)*4096, 0)
		}
		if n := len(v.of(cmdFlush)); n != 3 {
			t.Errorf("%d flushes, want 3", n)
		}
		write(t, ctx, disk, pattern(50_000), 200_000, 0)
		v.isDurable(pattern(50_000), 200_000)
		for range 100 { // the same bytes take no more room
			write(t, ctx, disk, pattern(4096), 0, 0)
		}
		if n := len(v.of(cmdFlush)); n > 4 {
			t.Errorf("%d flushes", n)
		}
		errs := make(chan error, 64)
		for i := range cap(errs) { // all at once
			go func() { errs <- disk.Write(ctx, pattern(4096), int64(i)*4096, 0) }()
		}
		for range cap(errs) {
			if err := <-errs; err != nil {
				t.Error(err)
			}
		}
		v.crash()
		flush(t, ctx, disk)
		for i := range cap(errs) {
			v.isDurable(pattern(4096), i*4096)
		}
	})
}

// A full journal whose flush fails fails the write, before it is sent.
func TestRedialBoundFails(t *testing.T) {
	lasting(t, 1<<20, func(t *testing.T, ctx context.Context, v *volatile) {
		cfg := v.config()
		cfg.MaxUnflushed = 6000
		disk := v.open(cfg)
		write(t, ctx, disk, pattern(4096), 0, 0)
		v.once(5)
		if err := disk.Write(ctx, pattern(4096), 4096, 0); !errors.Is(err, nbd.EIO) || errors.Is(err, nbd.ErrUnknownOutcome) {
			t.Errorf("Write: %v", err)
		}
		if n := len(v.of(cmdWrite)); n != 1 {
			t.Errorf("%d writes were sent", n)
		}
		write(t, ctx, disk, pattern(4096), 4096, 0)
	})
}
