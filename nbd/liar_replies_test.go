package nbd_test

import (
	"bytes"
	"context"
	"errors"
	"math"
	"net"
	"strings"
	"testing"

	"nbdbridge/nbd"
)

const (
	at = 1 << 20 // where the table's read begins
	n  = 2048    // how long it is
)

func fill(n int) []byte { return bytes.Repeat([]byte{0xaa}, n) }

// Each lie answers a read of n bytes at at, whose cookie is 1. All of them end
// the connection.
var replyLies = []struct {
	name       string
	structured bool
	reply      []byte
	text       string
}{
	{"bad magic", false, cat(u32(0x67446699), u32(0), u64(1), fill(n)), "0x67446699"},
	{"request magic", false, request(0, 0, 1, at, n), "0x25609513"},
	{"simple, unknown cookie", false, simple(0, 2), "cookie 0x2"},
	{"simple, cookie 0", false, simple(0, 0), "cookie 0x0"},
	{"simple, unknown cookie with an error", false, simple(5, 1<<40), "cookie 0x10000000000"},
	{"simple, twice", false, cat(simple(0, 1, fill(n)...), simple(0, 1, fill(n)...)), "cookie 0x1"},
	{"structured, not negotiated", false, dataChunk(done, 1, at, fill(n)...), "not negotiated"},
	{"extended, not negotiated", true, cat(u32(0x6e8a278c), make([]byte, 28)), "0x6e8a278c"},
	{"simple to a read", true, simple(0, 1, fill(n)...), "simple reply"},
	{"simple error to a read", true, simple(5, 1), "simple reply"},
	{"unknown cookie", true, dataChunk(done, 2, at, fill(n)...), "cookie 0x2"},
	{"twice", true, cat(dataChunk(done, 1, at, fill(n)...), dataChunk(done, 1, at, fill(n)...)), "cookie 0x1"},
	{"chunk after DONE", true, cat(errorChunk(done, 1, 5, ""), chunk(done, 0, 1)), "cookie 0x1"},
	{"before", true, dataChunk(done, 1, at-n, fill(n)...), "chunk of 2048 bytes at 1046528"},
	{"straddling the beginning", true, dataChunk(done, 1, at-1, fill(n)...), "chunk of"},
	{"straddling the end", true, dataChunk(done, 1, at+1, fill(n)...), "chunk of"},
	{"after", true, dataChunk(done, 1, at+n, 1), "chunk of"},
	{"too long", true, dataChunk(done, 1, at, fill(n+1)...), "2049 bytes"},
	{"offset 0", true, dataChunk(done, 1, 0, fill(n)...), "chunk of"},
	{"offset 2^64-1", true, dataChunk(done, 1, math.MaxUint64, fill(n)...), "18446744073709551615"},
	{"wraps into the request", true, dataChunk(done, 1, math.MaxUint64-n+2, fill(n)...), "chunk of"},
	{"4 GiB", true, cat(u32(0x668e33ef), u16(done), u16(1), u64(1), u32(math.MaxUint32), u64(at)), "4294967287 bytes"},
	{"2 GiB", true, cat(u32(0x668e33ef), u16(done), u16(1), u64(1), u32(1<<31), u64(at)), "2147483640 bytes"},
	{"overlap", true, cat(dataChunk(0, 1, at, fill(n/2)...), dataChunk(done, 1, at+n/2-1, fill(n/2)...)), "had come before"},
	{"same again", true, cat(dataChunk(0, 1, at, fill(n)...), dataChunk(done, 1, at, fill(n)...)), "had come before"},
	{"overlap from before", true, cat(dataChunk(0, 1, at+5, fill(5)...), dataChunk(0, 1, at, fill(6)...)), "had come before"},
	{"hole over data", true, cat(dataChunk(0, 1, at+5, fill(5)...), holeChunk(done, 1, at, n)), "had come before"},
	{"nothing at all", true, chunk(done, 0, 1), "before all 2048 bytes"},
	{"one byte missing at the end", true, dataChunk(done, 1, at, fill(n-1)...), "before all"},
	{"one byte missing in front", true, dataChunk(done, 1, at+1, fill(n-1)...), "before all"},
	{"one byte missing amid", true, cat(dataChunk(0, 1, at, fill(7)...), dataChunk(done, 1, at+8, fill(n-8)...)), "before all"},
	{"data chunk without data", true, dataChunk(0, 1, at), "chunk of type 1, 8 bytes"},
	{"data chunk without an offset", true, chunk(0, 1, 1, make([]byte, 7)), "7 bytes"},
	{"hole of 0", true, holeChunk(0, 1, at, 0), "hole of no bytes"},
	{"hole too long", true, holeChunk(done, 1, at, n+1), "2049"},
	{"hole of 4 GiB", true, holeChunk(done, 1, at, math.MaxUint32), "4294967295"},
	{"hole before", true, holeChunk(done, 1, at-1, 1), "chunk of"},
	{"hole wraps", true, holeChunk(done, 1, math.MaxUint64-1, n), "chunk of"},
	{"hole of the wrong length", true, chunk(done, 2, 1, u64(at), u64(n)), "16 bytes"},
	{"NONE without DONE", true, chunk(0, 0, 1), "type 0"},
	{"NONE with data", true, chunk(done, 0, 1, []byte{1}), "type 0"},
	{"block status to a read", true, chunk(done, 5, 1, u32(1), u32(n), u32(0)), "type 5"},
	{"unknown type 3", true, chunk(done, 3, 1), "type 3"},
	{"unknown type 0x7fff", true, chunk(0, 0x7fff, 1, fill(8)), "type 32767"},
	{"error value 0", true, errorChunk(done, 1, 0, "fine"), "error 0"},
	{"error chunk too short", true, chunk(done, 0x8001, 1, u32(5), []byte{0}), "5 bytes"},
	{"error text beyond the chunk", true, chunk(done, 0x8001, 1, u32(5), u16(4), []byte("abc")), "text of 4 bytes"},
	{"error text of 64 KiB", true, chunk(done, 0x8001, 1, u32(5), u16(0xffff)), "65535"},
	{"error text over 4096", true, chunk(done, 0x8001, 1, u32(5), u16(4097), fill(4097)), "4097"},
	{"error chunk of 4 GiB", true, cat(u32(0x668e33ef), u16(done), u16(0x8001), u64(1), u32(math.MaxUint32)), "4294967295"},
	{"unknown error type of 4 GiB", true, cat(u32(0x668e33ef), u16(done), u16(0xffff), u64(1), u32(math.MaxUint32)), "4294967295"},
	{"error offset before", true, errorOffsetChunk(done, 1, 5, at-1), "error at 1048575"},
	{"error offset after", true, errorOffsetChunk(done, 1, 5, at+n), "error at"},
	{"error offset 2^64-1", true, errorOffsetChunk(done, 1, 5, math.MaxUint64), "error at"},
	{"error offset missing", true, chunk(done, 0x8002, 1, u32(5), u16(0)), "offset of 0 bytes"},
	{"error offset cut", true, chunk(done, 0x8002, 1, u32(5), u16(0), u32(9)), "offset of 4 bytes"},
	{"crumbs", true, crumbs(), "crumbs"},
}

