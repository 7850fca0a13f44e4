package nbd_test

import (
	"bytes"
	"context"
	"errors"
	"math"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"nbdbridge/nbd"
)

// Chunks that no read could have asked for, in reply to a write and a flush.
func TestLiesToWriteAndFlush(t *testing.T) {
	for name, reply := range map[string][]byte{
		"data": dataChunk(done, 1, 0, 1), "hole": holeChunk(done, 1, 0, 1), "status": chunk(done, 5, 1, u32(1), u32(1), u32(0)),
	} {
		for op, do := range map[string]func(context.Context, *nbd.Disk) error{
			"write": func(ctx context.Context, d *nbd.Disk) error { return d.Write(ctx, []byte{1}, 0, 0) },
			"flush": func(ctx context.Context, d *nbd.Disk) error { return d.Flush(ctx) },
		} {
			t.Run(op+"/"+name, func(t *testing.T) {
				against(t, func(l *liar) {
					l.greet()
					l.open(offer{size: 1 << 30, flags: 5, structured: true})
					l.request()
					l.send(reply)
				}, func(t *testing.T, ctx context.Context, conn net.Conn) {
					defer promptly(t)()
					err := do(ctx, openDisk(t, conn, plain(), "x"))
					if broken := (*nbd.ProtocolError)(nil); !errors.As(err, &broken) {
						t.Errorf("error: %v", err)
					}
				})
			})
		}
	}
}

// Two reads whose chunks come interleaved and out of order, into dirty
// buffers; then a reply before its elder's.
func TestInterleavedReplies(t *testing.T) {
	against(t, func(l *liar) {
		l.greet()
		l.open(offer{size: 1 << 30, flags: 1, structured: true})
		calls := map[uint64]uint64{}
		for range 2 {
			c := l.request()
			calls[c.offset] = c.cookie
		}
		a, b := calls[0], calls[1<<20]
		l.send(dataChunk(0, b, 1<<20+3000, bytes.Repeat([]byte{'B'}, 1096)...), dataChunk(0, a, 1024, bytes.Repeat([]byte{'A'}, 1024)...),
			holeChunk(0, b, 1<<20, 3000), holeChunk(done, a, 0, 1024), chunk(done, 0, b))
	}, func(t *testing.T, ctx context.Context, conn net.Conn) {
		disk := openDisk(t, conn, plain(), "x")
		a, b := fill(2048), fill(4096)
		var group sync.WaitGroup
		group.Go(func() {
			if err := disk.Read(ctx, a, 0); err != nil {
				t.Error(err)
			}
		})
		group.Go(func() {
			if err := disk.Read(ctx, b, 1<<20); err != nil {
				t.Error(err)
			}
		})
		group.Wait()
		wantA := cat(make([]byte, 1024), bytes.Repeat([]byte{'A'}, 1024))
		wantB := cat(make([]byte, 3000), bytes.Repeat([]byte{'B'}, 1096))
		if !bytes.Equal(a, wantA) || !bytes.Equal(b, wantB) {
			t.Error("the chunks did not come to their places")
		}
	})
}

// ESHUTDOWN: what is under way may finish, new requests are refused, the
// goodbye is said, and Wait tells why.
func TestServerShutsDown(t *testing.T) {
	var last call
	against(t, func(l *liar) {
		l.greet()
		l.open(offer{size: 1 << 30, flags: 5})
		first, second := l.request(), l.request()
		l.send(simple(108, first.cookie))
		synctest.Wait()
		l.send(simple(0, second.cookie))
		last = l.request()
	}, func(t *testing.T, ctx context.Context, conn net.Conn) {
		defer promptly(t)()
		disk := openDisk(t, conn, plain(), "x")
		other := make(chan error)
		refused := make(chan error)
		go func() { refused <- disk.Flush(ctx) }()
		synctest.Wait()
		go func() { other <- disk.Write(ctx, []byte{1}, 0, 0) }()
		if err := <-refused; !errors.Is(err, nbd.ESHUTDOWN) {
			t.Errorf("the first: %v", err)
		}
		if err := disk.Read(ctx, make([]byte, 1), 0); !errors.Is(err, nbd.ESHUTDOWN) {
			t.Errorf("a new one: %v", err)
		}
		if err := <-other; err != nil {
			t.Errorf("the second: %v", err)
		}
		if err := disk.Wait(); !errors.Is(err, nbd.ESHUTDOWN) {
			t.Errorf("Wait: %v", err)
		}
	})
	if last.cmd != cmdDisc {
		t.Errorf("the last request was %d, not DISC", last.cmd)
	}
}

// Wait comes back even when a server that shuts down does not read the goodbye.
func TestServerShutsDownAndIsDeaf(t *testing.T) {
	against(t, func(l *liar) {
		l.greet()
		l.open(offer{size: 1 << 30, flags: 5})
		l.send(simple(108, l.request().cookie))
		time.Sleep(time.Hour)
	}, func(t *testing.T, ctx context.Context, conn net.Conn) {
		disk := openDisk(t, conn, plain(), "x")
		_ = disk.Flush(ctx)
		begin := time.Now()
		if err := disk.Wait(); !errors.Is(err, nbd.ESHUTDOWN) || time.Since(begin) > 5*time.Second {
			t.Errorf("after %v: %v", time.Since(begin), err)
		}
	})
}

// A read at the very end of the largest disk there can be.
func TestEndOfTheLargestDisk(t *testing.T) {
	for _, block := range []uint32{1, 512, 65536} {
		against(t, func(l *liar) {
			l.greet()
			l.open(offer{size: math.MaxInt64, flags: 1, block: infoBlock(block, 65536, 65536)})
			for {
				c := l.request()
				if c.cmd == cmdDisc {
					return
				}
				if c.offset+uint64(c.length) > math.MaxInt64 || c.length > 65536 || c.offset%uint64(block) != 0 {
					panic("a request outside the export or its constraints")
				}
				l.send(simple(0, c.cookie, make([]byte, c.length)...))
			}
		}, func(t *testing.T, ctx context.Context, conn net.Conn) {
			disk := openDisk(t, conn, plain(), "x")
			reachable := int64(math.MaxInt64) - math.MaxInt64%int64(block)
			for _, length := range []int64{1, 512, 1000, 65536, 200_000} {
				p := fill(int(length))
				if err := disk.Read(ctx, p, reachable-length); err != nil || !bytes.Equal(p, make([]byte, length)) {
					t.Errorf("block %d: the last %d bytes: %v", block, length, err)
				}
				if err := disk.Read(ctx, p, reachable-length+1); !errors.Is(err, nbd.ErrOutOfRange) {
					t.Errorf("block %d: one byte beyond: %v", block, err)
				}
			}
			if err := disk.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

// A reply to a request that waits to be sent is a reply to nothing.
func TestReplyBeforeTheRequest(t *testing.T) {
	inBubble(t, func(t *testing.T, wait func()) {
		defer promptly(t)()
		disk, server := stuck(t, false)
		ended := make(chan error)
		go func() { ended <- disk.Write(t.Context(), []byte("sent"), 0, 0) }()
		wait()
		go func() { ended <- disk.Write(t.Context(), []byte("queued"), 100, 0) }()
		wait()
		send(t, server, simple(0, 2))
		for range 2 {
			if broken := (*nbd.ProtocolError)(nil); !errors.As(<-ended, &broken) {
				t.Error("the reply was taken")
			}
		}
	})
}
