package nbd_test

import (
	"context"
	"errors"
	"math"
	"net"
	"strings"
	"testing"

	"nbdbridge/nbd"
)

// extended is a reply chunk of an extended reply; the request's offset goes
// with it.
func extended(flags, typ uint16, cookie, offset uint64, payload ...[]byte) []byte {
	all := cat(payload...)
	return cat(u32(0x6e8a278c), u16(flags), u16(typ), u64(cookie), u64(offset), u64(uint64(len(all))), all)
}

// status is the payload of a block status chunk; extents are pairs of length
// and status.
func status(id uint32, extents ...uint32) []byte {
	b := u32(id)
	for _, v := range extents {
		b = append(b, u32(v)...)
	}
	return b
}

func statusExt(id, count uint32, extents ...uint64) []byte {
	b := cat(u32(id), u32(count))
	for _, v := range extents {
		b = append(b, u64(v)...)
	}
	return b
}

// A statusLie answers a BLOCK_STATUS of n bytes at at, with cookie 1, of the
// contexts 1 ("base:allocation") and 7.
type statusLie struct {
	name  string
	reply []byte
	text  string
}

var second = chunk(done, 5, 1, status(7, n, 0))

var statusLies = []statusLie{
	{"simple success", simple(0, 1), "without any"},
	{"NONE alone", chunk(done, 0, 1), "0 metadata contexts out of 2"},
	{"one of two", chunk(done, 5, 1, status(1, n, 0)), "1 metadata contexts out of 2"},
	{"not selected", cat(chunk(0, 5, 1, status(2, n, 0)), second), "context 2, which was not asked for"},
	{"twice", cat(chunk(0, 5, 1, status(1, n, 0)), chunk(done, 5, 1, status(1, n, 0))), "context 1 twice"},
	{"no extents", chunk(done, 5, 1, status(1)), "chunk of 4 bytes"},
	{"nothing", chunk(done, 5, 1), "chunk of 0 bytes"},
	{"half an extent", chunk(done, 5, 1, status(1, n)), "chunk of 8 bytes"},
	{"an extent and a half", chunk(done, 5, 1, status(1, 512, 0, 512)), "chunk of 16 bytes"},
	{"extent of 0", chunk(done, 5, 1, status(1, 0, 0)), "no bytes"},
	{"second extent of 0", chunk(done, 5, 1, status(1, 512, 0, 0, 0)), "no bytes"},
	{"second extent beyond", chunk(done, 5, 1, status(1, n, 0, 512, 0)), "beyond the 2048 bytes"},
	{"extents that wrap", chunk(done, 5, 1, status(1, 512, 0, math.MaxUint32, 0, 512, 0)), "beyond"},
	{"more than 2^20 extents", cat(u32(0x668e33ef), u16(done), u16(5), u64(1), u32(4+8*(1<<20+1)), u32(1)), "chunk of 8388620 bytes"},
	{"4 GiB", cat(u32(0x668e33ef), u16(done), u16(5), u64(1), u32(math.MaxUint32)), "4294967295 bytes"},
	{"64 bits", chunk(done, 6, 1, statusExt(1, 1, n, 0)), "type 6"},
	{"data", dataChunk(done, 1, at, 1), "type 1"},
	{"hole", holeChunk(done, 1, at, n), "type 2"},
}

var statusLiesExt = []statusLie{
	{"simple", simple(0, 1), "not negotiated"},
	{"structured", chunk(done, 0, 1), "not negotiated"},
	{"32 bits", extended(done, 5, 1, at, status(1, n, 0)), "type 5"},
	{"another offset", extended(done, 6, 1, at+1, statusExt(1, 1, n, 0)), "reply for offset 1048577"},
	{"offset 0", extended(done, 0, 1, 0), "reply for offset 0"},
	{"unknown cookie", extended(done, 0, 2, at), "cookie 0x2"},
	{"count too small", extended(done, 6, 1, at, statusExt(1, 1, 512, 0, 512, 0)), "counts 1 extents and has 2"},
	{"count 0", extended(done, 6, 1, at, statusExt(1, 0, 512, 0)), "counts 0"},
	{"count 4 GiB", extended(done, 6, 1, at, statusExt(1, math.MaxUint32, 512, 0)), "counts 4294967295"},
	{"no extents", extended(done, 6, 1, at, statusExt(1, 0)), "chunk of 8 bytes"},
	{"no count", extended(done, 6, 1, at, u32(1)), "chunk of 4 bytes"},
	{"extent of 0", extended(done, 6, 1, at, statusExt(1, 1, 0, 0)), "no bytes"},
	{"extents that wrap", extended(done, 6, 1, at, statusExt(1, 3, 512, 0, math.MaxUint64-511, 0, 512, 0)), "beyond"},
	{"64 bits of base:allocation", extended(done, 6, 1, at, statusExt(1, 1, n, 1<<32)), "32 bits"},
	{"2^63 bytes", cat(u32(0x6e8a278c), u16(done), u16(6), u64(1), u64(at), u64(1<<63)), "9223372036854775808 bytes"},
	{"length 2^64-1", cat(u32(0x6e8a278c), u16(done), u16(0x8001), u64(1), u64(at), u64(math.MaxUint64)), "18446744073709551615 bytes"},
	{"more than 2^20 extents", cat(u32(0x6e8a278c), u16(done), u16(6), u64(1), u64(at), u64(8+16*(1<<20+1)), u32(1), u32(1<<20+1)), "16777240 bytes"},
	{"data", extended(done, 1, 1, at, u64(at), fill(n)), "type 1"},
}