// crumbs is every other byte of the read, a chunk each.
func crumbs() (all []byte) {
	for i := uint64(0); i < n; i += 2 {
		all = append(all, dataChunk(0, 1, at+i, 1)...)
	}
	return all
}

func TestReplyLies(t *testing.T) {
	for _, c := range replyLies {
		t.Run(c.name, func(t *testing.T) {
			against(t, func(l *liar) {
				l.greet()
				l.open(offer{size: 1 << 30, flags: 1, structured: c.structured})
				l.request()
				l.send(c.reply)
			}, func(t *testing.T, ctx context.Context, conn net.Conn) {
				defer promptly(t)()
				disk := openDisk(t, conn, plain(), "x")
				first := disk.Read(ctx, make([]byte, n), at)
				cause := disk.Wait()
				if broken := (*nbd.ProtocolError)(nil); !errors.As(cause, &broken) || !strings.Contains(cause.Error(), c.text) {
					t.Errorf("cause: %v", cause)
				}
				if failed := (*nbd.OpError)(nil); first != nil && first != cause && !errors.As(first, &failed) {
					t.Errorf("the read said %v, the disk %v", first, cause)
				}
				if err := disk.Read(ctx, make([]byte, 1), 0); err != cause {
					t.Errorf("the next read said %v, not the cause", err)
				}
			})
		})
	}
}

