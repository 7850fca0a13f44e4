package nbd

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// A coverage knows what a bitmap knows.
func TestCoverageAgainstBitmap(t *testing.T) {
	for seed := range uint64(2000) {
		r := rand.New(rand.NewPCG(seed, 1))
		size := 1 + r.IntN(40)
		var c coverage
		bitmap := make([]bool, size)
		for range 30 {
			from := r.IntN(size)
			to := from + 1 + r.IntN(min(size-from, 1+r.IntN(size)))
			fresh := !slices.Contains(bitmap[from:to], true)
			if c.add(from, to) != fresh {
				t.Fatalf("seed %d: add(%d, %d) = %v with %v", seed, from, to, !fresh, c.spans)
			}
			if fresh {
				for i := from; i < to; i++ {
					bitmap[i] = true
				}
			}
			if all := !slices.Contains(bitmap, false); c.complete(size) != all {
				t.Fatalf("seed %d: complete(%d) = %v with %v", seed, size, !all, c.spans)
			}
			checkSpans(t, c.spans)
		}
	}
}

func checkSpans(t *testing.T, spans []covered) {
	for i, s := range spans {
		if s.from >= s.to || i > 0 && spans[i-1].to >= s.from {
			t.Fatalf("the spans are not sorted and apart: %v", spans)
		}
	}
}
