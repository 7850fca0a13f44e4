package nbd_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math"
	"math/rand/v2"
	"net"
	"slices"
	"testing"
	"time"

	"nbdbridge/nbd"
)

// What an export does not offer is refused by us, and nothing is sent.
func TestNotOffered(t *testing.T) {
	calls := map[string]func(ctx context.Context, d *nbd.Disk) error{
		"flush":        func(ctx context.Context, d *nbd.Disk) error { return d.Flush(ctx) },
		"trim":         func(ctx context.Context, d *nbd.Disk) error { return d.Trim(ctx, 0, 1, 0) },
		"write zeroes": func(ctx context.Context, d *nbd.Disk) error { return d.WriteZeroes(ctx, 0, 1, 0) },
		"fast zero":    func(ctx context.Context, d *nbd.Disk) error { return d.WriteZeroes(ctx, 0, 1, nbd.FlagFastZero) },
		"cache":        func(ctx context.Context, d *nbd.Disk) error { return d.Cache(ctx, 0, 1) },
		"durable":      func(ctx context.Context, d *nbd.Disk) error { return d.Write(ctx, []byte("a"), 0, nbd.FlagFUA) },
		"df":           func(ctx context.Context, d *nbd.Disk) error { return d.ReadUnfragmented(ctx, make([]byte, 1), 0) },
	}
	for _, flags := range []uint16{1, 1 | 1<<7 | 1<<11 | 1<<12} { // flags that mean nothing alone, and not in simple framing
		d := &double{disk: pattern(4096), flags: flags, minimum: 1, maximum: 4096}
		disk := openDisk(t, d.serve(t), plain(), "x")
		for name, call := range calls {
			if err := call(t.Context(), disk); !errors.Is(err, nbd.ENOTSUP) {
				t.Errorf("%s: %v", name, err)
			}
		}
		d.hadNothing(t, disk)
	}
}