// Each of these replies is odd and honest, or fails its request and no more.
func TestReplies(t *testing.T) {
	text := strings.Repeat("long ", 819)
	for _, c := range []struct {
		name       string
		structured bool
		reply      []byte
		want       nbd.Errno // 0 for success
	}{
		{"simple", false, simple(0, 1, fill(n)...), 0},
		{"simple error", false, simple(5, 1), nbd.EIO},
		{"simple unknown error", false, simple(4711, 1), nbd.EINVAL},
		{"simple error 2^32-1", false, simple(math.MaxUint32, 1), nbd.EINVAL},
		{"one chunk", true, dataChunk(done, 1, at, fill(n)...), 0},
		{"DONE on its own", true, cat(dataChunk(0, 1, at, fill(n)...), chunk(done, 0, 1)), 0},
		{"unknown flags", true, cat(dataChunk(0xfffe, 1, at, fill(n)...), chunk(0xffff, 0, 1)), 0},
		{"backwards, byte by byte at the end", true, cat(dataChunk(0, 1, at+n-1, 0xaa), dataChunk(0, 1, at+n-2, 0xaa), dataChunk(done, 1, at, fill(n-2)...)), 0},
		{"middle last", true, cat(dataChunk(0, 1, at+1500, fill(n-1500)...), dataChunk(0, 1, at, fill(7)...), dataChunk(done, 1, at+7, fill(1493)...)), 0},
		{"error chunk", true, errorChunk(done, 1, 28, "full"), nbd.ENOSPC},
		{"error chunk, unknown error", true, errorChunk(done, 1, 9999, ""), nbd.EINVAL},
		{"error chunk with a long text", true, errorChunk(done, 1, 75, text), nbd.EOVERFLOW},
		{"error and then NONE", true, cat(errorChunk(0, 1, 12, ""), chunk(done, 0, 1)), nbd.ENOMEM},
		{"error amid the data", true, cat(dataChunk(0, 1, at, fill(8)...), errorOffsetChunk(0, 1, 5, at+4), dataChunk(done, 1, at+8, fill(8)...)), nbd.EIO},
		{"the first of two errors", true, cat(errorChunk(0, 1, 1, ""), errorChunk(done, 1, 5, "")), nbd.EPERM},
		{"unknown error type", true, chunk(done, 0x8abc, 1, u32(5), u16(2), []byte("no and more")), nbd.EIO},
		{"ENOTSUP", true, errorChunk(done, 1, 95, ""), nbd.ENOTSUP},
	} {
		t.Run(c.name, func(t *testing.T) {
			against(t, func(l *liar) {
				l.greet()
				l.open(offer{size: 1 << 30, flags: 1, structured: c.structured})
				l.request()
				l.send(c.reply)
				last := l.request()
				if c.structured {
					l.send(dataChunk(done, last.cookie, 0, 1))
				} else {
					l.send(simple(0, last.cookie, 1))
				}
				l.request()
				l.conn.Close()
			}, func(t *testing.T, ctx context.Context, conn net.Conn) {
				defer promptly(t)()
				disk := openDisk(t, conn, plain(), "x")
				p := make([]byte, n)
				err := disk.Read(ctx, p, at)
				if c.want == 0 && (err != nil || !bytes.Equal(p, fill(n))) {
					t.Errorf("read: %v", err)
				}
				if failed := (*nbd.OpError)(nil); c.want != 0 && (!errors.Is(err, c.want) || !errors.As(err, &failed) || failed.Offset != at || failed.Length != n) {
					t.Errorf("read: %v, not %v", err, c.want)
				}
				if err := disk.Read(ctx, p[:1], 0); err != nil {
					t.Errorf("the next read: %v", err)
				}
				if err := disk.Close(); err != nil || disk.Wait() != nil {
					t.Errorf("Close: %v, Wait: %v", err, disk.Wait())
				}
			})
		})
	}
}
