package nbd_test

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"testing"

	"nbdbridge/nbd"
	"nbdbridge/nbd/device"
)

// mapped is a device with the runs given, one after the other: the state, and
// how many bytes. What is beyond them is data.
type run struct {
	n     int64
	state uint64
}

func mapped(size int, runs ...run) *able {
	disk := pattern(size)
	for i := range disk {
		disk[i] |= 1 // no byte is zero by accident
	}
	at := int64(0)
	for _, r := range runs {
		if r.state&2 != 0 && at < int64(size) {
			clear(disk[at:min(at+r.n, int64(size))])
		}
		at += r.n
	}
	d := newAble(0)
	d.Device = device.NewMemory(disk)
	d.mapping = runsMap(runs)
	return d
}

func runsMap(runs []run) func(off, n int64) (int64, uint64, error) {
	return func(off, n int64) (int64, uint64, error) {
		for _, r := range runs {
			if off < r.n {
				return min(n, r.n-off), r.state, nil
			}
			off -= r.n
		}
		return n, 0, nil
	}
}

// sized is a device of a size that no memory has.
type sized struct {
	*able
	size int64
}

func (s sized) Size() int64 { return s.size }

// extentsOf reads the one chunk of a reply to BLOCK_STATUS.
func extentsOf(t *testing.T, m manner, h heard) (extents [][2]uint64) {
	t.Helper()
	typ, head, each := uint16(5), 4, 8
	if m == extendedHeaders {
		typ, head, each = 6, 8, 16
	}
	if len(h.chunks) != 1 || h.chunks[0].typ != typ || len(h.chunks[0].payload) < head+each || (len(h.chunks[0].payload)-head)%each != 0 {
		t.Fatalf("no status: error %d %q, %d chunks", h.errno, h.text, len(h.chunks))
	}
	b := h.chunks[0].payload
	if !bytes.Equal(b[:4], u32(1)) || m == extendedHeaders && !bytes.Equal(b[4:8], u32(uint32((len(b)-head)/each))) {
		t.Fatalf("the status begins with %x", b[:head])
	}
	for b = b[head:]; len(b) > 0; b = b[each:] {
		e := [2]uint64{be(b[:each/2]), be(b[each/2 : each])}
		if e[0] == 0 {
			t.Fatal("an extent of no bytes")
		}
		extents = append(extents, e)
	}
	return extents
}

func be(b []byte) (v uint64) {
	for _, x := range b {
		v = v<<8 | uint64(x)
	}
	return v
}

func TestBlockStatus(t *testing.T) {
	const gib = 1 << 30
	for _, row := range []struct {
		name           string
		dev            nbd.Device
		minimum        uint32
		flags          uint16
		offset, length uint64
		want           string
	}{
		{"data", mapped(8192), 0, 0, 0, 8192, "[[8192 0]]"},
		{"no map", bare{mapped(8192)}, 0, 0, 100, 8000, "[[8000 0]]"},
		{"runs", mapped(8192, run{4096, 0}, run{512, 3}, run{100, 1}), 0, 0, 0, 8192, "[[4096 0] [512 3] [100 1] [3484 0]]"},
		{"from the middle", mapped(8192, run{4096, 0}, run{512, 3}), 0, 0, 4000, 200, "[[96 0] [104 3]]"},
		{"REQ_ONE", mapped(8192, run{4096, 0}, run{512, 3}), 0, 8, 0, 8192, "[[4096 0]]"},
		{"FUA and REQ_ONE", mapped(8192, run{4096, 2}, run{512, 3}), 0, 9, 4095, 8192 - 4095, "[[1 2]]"},
		{"equal neighbours", mapped(8192, run{100, 3}, run{100, 3}, run{100, 0}, run{50, 0}), 0, 0, 0, 8192, "[[200 3] [7992 0]]"},
		{"equal neighbours, REQ_ONE", mapped(8192, run{100, 3}, run{100, 3}, run{100, 0}), 0, 8, 0, 8192, "[[200 3]]"},
		{"other bits", mapped(8192, run{8192, 0xfffffffffffffff3}), 0, 0, 0, 8192, "[[8192 3]]"},
		{"whole blocks", mapped(8192, run{100, 3}, run{412, 2}, run{600, 3}, run{4096, 0}), 512, 0, 0, 4096, "[[512 2] [512 3] [3072 0]]"},
		{"an odd tail", mapped(8192+100, run{8192, 3}), 512, 0, 4096, 4096, "[[4096 3]]"},
		{"2^32-1", sized{mapped(0, run{8 * gib, 3}), 16 * gib}, 0, 0, 0, math.MaxUint32, "[[4294967295 3]]"},
		{"2^32-2", sized{mapped(0, run{8 * gib, 3}), 16 * gib}, 0, 0, 7, math.MaxUint32 - 1, "[[4294967294 3]]"},
		{"2^32-512", sized{mapped(0, run{8 * gib, 3}), 16 * gib}, 512, 0, 512, math.MaxUint32 - 511, "[[4294966784 3]]"},
		{"2^32-65536", sized{mapped(0, run{8 * gib, 3}), 16 * gib}, 65536, 8, 65536, math.MaxUint32 - 65535, "[[4294901760 3]]"},
		{"2^32-1, REQ_ONE", sized{mapped(0, run{8 * gib, 3}), 16 * gib}, 0, 8, gib, math.MaxUint32, "[[4294967295 3]]"},
		{"2^32-1, no map", bare{sized{mapped(0), 16 * gib}}, 0, 0, gib, math.MaxUint32, "[[4294967295 0]]"},
	} {
		for _, m := range manners[1:] {
			srv := ableServer(row.dev)
			srv.Exports[0].BlockSize.Minimum = row.minimum
			c, _ := begun(t, srv, "vda", m)
			send(t, c, m.request(row.flags, cmdBlockStatus, 7, row.offset, row.length))
			if got := fmt.Sprint(extentsOf(t, m, hear(t, c, m, 0))); got != row.want {
				t.Errorf("%v, %s: %s, not %s", m, row.name, got, row.want)
			}
			c.Close()
		}
	}
	c, _ := begun(t, ableServer(sized{mapped(0, run{8 * gib, 3}), 16 * gib}), "vda", extendedHeaders)
	send(t, c, extendedHeaders.request(0, cmdBlockStatus, 7, 0, 16*gib))
	if got := fmt.Sprint(extentsOf(t, extendedHeaders, hear(t, c, extendedHeaders, 0))); got != "[[8589934592 3] [8589934592 0]]" {
		t.Errorf("16 GiB: %s", got)
	}
}

