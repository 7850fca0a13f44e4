package nbd

import (
	"errors"
	"math"
	"math/rand/v2"
	"testing"
)

// A call's spans are in order, cover it exactly, and each is a request that
// the server takes, right up to the end of the largest disk.
func TestSplit(t *testing.T) {
	for seed := range uint64(20_000) {
		r := rand.New(rand.NewPCG(seed, 2))
		block := uint32(1) << r.IntN(17)
		b := BlockSize{Minimum: block, Preferred: max(block, 512), MaximumPayload: max(block, 512) + r.Uint32N(1<<20)}
		size := []int64{math.MaxInt64, r.Int64N(1 << 40), r.Int64N(1 << 20)}[r.IntN(3)]
		d := &Disk{info: ExportInfo{Size: size, BlockSize: b}, piece: pieceSize(b, 256<<10+r.Int64N(32<<20))}
		reachable := size - size%int64(block)
		length := r.Int64N(min(reachable, 3<<20) + 1)
		off := reachable - length - r.Int64N(min(reachable-length, 200_000)+1)
		if err := d.checkRange("read", off, length); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		at := off
		for s := range d.spans(off, length, d.piece) {
			whole := s.lo%int64(block) == 0 && s.hi%int64(block) == 0 && s.hi > s.lo && s.hi <= reachable
			if !whole || s.hi-s.lo > int64(b.MaximumPayload) || s.from != at || s.from < s.lo || s.to > s.hi || s.to <= s.from || s.at != off {
				t.Fatalf("seed %d: %+v of %d bytes at %d, block %d", seed, s, length, off, block)
			}
			if !s.whole() && s.hi-s.lo != int64(block) {
				t.Fatalf("seed %d: more than a block around a part: %+v", seed, s)
			}
			if cut := s.hi - s.hi%int64(b.Preferred); s.whole() && s.to != off+length && cut > s.lo && cut != s.hi {
				t.Fatalf("seed %d: %+v ends between two blocks of the preferred size %d", seed, s, b.Preferred)
			}
			at = s.to
		}
		if at != off+length {
			t.Fatalf("seed %d: covered up to %d of %d", seed, at, off+length)
		}
	}
}

func TestSplitRefuses(t *testing.T) {
	d := &Disk{info: ExportInfo{Size: 1000, BlockSize: BlockSize{512, 512, 512}}, piece: 512}
	for _, c := range []struct {
		off int64
		n   int64
	}{{0, -1}, {1, math.MaxInt64}, {-1, 0}, {0, 1001}, {1001, 0}, {math.MaxInt64, 1}, {math.MinInt64, 5}, {0, 513}, {512, 1}, {999, 1}} {
		if err := d.checkRange("read", c.off, c.n); !errors.Is(err, ErrOutOfRange) {
			t.Errorf("%d bytes at %d: %v", c.n, c.off, err)
		}
	}
}
