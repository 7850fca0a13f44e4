package nbd_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"testing"

	"nbdbridge/nbd"
)

// flags of a transmission, by their bits in the specification
const (
	hasFlags  = 1 << 0
	sendFlush = 1 << 2
	sendFUA   = 1 << 3
)

// Odd reads and writes are exact whatever blocks the server insists on.
func TestOddRanges(t *testing.T) {
	rounds := 300
	if runtime.GOOS == "js" {
		rounds = 60 // one thread
	}
	for _, minimum := range []uint32{1, 512, 4096, 65536} {
		for _, structured := range []bool{false, true} {
			t.Run(fmt.Sprint(minimum, structured), func(t *testing.T) {
				d := &double{disk: pattern(5 * 65536), flags: hasFlags | sendFlush, minimum: minimum, maximum: max(minimum, 9*1024), structured: structured}
				shadow := slices.Clone(d.disk)
				disk := openDisk(t, d.serve(t), plain(), "x")
				r := rand.New(rand.NewPCG(uint64(minimum), 3))
				for range rounds {
					off := r.IntN(len(shadow))
					p := make([]byte, r.IntN(min(len(shadow)-off, 1+r.IntN(40_000))+1))
					if r.IntN(2) == 0 {
						for i := range p {
							p[i] = byte(r.Uint32())
						}
						copy(shadow[off:], p)
						if err := disk.Write(t.Context(), p, int64(off), 0); err != nil {
							t.Fatal(err)
						}
						continue
					}
					if err := disk.Read(t.Context(), p, int64(off)); err != nil || !bytes.Equal(p, shadow[off:off+len(p)]) {
						t.Fatalf("read of %d at %d: %v", len(p), off, err)
					}
				}
				if err := disk.Close(); err != nil || !bytes.Equal(d.disk, shadow) {
					t.Errorf("the disk differs from its shadow: %v", err)
				}
				d.check(t)
			})
		}
	}
}

// Many partial writes to the same blocks at once: each block is read and
// written back whole, and no neighbour is lost.
func TestPartialWritesKeepTheirNeighbours(t *testing.T) {
	for _, minimum := range []uint32{512, 4096} {
		d := &double{disk: make([]byte, 3*4096), flags: hasFlags, minimum: minimum, maximum: 65536, structured: true}
		disk := openDisk(t, d.serve(t), plain(), "x")
		var group sync.WaitGroup
		const width = 96 // no divisor of a block, so that some straddle two
		for i := range len(d.disk) / width {
			group.Go(func() {
				for round := range 3 {
					if err := disk.Write(t.Context(), bytes.Repeat([]byte{byte(i + round)}, width), int64(i*width), 0); err != nil {
						t.Error(err)
					}
				}
			})
		}
		group.Wait()
		for i := range len(d.disk) / width {
			got := make([]byte, width)
			if err := disk.Read(t.Context(), got, int64(i*width)); err != nil || !bytes.Equal(got, bytes.Repeat([]byte{byte(i + 2)}, width)) {
				t.Fatalf("block %d: the write %d was lost: %v", minimum, i, err)
			}
		}
		d.check(t)
	}
}

// The bytes behind the last whole block can't be reached, and the error says so.
func TestUnreachableTail(t *testing.T) {
	d := &double{disk: pattern(1000), flags: hasFlags, minimum: 512, maximum: 65536}
	disk := openDisk(t, d.serve(t), plain(), "x")
	p := make([]byte, 513)
	if err := disk.Read(t.Context(), p[:512], 0); err != nil || !bytes.Equal(p[:512], d.disk[:512]) {
		t.Error(err)
	}
	for _, err := range []error{disk.Read(t.Context(), p, 0), disk.Write(t.Context(), p[:1], 999, 0)} {
		if !errors.Is(err, nbd.ErrOutOfRange) || !bytes.Contains([]byte(err.Error()), []byte("last 488 bytes can't be reached")) {
			t.Error(err)
		}
	}
	d.check(t)
}

// A long request is cut at the server's maximum, and at a quarter of what may
// be in flight.
func TestLongRequestsAreSplit(t *testing.T) {
	for _, c := range []struct {
		maximum  uint32
		inFlight int64
		want     []uint32
	}{
		{10_000, 0, []uint32{9728, 9728, 9728, 3584}}, // the maximum need not be whole blocks
		{32 << 20, 0, []uint32{32768}},
		{32 << 20, 1, []uint32{32768}}, // the least is 256 KiB
	} {
		d := &double{disk: pattern(32768), flags: hasFlags, minimum: 512, maximum: c.maximum}
		cfg := plain()
		cfg.MaxInFlight = c.inFlight
		disk := openDisk(t, d.serve(t), cfg, "x")
		p := make([]byte, 32768)
		if err := disk.Read(t.Context(), p, 0); err != nil || !bytes.Equal(p, d.disk) {
			t.Fatal(err)
		}
		if err := disk.Write(t.Context(), p, 0, 0); err != nil {
			t.Fatal(err)
		}
		for _, cmd := range []uint16{cmdRead, cmdWrite} {
			got := []uint32{}
			for _, call := range d.of(cmd) {
				got = append(got, call.length)
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("maximum %d: command %d was split into %v", c.maximum, cmd, got)
			}
		}
		d.check(t)
	}
}

// FUA goes over the wire where it was offered, is a flush where it was not,
// and an honest refusal, with nothing written, where there is neither.
func TestFUA(t *testing.T) {
	for _, c := range []struct {
		offered uint16
		flags   uint16 // on the write
		flushes int
		err     error
	}{
		{sendFUA | sendFlush, 1, 0, nil}, {sendFUA, 1, 0, nil}, {sendFlush, 0, 1, nil}, {0, 0, 0, nbd.ENOTSUP},
	} {
		d := &double{disk: pattern(1024), flags: hasFlags | c.offered, minimum: 512, maximum: 512}
		disk := openDisk(t, d.serve(t), plain(), "x")
		err := disk.Write(t.Context(), make([]byte, 600), 100, nbd.FlagFUA)
		if !errors.Is(err, c.err) {
			t.Errorf("offered %#x: %v", c.offered, err)
		}
		writes, flushes := d.of(cmdWrite), d.of(cmdFlush)
		sent := 2
		if c.err != nil {
			sent = 0
		}
		if len(writes) != sent || sent > 0 && (writes[0].flags != c.flags || writes[1].flags != c.flags) || len(flushes) != c.flushes {
			t.Errorf("offered %#x: writes %v, flushes %v", c.offered, writes, flushes)
		}
		for _, r := range d.of(cmdRead) {
			if r.flags != 0 {
				t.Error("FUA on the read around a partial write")
			}
		}
		if err := disk.Write(t.Context(), make([]byte, 512), 0, 0); err != nil || d.of(cmdWrite)[sent].flags != 0 {
			t.Errorf("FUA unasked: %v", err)
		}
	}
}

func TestFlushNotOffered(t *testing.T) {
	d := &double{disk: pattern(512), flags: hasFlags, minimum: 512, maximum: 512}
	disk := openDisk(t, d.serve(t), plain(), "x")
	if err := disk.Flush(t.Context()); !errors.Is(err, nbd.ENOTSUP) || len(d.of(cmdFlush)) > 0 {
		t.Errorf("flush: %v", err)
	}
}