// A device may lie about its map. No lie is worth more than an error.
func TestLyingMaps(t *testing.T) {
	type mapping = func(off, n int64) (int64, uint64, error)
	tell := func(n int64, err error) mapping {
		return func(int64, int64) (int64, uint64, error) { return n, 3, err }
	}
	const size = 1 << 20
	for _, row := range []struct {
		name string
		lie  mapping
		want uint32
	}{
		{"no bytes", tell(0, nil), 5},
		{"less than none", tell(-5, nil), 5},
		{"the least number", tell(math.MinInt64, nil), 5},
		{"beyond the end", tell(size+1, nil), 0},
		{"the greatest number", tell(math.MaxInt64, nil), 0},
		{"an error", tell(1, errBroken), 5},
		{"an Errno", tell(0, nbd.EPERM), 1},
		{"crumbs of one state", tell(1, nil), 0},
		{"crumbs", func(off, _ int64) (int64, uint64, error) { return 1, uint64(off) & 3, nil }, 0},
		{"an error later", func(off, _ int64) (int64, uint64, error) {
			return 512, 0, map[bool]error{true: errBroken}[off > 5000]
		}, 5},
	} {
		for _, m := range manners[1:] {
			for _, minimum := range []uint32{1, 65536} {
				d := mapped(size, run{size, 3})
				calls := 0
				d.mapping = func(off, n int64) (int64, uint64, error) {
					if calls++; off < 0 || n <= 0 || off+n > size {
						t.Errorf("%s: Map(%d, %d)", row.name, off, n)
					}
					return row.lie(off, n)
				}
				srv := ableServer(d)
				srv.Exports[0].BlockSize.Minimum = minimum
				c, _ := begun(t, srv, "vda", m)
				send(t, c, m.request(0, cmdBlockStatus, 7, 0, size))
				h := hear(t, c, m, 0)
				if h.errno != row.want {
					t.Errorf("%v, %s: %d, not %d", m, row.name, h.errno, row.want)
				}
				if h.errno == 0 {
					total := uint64(0)
					for _, e := range extentsOf(t, m, h) {
						total += e[0]
					}
					if total > size || total%uint64(minimum) != 0 {
						t.Errorf("%v, %s: %d bytes", m, row.name, total)
					}
				}
				if calls > 1<<16+1 {
					t.Errorf("%s: the device was asked %d times", row.name, calls)
				}
				send(t, c, m.request(0, cmdRead, 8, 0, size)) // a read does not depend on the map
				if h := hear(t, c, m, size); h.errno != 0 || len(h.chunks) > 64 || !bytes.Equal(h.data(t, 0, size), make([]byte, size)) {
					t.Errorf("%v, %s: read: %d, %d chunks", m, row.name, h.errno, len(h.chunks))
				}
				c.Close()
			}
		}
	}
}