func TestStatusLies(t *testing.T) {
	for framing, lies := range map[nbd.Framing][]statusLie{nbd.FramingStructured: statusLies, nbd.FramingExtended: statusLiesExt} {
		for _, lie := range lies {
			t.Run(framing.String()+"/"+lie.name, func(t *testing.T) {
				tellStatus(t, framing, lie.reply, func(ctx context.Context, disk *nbd.Disk) {
					_, err := disk.BlockStatus(ctx, at, n, 0)
					if broken := (*nbd.ProtocolError)(nil); !errors.As(err, &broken) || !strings.Contains(err.Error(), lie.text) {
						t.Errorf("error: %v", err)
					}
					if err := disk.Wait(); err == nil {
						t.Error("the connection goes on")
					}
				})
			})
		}
	}
}

// tellStatus opens an export with the contexts 1 and 7, and answers its first
// request with reply.
func tellStatus(t *testing.T, framing nbd.Framing, reply []byte, use func(ctx context.Context, disk *nbd.Disk)) {
	against(t, func(l *liar) {
		l.greet()
		l.open(offer{size: 1 << 30, flags: 0x1085, structured: true, extended: framing == nbd.FramingExtended})
		l.request()
		l.send(reply)
	}, func(t *testing.T, ctx context.Context, conn net.Conn) {
		defer promptly(t)()
		cfg := plain()
		cfg.Framing, cfg.MetaContexts = framing, []string{"base:allocation", "x-lab:seven"}
		disk := openDisk(t, conn, cfg, "")
		use(ctx, disk)
		disk.Close()
	})
}

// metaContexts answers with ids 1 and 7.
func metaContexts(opt uint32, first, second string) []byte {
	return cat(optionReply(opt, 4, cat(u32(1), []byte(first))), optionReply(opt, 4, cat(u32(7), []byte(second))))
}

// What is odd but honest is taken.
func TestOddButHonestStatus(t *testing.T) {
	long := make([]uint32, 0, 2*100_000)
	for i := range 100_000 {
		long = append(long, 1, uint32(i%2))
	}
	for _, c := range []struct {
		name  string
		reply []byte
		bytes int64 // that the first context is told of
		count int
	}{
		{"the last extent runs past the end", cat(chunk(0, 5, 1, status(1, 512, 0, 1<<31, 1)), second), n, 2},
		{"shorter than asked", cat(chunk(0, 5, 1, status(1, 512, 3)), second), 512, 1},
		{"not merged", cat(chunk(0, 5, 1, status(1, 512, 3, 512, 3, 512, 3)), second), 1536, 1},
		{"unknown bits", cat(chunk(0, 5, 1, status(1, n, math.MaxUint32)), second), n, 1},
		{"the other way round", cat(chunk(0, 5, 1, status(7, n, 0)), chunk(done, 5, 1, status(1, n, 0))), n, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			tellStatus(t, nbd.FramingStructured, c.reply, func(ctx context.Context, disk *nbd.Disk) {
				got, err := disk.BlockStatus(ctx, at, n, 0)
				total := int64(0)
				for _, e := range got["base:allocation"] {
					total += e.Length
				}
				if err != nil || total != c.bytes || len(got["base:allocation"]) != c.count || len(got["x-lab:seven"]) != 1 {
					t.Errorf("%v, %v", got, err)
				}
			})
		})
	}
	// more extents than are kept: the answer ends early, and without a gap
	tellStatus(t, nbd.FramingStructured, cat(chunk(0, 5, 1, status(1, long...)), second), func(ctx context.Context, disk *nbd.Disk) {
		got, err := disk.BlockStatus(ctx, at, 200_000, 0, "base:allocation")
		if e := got["base:allocation"]; err != nil || len(e) != 65536 || e[65535].Offset != at+65535 {
			t.Errorf("%d extents, %v", len(e), err)
		}
	})
	// nor can many contexts make it more
	both := cat(chunk(0, 5, 1, status(1, long...)), chunk(done, 5, 1, status(7, long...)))
	tellStatus(t, nbd.FramingStructured, both, func(ctx context.Context, disk *nbd.Disk) {
		got, err := disk.BlockStatus(ctx, at, 200_000, 0)
		if a, b := len(got["base:allocation"]), len(got["x-lab:seven"]); err != nil || a != 32768 || b != 32768 {
			t.Errorf("%d and %d extents, %v", a, b, err)
		}
	})
}

// An extent that is too long for FlagReqOne, and two pieces for FlagDF.
func TestLiesToFlags(t *testing.T) {
	for name, reply := range map[string][]byte{
		"longer": chunk(done, 5, 1, status(1, n+1, 0)),
		"two":    chunk(done, 5, 1, status(1, 512, 0, 512, 0)),
	} {
		tellStatus(t, nbd.FramingStructured, reply, func(ctx context.Context, disk *nbd.Disk) {
			_, err := disk.BlockStatus(ctx, at, n, nbd.FlagReqOne)
			if broken := (*nbd.ProtocolError)(nil); !errors.As(err, &broken) {
				t.Errorf("REQ_ONE, %s: %v", name, err)
			}
		})
	}
	tellStatus(t, nbd.FramingStructured, cat(dataChunk(0, 1, at, fill(n/2)...), holeChunk(done, 1, at+n/2, n/2)), func(ctx context.Context, disk *nbd.Disk) {
		err := disk.ReadUnfragmented(ctx, make([]byte, n), at)
		if broken := (*nbd.ProtocolError)(nil); !errors.As(err, &broken) || !strings.Contains(err.Error(), "2 pieces") {
			t.Errorf("DF: %v", err)
		}
	})
}
