package adversary

import (
	"bytes"
	"context"
	"encoding/binary"
	"math"
	"net"
	"testing"

	"nbdbridge/nbd"
)

// vast is a device of 8 GiB that is one hole, and says so in one extent
// whatever it is asked for.
type vast struct{}

const vastSize = 8 << 30

func (vast) Size() int64                            { return vastSize }
func (vast) Sync() error                            { return nil }
func (vast) ReadAt(p []byte, _ int64) (int, error)  { clear(p); return len(p), nil }
func (vast) WriteAt(p []byte, _ int64) (int, error) { return len(p), nil }
func (vast) Map(off, n int64) (int64, uint64, error) {
	return vastSize - off, nbd.StateHole | nbd.StateZero, nil
}

// Extents beyond 32 bits are told in 32 bits, without a wrap to nothing
// (CVE-2025-47711, CVE-2025-47712), with blocks of a byte and of 4096.
func TestExtentsBeyond32Bits(t *testing.T) {
	for _, block := range []uint32{1, 4096} {
		for _, length := range []uint32{math.MaxUint32, math.MaxUint32 - 1, math.MaxUint32 - 511, math.MaxUint32 - 4095, 1 << 31, 4096} {
			for _, flags := range []uint16{0, 8} { // REQ_ONE
				if length%block == 0 {
					askStatus(t, block, length, flags)
				}
			}
		}
	}
}

func askStatus(t *testing.T, block, length uint32, flags uint16) {
	srv := &nbd.Server{Exports: []nbd.Export{{Name: "vda", Device: vast{}, BlockSize: nbd.BlockSize{Minimum: block, Preferred: 4096, MaximumPayload: 1 << 20}}}}
	inMemory(t, func(t *testing.T, c net.Conn) {
		in := &taker{from: c}
		_, _ = c.Write(cat(u32(3), option(optStructured, nil), option(optSetMeta, metaRequest("vda", "base:allocation")), option(optGo, cat(exportRequest("vda")[:7], u16(1), u16(3)))))
		in.take(18)
		for range 3 {
			if typ := finalReply(in); typ != repAck {
				t.Fatalf("negotiating: %#x, %v", typ, in.err)
			}
		}
		_, _ = c.Write(cat(u32(0x25609513), u16(flags), u16(7), u64(5), u64(0), u32(length)))
		reply := in.rest(in.take(20), 16, 4)
		if in.err != nil || number(reply, 0) != 0x668e33ef || binary.BigEndian.Uint16(reply[6:]) != 5 {
			t.Fatalf("%d bytes: %x, %v", length, reply, in.err)
		}
		for extents := reply[24:]; len(extents) > 0; extents = extents[8:] {
			n, state := number(extents, 0), number(extents, 4)
			if n < min(length, 1<<31) || n%block != 0 || state != 3 {
				t.Errorf("%d bytes, blocks of %d: an extent of %d bytes, state %d", length, block, n, state)
			}
		}
	}, func(_ *testing.T, c net.Conn) { _ = srv.ServeConn(context.Background(), c) })
}

// EXPORT_NAME is answered with exactly 10 bytes, or 134, and the transmission
// follows (a bug of qemu sent two more).
func TestExportNameBytes(t *testing.T) {
	for flags, size := range map[uint32]int{1: 134, 3: 10} {
		inMemory(t, func(t *testing.T, c net.Conn) {
			in := &taker{from: c}
			_, _ = c.Write(cat(u32(flags), option(optExportName, []byte("vda")), readRequest(7, 0, 4)))
			in.take(18)
			answer := in.take(size)
			read := in.take(16 + 4)
			if in.err != nil || binary.BigEndian.Uint64(answer) != diskSize || !bytes.Equal(answer[10:], make([]byte, size-10)) ||
				!bytes.Equal(read, cat(u32(0x67446698), u32(0), u64(7), make([]byte, 4))) {
				t.Errorf("flags %d: %x, then %x, %v", flags, answer, read, in.err)
			}
		}, func(_ *testing.T, c net.Conn) {
			srv := plainBehind()
			srv.Legacy = true
			_ = srv.ServeConn(context.Background(), c)
		})
	}
}

// Every length and count of a request for metadata contexts may lie: the
// answer is an error, and the server stays in step.
func TestMetaRequestsThatLie(t *testing.T) {
	name, query := cat(u32(3), []byte("vda")), cat(u32(5), []byte("base:"))
	for i, data := range [][]byte{
		nil,
		u32(3),
		name,
		cat(name, u32(1)),
		cat(name, u32(1), u32(5)),
		cat(name, u32(1), u32(4), []byte("base:")),
		cat(name, u32(1), u32(6), []byte("base:")),
		cat(name, u32(2), query),
		cat(name, u32(0), query),
		cat(name, u32(math.MaxUint32), query),
		cat(name, u32(1<<30), query),
		cat(name, u32(1), u32(math.MaxUint32), []byte("base:")),
		cat(name, u32(1), u32(math.MaxUint32-3), []byte("base:")),
		cat(u32(math.MaxUint32), []byte("vda"), u32(1), query),
		cat(u32(1<<31), []byte("vda"), u32(1), query),
		cat(name, u32(1), u32(4097), make([]byte, 4097)),
		cat(u32(4097), make([]byte, 4097), u32(1), query),
	} {
		for _, opt := range []uint32{9, optSetMeta} {
			inMemory(t, func(t *testing.T, c net.Conn) {
				in := &taker{from: c}
				_, _ = c.Write(cat(u32(3), option(optStructured, nil), option(opt, data), option(optList, nil)))
				in.take(18)
				structured, lie, list := finalReply(in), finalReply(in), finalReply(in)
				if in.err != nil || structured != repAck || lie&(1<<31) == 0 || list != repAck {
					t.Errorf("%d, option %d: %#x, then %#x, %v", i, opt, lie, list, in.err)
				}
			}, func(_ *testing.T, c net.Conn) { _ = plainBehind().ServeConn(context.Background(), c) })
		}
	}
}