// Holes are told, and not sent, where that pays.
func TestSparseReads(t *testing.T) {
	var many []run
	for range 100 {
		many = append(many, run{8192, 0}, run{8192, 3})
	}
	for _, row := range []struct {
		name           string
		flags          uint16
		runs           []run
		offset, length uint64
		want           string // type and size of each chunk's content
	}{
		{"data", 0, nil, 0, 100_000, "d100000"},
		{"a hole", 0, []run{{100_000, 3}}, 0, 100_000, "h100000"},
		{"zeroes that are allocated", 0, []run{{100_000, 2}}, 1, 65535, "h65535"},
		{"a hole of unknown content", 0, []run{{100_000, 1}}, 0, 100_000, "d100000"},
		{"a hole with DF", 4, []run{{100_000, 3}}, 0, 100_000, "d100000"},
		{"a short hole", 0, []run{{4096, 0}, {4095, 3}}, 0, 16384, "d16384"},
		{"a hole at an odd place", 0, []run{{5000, 0}, {6000, 3}}, 0, 20_000, "d5120 h5632 d9248"},
		{"a hole that is too short when rounded", 0, []run{{5000, 0}, {4200, 3}}, 0, 20_000, "d20000"},
		{"a read inside a hole at an odd place", 0, []run{{100_000, 3}}, 777, 4096, "h4096"},
		{"a short read in a hole", 0, []run{{100_000, 3}}, 0, 4095, "d4095"},
		{"pieces of a hole", 0, []run{{3000, 3}, {3000, 2}, {3000, 3}}, 0, 9000, "h9000"},
		{"from data into a hole", 0, []run{{8192, 0}, {50_000, 3}}, 4096, 8192, "d4096 h4096"},
	} {
		for _, m := range manners {
			d := mapped(2<<20, row.runs...)
			c, _ := begun(t, ableServer(d), "vda", m)
			flags := row.flags
			if m == simpleReplies {
				flags &^= 4
			}
			send(t, c, m.request(flags, cmdRead, 7, row.offset, row.length))
			h := hear(t, c, m, int(row.length))
			want := make([]byte, row.length)
			_, _ = d.ReadAt(want, int64(row.offset))
			if m == simpleReplies {
				if !bytes.Equal(h.chunks[0].payload[8:], want) {
					t.Errorf("simple, %s: wrong data", row.name)
				}
				continue
			}
			if !bytes.Equal(h.data(t, row.offset, int(row.length)), want) {
				t.Errorf("%v, %s: wrong data", m, row.name)
			}
			if got := chunkSizes(h); got != row.want {
				t.Errorf("%v, %s: %q, not %q", m, row.name, got, row.want)
			}
		}
	}
	d := mapped(2<<20, many...)
	c, _ := begun(t, ableServer(d), "vda", extendedHeaders)
	send(t, c, extendedHeaders.request(0, cmdRead, 7, 0, 2<<20))
	want := make([]byte, 2<<20)
	_, _ = d.ReadAt(want, 0)
	if h := hear(t, c, extendedHeaders, 0); len(h.chunks) > 64 || len(h.chunks) < 60 || !bytes.Equal(h.data(t, 0, 2<<20), want) {
		t.Errorf("%d chunks, or wrong data", len(h.chunks))
	}
}

func chunkSizes(h heard) (s string) {
	for i, c := range h.chunks {
		if i > 0 {
			s += " "
		}
		if c.typ == 2 {
			s += fmt.Sprintf("h%d", be(c.payload[8:]))
		} else {
			s += fmt.Sprintf("d%d", len(c.payload)-8)
		}
	}
	return s
}

// half is a device whose second half can't be read.
type half struct{ *able }

func (h half) ReadAt(p []byte, off int64) (int, error) {
	if off >= h.Size()/2 {
		return 0, errors.New("a bad sector")
	}
	return h.able.ReadAt(p, off)
}

// A read that fails late is one error, and no data.
func TestSparseReadThatFails(t *testing.T) {
	for _, m := range manners[1:] {
		c, _ := begun(t, ableServer(half{mapped(64<<10, run{4096, 0}, run{32 << 10, 3})}), "vda", m)
		send(t, c, m.request(0, cmdRead, 7, 0, 64<<10))
		if h := hear(t, c, m, 0); h.errno != 5 || len(h.chunks) != 0 {
			t.Errorf("%v: %+v", m, h)
		}
	}
}
