package interop

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"sync"
	"testing"

	"nbdbridge/nbd"
)

// strict is an nbdkit that fails every request that its block sizes forbid.
func strict(minimum, maximum string, args ...string) []string {
	return append(args, "blocksize-minimum="+minimum, "blocksize-preferred=64K", "blocksize-maximum="+maximum, "blocksize-error-policy=error")
}

// TestBlockSizesHonoured reads and writes odd ranges of an export with blocks
// of 4096 bytes and requests of 1 MiB at most. Writers of neighbours in one
// block must not undo each other.
func TestBlockSizesHonoured(t *testing.T) {
	ctx, disk := openNbdkit(t, strict("4096", "1M", "--filter=blocksize-policy", "memory", "16M")...)
	if got, want := disk.Info().BlockSize, (nbd.BlockSize{Minimum: 4096, Preferred: 65536, MaximumPayload: 1 << 20}); got != want {
		t.Fatalf("block sizes %v, want %v", got, want)
	}
	want := make([]byte, 16<<20)
	var work sync.WaitGroup
	for at := 3; at < 3<<20; {
		n := 1 + rand.IntN(20_000)
		piece := want[at:][:n]
		for i := range piece {
			piece[i] = byte(rand.Uint32())
		}
		off := int64(at)
		work.Go(func() {
			if err := disk.Write(ctx, piece, off, 0); err != nil {
				t.Errorf("writing %d bytes at %d: %v", len(piece), off, err)
			}
		})
		at += n
	}
	work.Wait()
	copy(want[5<<20+13:], pattern(3, 7<<20))
	if err := disk.Write(ctx, want[5<<20+13:][:7<<20], 5<<20+13, nbd.FlagFUA); err != nil {
		t.Error(err)
	}
	clear(want[6<<20+1:][:1<<20])
	if err := disk.WriteZeroes(ctx, 6<<20+1, 1<<20, 0); err != nil {
		t.Error(err)
	}
	if err := disk.Trim(ctx, 14<<20+5, 1<<20, 0); err != nil { // zeroes before and after
		t.Error(err)
	}
	for _, r := range []span{{0, len(want)}, {1, 1}, {4095, 2}, {3<<20 - 1, 5<<20 + 3}, {len(want) - 7, 7}} {
		got := make([]byte, r.n)
		if err := disk.Read(ctx, got, int64(r.off)); err != nil || !bytes.Equal(got, want[r.off:][:r.n]) {
			t.Errorf("reading %d bytes at %d: %v", r.n, r.off, err)
		}
	}
}

type span struct{ off, n int }

// TestBlockStatusOfBlocks asks for an odd range: the answer is about exactly it.
func TestBlockStatusOfBlocks(t *testing.T) {
	cfg := plain()
	cfg.MetaContexts = []string{"base:allocation"}
	s, _ := nbdkit(t, strict("4096", "1M", "--filter=blocksize-policy", "data", "1 @8192 2", "size=1M")...)
	ctx := testContext(t)
	disk := open(ctx, t, s, cfg)
	defer disk.Close()
	extents := mapOf(ctx, t, disk, "base:allocation", 4000, 900_000)
	last := extents[len(extents)-1]
	if extents[0].Offset != 4000 || last.Offset+last.Length != 904_000 {
		t.Errorf("got %v", extents)
	}
}

// TestSizeThatIsNoMultiple: the tail of an export that is no whole block
// can't be reached, and says so before anything is sent.
func TestSizeThatIsNoMultiple(t *testing.T) {
	ctx, disk := openNbdkit(t, strict("4096", "1M", "--filter=blocksize-policy", "pattern", "1049088")...)
	if err := disk.Read(ctx, make([]byte, 1), 1049087); !errors.Is(err, nbd.ErrOutOfRange) && !errors.Is(err, nbd.EINVAL) {
		t.Errorf("got %v", err)
	}
	if err := disk.Read(ctx, make([]byte, 4097), 1<<20-4097); err != nil {
		t.Error(err)
	}
}