// What can't be meant is refused by us.
func TestCommandArguments(t *testing.T) {
	const all = 0x1dfd
	d := &double{disk: pattern(4096), flags: all, minimum: 512, maximum: 4096, structured: true}
	disk := openDisk(t, d.serve(t), plain(), "x")
	ctx := t.Context()
	for name, err := range map[string]error{
		"trim, no hole":     disk.Trim(ctx, 0, 512, nbd.FlagNoHole),
		"write, DF":         disk.Write(ctx, []byte("a"), 0, nbd.FlagDF),
		"zeroes, REQ_ONE":   disk.WriteZeroes(ctx, 0, 512, nbd.FlagReqOne),
		"zeroes, payload":   disk.WriteZeroes(ctx, 0, 512, 1<<5),
		"trim, unknown bit": disk.Trim(ctx, 0, 512, 1<<15),
	} {
		if !errors.Is(err, nbd.EINVAL) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, err := range map[string]error{
		"trim beyond":      disk.Trim(ctx, 0, 4097, 0),
		"trim negative":    disk.Trim(ctx, 512, -1, 0),
		"zeroes before":    disk.WriteZeroes(ctx, -1, 512, 0),
		"zeroes that wrap": disk.WriteZeroes(ctx, 1, math.MaxInt64, 0),
		"cache beyond":     disk.Cache(ctx, 4096, 1),
	} {
		if !errors.Is(err, nbd.ErrOutOfRange) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, err := range map[string]error{
		"trim": disk.Trim(ctx, 7, 0, 0), "zeroes": disk.WriteZeroes(ctx, 7, 0, 0), "cache": disk.Cache(ctx, 7, 0), "trim of less than a block": disk.Trim(ctx, 1, 1022, 0),
	} {
		if err != nil {
			t.Errorf("%s of nothing: %v", name, err)
		}
	}
	d.hadNothing(t, disk)
}

// Writes of zeroes are exact, trims keep to the blocks that they cover whole,
// whatever the block size; both in the length of the header's field.
func TestOddZeroesAndTrims(t *testing.T) {
	for _, minimum := range []uint32{1, 512, 4096} {
		d := &double{disk: pattern(3 * 4096), flags: 0x6d, minimum: minimum, maximum: 4096, structured: true}
		shadow := slices.Clone(d.disk)
		disk := openDisk(t, d.serve(t), plain(), "x")
		r := rand.New(rand.NewPCG(uint64(minimum), 7))
		for range 200 {
			off := r.Int64N(int64(len(shadow)))
			length := r.Int64N(int64(len(shadow)) - off + 1)
			if r.IntN(2) == 0 {
				if err := disk.Trim(t.Context(), off, length, 0); err != nil {
					t.Fatal(err)
				}
				continue
			}
			if err := disk.WriteZeroes(t.Context(), off, length, 0); err != nil {
				t.Fatal(err)
			}
			clear(shadow[off : off+length])
			shadow[off%10] = 5
			if err := disk.Write(t.Context(), []byte{5}, off%10, 0); err != nil {
				t.Fatal(err)
			}
		}
		disk.Close()
		if !bytes.Equal(d.disk, shadow) {
			t.Errorf("block %d: the disk differs from its shadow", minimum)
		}
		d.check(t)
	}
}

// Without FUA a flush keeps its promise.
func TestFUAWithoutTheServer(t *testing.T) {
	d := &double{disk: pattern(4096), flags: 0x65, minimum: 1, maximum: 4096}
	disk := openDisk(t, d.serve(t), plain(), "x")
	for _, err := range []error{
		disk.Trim(t.Context(), 0, 512, nbd.FlagFUA), disk.WriteZeroes(t.Context(), 0, 512, nbd.FlagFUA), disk.Write(t.Context(), []byte("a"), 0, nbd.FlagFUA),
	} {
		if err != nil {
			t.Error(err)
		}
	}
	if flushes := d.of(cmdFlush); len(flushes) != 3 {
		t.Errorf("%d flushes", len(flushes))
	}
	for _, c := range slices.Concat(d.of(cmdTrim), d.of(cmdWriteZeroes), d.of(cmdWrite)) {
		if c.flags != 0 {
			t.Errorf("command %d with flags %#x", c.cmd, c.flags)
		}
	}
}

// A disk of 2^63-1 bytes is trimmed in pieces that are made as they go: none
// is sent after the first error, and the bytes in flight bound their number.
func TestTrimOfTheLargestDisk(t *testing.T) {
	against(t, func(l *liar) {
		l.greet()
		l.open(offer{size: math.MaxInt64, flags: 0x25})
		for range 5 {
			l.send(simple(0, l.request().cookie))
		}
		l.send(simple(28, l.request().cookie))
	}, func(t *testing.T, ctx context.Context, conn net.Conn) {
		defer promptly(t)()
		disk := openDisk(t, conn, plain(), "x")
		if err := disk.Trim(ctx, 0, math.MaxInt64, 0); !errors.Is(err, nbd.ENOSPC) {
			t.Error(err)
		}
	})
}

func TestReaderAt(t *testing.T) {
	d := &double{disk: pattern(5000), flags: 5, minimum: 1, maximum: 4096}
	disk := openDisk(t, d.serve(t), plain(), "x")
	at := disk.At(t.Context())
	got, err := io.ReadAll(io.NewSectionReader(at, 0, math.MaxInt64))
	if err != nil || !bytes.Equal(got, d.disk) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	for _, c := range []struct {
		n    int
		off  int64
		want int
		err  error
	}{{10, 4995, 5, io.EOF}, {10, 5000, 0, io.EOF}, {10, math.MaxInt64, 0, io.EOF}, {5, 4995, 5, nil}, {0, 0, 0, nil}, {1, -1, 0, nbd.ErrOutOfRange}} {
		if n, err := at.ReadAt(make([]byte, c.n), c.off); n != c.want || !errors.Is(err, c.err) {
			t.Errorf("%d bytes at %d: %d, %v", c.n, c.off, n, err)
		}
	}
	if n, err := at.WriteAt([]byte("xyz"), 100); n != 3 || err != nil || string(d.disk[100:103]) != "xyz" {
		t.Errorf("%d, %v", n, err)
	}
	if n, err := at.WriteAt([]byte("xyz"), 4998); n != 0 || !errors.Is(err, nbd.ErrOutOfRange) {
		t.Errorf("%d, %v", n, err)
	}
}

// A request that is left unanswered ends the connection after RequestTimeout;
// what was to change may have changed.
func TestRequestTimeout(t *testing.T) {
	for name, call := range map[string]func(ctx context.Context, d *nbd.Disk) error{
		"read":   func(ctx context.Context, d *nbd.Disk) error { return d.Read(ctx, make([]byte, 1), 0) },
		"write":  func(ctx context.Context, d *nbd.Disk) error { return d.Write(ctx, []byte("a"), 0, 0) },
		"trim":   func(ctx context.Context, d *nbd.Disk) error { return d.Trim(ctx, 0, 1, 0) },
		"zeroes": func(ctx context.Context, d *nbd.Disk) error { return d.WriteZeroes(ctx, 0, 1, 0) },
	} {
		against(t, func(l *liar) {
			l.greet()
			l.open(offer{size: 1 << 20, flags: 0x65})
			l.send(simple(0, l.request().cookie)) // the first in time
		}, func(t *testing.T, ctx context.Context, conn net.Conn) {
			cfg := plain()
			cfg.RequestTimeout = 7 * time.Second
			disk := openDisk(t, conn, cfg, "x")
			if err := disk.Flush(ctx); err != nil {
				t.Error(err)
			}
			time.Sleep(time.Minute) // idle is no timeout
			begin := time.Now()
			err := call(ctx, disk)
			if took := time.Since(begin); !errors.Is(err, nbd.ErrRequestTimeout) || took != 7*time.Second {
				t.Errorf("%s: after %v: %v", name, took, err)
			}
			if errors.Is(err, nbd.ErrUnknownOutcome) != (name != "read") {
				t.Errorf("%s: %v", name, err)
			}
			if err := disk.Wait(); !errors.Is(err, nbd.ErrRequestTimeout) || errors.Is(err, nbd.ErrUnknownOutcome) {
				t.Errorf("%s: %v", name, err)
			}
		})
	}
}

// So does a server that answers a request before it has read it, and then
// reads no more: what is behind it is not even sent.
func TestRequestTimeoutOfWriting(t *testing.T) {
	against(t, func(l *liar) {
		l.greet()
		l.open(offer{size: 1 << 30, flags: hasFlags})
		l.recv(28) // the header of the write
		l.send(simple(0, 1))
		time.Sleep(time.Hour)
	}, func(t *testing.T, ctx context.Context, conn net.Conn) {
		cfg := plain()
		cfg.RequestTimeout = 7 * time.Second
		disk := openDisk(t, conn, cfg, "x")
		begin := time.Now()
		if err := disk.Write(ctx, make([]byte, 1<<20), 0, 0); err != nil {
			t.Error(err)
		}
		ctx, cancel := context.WithTimeout(ctx, time.Minute)
		defer cancel()
		err := disk.Read(ctx, make([]byte, 512), 0)
		if took := time.Since(begin); !errors.Is(err, nbd.ErrRequestTimeout) || took != 7*time.Second {
			t.Errorf("after %v: %v", took, err)
		}
	})
}

// A connection that ends leaves sent writes unknown, and unsent ones undone.
func TestUnknownOutcome(t *testing.T) {
	inBubble(t, func(t *testing.T, wait func()) {
		disk, server := stuck(t, false)
		ended := make(chan error, 2)
		go func() { ended <- disk.Write(t.Context(), []byte("sent"), 0, 0) }()
		wait()
		server.Close()
		if err := <-ended; !errors.Is(err, nbd.ErrUnknownOutcome) || !isEnd(err) {
			t.Error(err)
		}
		if err := disk.Write(t.Context(), []byte("late"), 0, 0); err == nil || errors.Is(err, nbd.ErrUnknownOutcome) {
			t.Error(err)
		}
	})
}

// A call of many requests that has begun, and whose next one finds the
// connection gone, has happened in part.
func TestOutcomeOfACallInPart(t *testing.T) {
	for name, call := range map[string]func(ctx context.Context, d *nbd.Disk) error{
		"write": func(ctx context.Context, d *nbd.Disk) error { return d.Write(ctx, make([]byte, 1<<20), 0, 0) },
		"read":  func(ctx context.Context, d *nbd.Disk) error { return d.Read(ctx, make([]byte, 1<<20), 0) },
	} {
		against(t, func(l *liar) {
			l.greet()
			l.open(offer{size: 1 << 20, flags: 5})
			c := l.request()
			if c.cmd == cmdRead {
				l.send(simple(0, c.cookie, make([]byte, c.length)...))
			} else {
				l.send(simple(0, c.cookie))
			}
			panic(gone{})
		}, func(t *testing.T, ctx context.Context, conn net.Conn) {
			cfg := plain()
			cfg.MaxInFlight = 1 // one request of 64 KiB after the other
			disk := openDisk(t, conn, cfg, "x")
			if err := call(ctx, disk); errors.Is(err, nbd.ErrUnknownOutcome) != (name == "write") || !isEnd(err) {
				t.Errorf("%s: %v", name, err)
			}
		})
	}
}
