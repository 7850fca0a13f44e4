package acquire

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"nbdbridge/evidence/image"
	"nbdbridge/evidence/report"
)

// TestReadsAhead has 8 pieces under way, and no more, while the image is slow.
func TestReadsAhead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &fakeDisk{data: noise(5, 30<<20), latency: time.Second}
		g := newRig(t, d)
		g.hashes = nil
		begun := time.Now()
		if err := g.run(t.Context()); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(begun); took != 4*time.Second {
			t.Errorf("30 reads of a second took %v", took)
		}
		if d.top != 8 {
			t.Errorf("%d reads were under way", d.top)
		}
		g.file.write = func(context.Context) error {
			synctest.Wait()
			if n := int64(d.requests)<<20 - int64(len(g.file.bytes)); n > 8<<20 {
				t.Errorf("%d bytes were ahead of the image", n)
			}
			return nil
		}
		d.requests, d.latency, g.states = 0, 0, nil
		if err := g.run(t.Context()); err != nil {
			t.Fatal(err)
		}
	})
}

// A slowDigest takes its time for each piece.
type slowDigest struct {
	badDigest
	takes time.Duration
}

func (d slowDigest) Write(context.Context, []byte) error { time.Sleep(d.takes); return nil }

// TestAsFastAsTheSlowest has reads, hashes and the image at the same time.
func TestAsFastAsTheSlowest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, &fakeDisk{data: noise(5, 20<<20), latency: 50 * time.Millisecond})
		g.hashes, g.digests = nil, []Digest{slowDigest{takes: 10 * time.Millisecond}, slowDigest{takes: 20 * time.Millisecond}}
		g.file.write = func(context.Context) error { time.Sleep(15 * time.Millisecond); return nil }
		begun := time.Now()
		if err := g.run(t.Context()); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(begun); took != 50*time.Millisecond+20*20*time.Millisecond {
			t.Errorf("it took %v", took)
		}
	})
}

// TestInOrder has reads end in the wrong order.
func TestInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &fakeDisk{data: noise(6, 8<<20)}
		d.failing = func(offset, _ int64) error {
			time.Sleep(time.Duration(8-offset>>20) * time.Second)
			return nil
		}
		g := newRig(t, d)
		if err := g.run(t.Context()); err != nil {
			t.Fatal(err)
		}
		g.complete(d.data)
	})
}

// TestProgress looks at what is told.
func TestProgress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var told []Progress
		var last time.Time
		begun := time.Now()
		d := patchy()
		d.latency = 30 * time.Millisecond
		g := newRig(t, d)
		g.progress = func(p Progress) {
			if n := len(told); n > 0 && time.Since(last) < tellEvery && p.Done < p.Total {
				t.Errorf("it was told %v after the last time", time.Since(last))
			} else if n > 0 && (p.Done < told[n-1].Done || p.Errors < told[n-1].Errors) {
				t.Errorf("%+v came after %+v", p, told[n-1])
			}
			told, last = append(told, p), time.Now()
		}
		if err := g.run(t.Context()); err != nil {
			t.Fatal(err)
		}
		if time.Since(begun) < time.Second {
			t.Fatal("there was nothing to see")
		}
		size, attempts := d.Size(), 0
		for _, e := range g.log.Errors {
			attempts += e.Attempts
		}
		if want := (Progress{Done: size, Total: size, Skipped: g.log.BlockStatus.Skipped, Lost: 4 * 4096, Errors: int64(attempts)}); told[len(told)-1] != want {
			t.Errorf("the last was %+v, want %+v", told[len(told)-1], want)
		}
		if told[0] != (Progress{Total: size}) {
			t.Errorf("the first was %+v", told[0])
		}
		if !slices.ContainsFunc(told, func(p Progress) bool { return p.Recovering && p.Errors > 0 }) {
			t.Errorf("nobody was told of the recovery: %+v", told)
		}
	})
}

// TestSmallest is what is read at least.
func TestSmallest(t *testing.T) {
	for _, c := range []struct{ chosen, block, want int64 }{
		{0, 0, 512}, {-1, -1, 512}, {1, 1, 512}, {513, 1, 1024}, {4096, 1, 4096}, {512, 4096, 4096},
		{5000, 4096, 8192}, {1 << 20, 1, 1 << 20}, {1<<20 + 1, 1, 1 << 20}, {1 << 62, 1<<63 - 1, 1 << 20},
	} {
		r := newReader(nil, report.Settings{Smallest: c.chosen}, report.Source{MinimumSize: c.block})
		log := &report.Log{Settings: report.Settings{Smallest: c.chosen}, Source: report.Source{MinimumSize: c.block}}
		if err := Run(t.Context(), Job{Source: new(fakeDisk), Log: log}, 0); err != nil || log.Settings.Smallest != c.want {
			t.Errorf("of %d, with blocks of %d: the log has %d, %v", c.chosen, c.block, log.Settings.Smallest, err)
		}
		if r.smallest != c.want {
			t.Errorf("of %d, with blocks of %d: %d, want %d", c.chosen, c.block, r.smallest, c.want)
		}
	}
}

// TestWaits grow up to a second.
func TestWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for retry, want := range map[int]time.Duration{0: 100 * time.Millisecond, 1: 200 * time.Millisecond, 3: 800 * time.Millisecond, 4: time.Second, 1 << 40: time.Second} {
			begun := time.Now()
			if err := wait(t.Context(), retry); err != nil || time.Since(begun) != want {
				t.Errorf("before retry %d: %v, %v", retry, time.Since(begun), err)
			}
		}
	})
}

// TestShortHole reads zeros that are not worth going around: what counts is the
// length of all on end.
func TestShortHole(t *testing.T) {
	const size = 1 << 20
	for _, c := range []struct{ hole, zero, skipped int64 }{
		{65536, 0, 65536}, {65535, 0, 0}, {0, 65536, 65536}, {30000, 35536, 65536}, {30000, 35535, 0},
	} {
		d := &fakeDisk{extents: []Extent{{0, 5000, Data}, {5000, c.hole, Hole}, {5000 + c.hole, c.zero, Zero}, {5000 + c.hole + c.zero, size - 5000 - c.hole - c.zero, Data}}}
		r := newReader(d, report.Settings{SkipHoles: true}, report.Source{})
		var skipped int64
		for p := range r.plan(t.Context(), report.Range{Offset: 0, Length: size}) {
			skipped += p.status.Skipped
		}
		if skipped != c.skipped {
			t.Errorf("of a hole of %d and zeros of %d bytes, %d were skipped", c.hole, c.zero, skipped)
		}
	}
}

// TestLongHole goes around zeros with few pieces, whose cuts are where the
// export's are.
func TestLongHole(t *testing.T) {
	const size = 3*longest + 5000
	d := &fakeDisk{data: make([]byte, size), extents: []Extent{{0, 5000, Data}, {5000, size - 6000, Hole}, {size - 1000, 1000, Data}}}
	r := newReader(d, report.Settings{SkipHoles: true}, report.Source{Offset: 1 << 20})
	var got []Extent
	for p := range r.plan(t.Context(), report.Range{Offset: 0, Length: size}) {
		kind := Data
		if p.skip {
			kind = Hole
		}
		got = append(got, Extent{p.offset, p.length, kind})
	}
	const cut = longest - 1<<20
	want := []Extent{{0, 5000, Data}, {5000, cut - 5000, Hole}, {cut, longest, Hole}, {cut + longest, longest, Hole}, {cut + 2*longest, 1<<20 + 4000, Hole}, {size - 1000, 1000, Data}}
	if !slices.Equal(got, want) {
		t.Errorf("pieces are %v, want %v", got, want)
	}
}

// TestPlanFromAnywhere begins plans where pieces of a whole one do: the rest is
// the same, or what was skipped before could be read after a pause.
func TestPlanFromAnywhere(t *testing.T) {
	for seed := range uint64(30) {
		r := rand.New(rand.NewPCG(seed, 11))
		const size = 300<<20 + 123
		d, base := new(fakeDisk), r.Int64N(1<<30)
		for at := int64(0); at < size; {
			length := min(1+r.Int64N(1<<[]int{12, 17, 20, 27}[r.IntN(4)]), size-at)
			if r.IntN(3) == 0 {
				length = min(longest-(base+at)%longest+r.Int64N(shortest), size-at) // a bit beyond a cut
			}
			d.extents = append(d.extents, Extent{at, length, []Kind{Data, Zero, Hole}[r.IntN(3)]})
			at += length
		}
		d.answer = 1 + r.Int64N(100<<20)>>(3*r.IntN(3))
		reader := newReader(d, report.Settings{SkipHoles: true}, report.Source{Offset: base})
		from := func(at int64) []string {
			var pieces []string
			for p := range reader.plan(t.Context(), report.Range{Offset: at, Length: size - at}) {
				if p.err != nil {
					break
				}
				pieces = append(pieces, fmt.Sprintf("%d %d %t %+v", p.offset, p.length, p.skip, p.status))
			}
			return pieces
		}
		whole := from(0)
		for last := range min(d.requests, 50) {
			d.requests = 0
			d.request = func(n int) error {
				if n > last {
					return errGone
				}
				return nil
			}
			if some := from(0); len(some) >= len(whole) || !slices.Equal(some, whole[:len(some)]) {
				t.Fatalf("seed %d: the plan changes where the disk is gone", seed)
			}
		}
		d.request = nil
		for i := range whole {
			if i%7 != 0 && len(whole)-i > 20 {
				continue // there are many
			}
			var at int64
			_, _ = fmt.Sscan(whole[i], &at)
			if rest := from(at); !slices.Equal(rest, whole[i:]) {
				t.Fatalf("seed %d: from %d the plan has %d pieces, and %d are left of the whole", seed, at, len(rest), len(whole)-i)
			}
		}
	}
}

// TestGoneWithinHole has the disk go when it has told of the beginning of a hole,
// too short so far to be skipped, that a cut goes through: nothing comes of it.
func TestGoneWithinHole(t *testing.T) {
	const cut = image.MaxPiece
	d := &fakeDisk{extents: []Extent{{0, cut - 1000, Data}, {cut - 1000, 200_000, Hole}}, answer: cut + 1000}
	d.request = func(n int) error {
		if n == 2 {
			return errGone
		}
		return nil
	}
	r := newReader(d, report.Settings{SkipHoles: true}, report.Source{})
	for p := range r.plan(t.Context(), report.Range{Length: cut + 199_000}) {
		if p.err == nil {
			t.Errorf("%d bytes were to be read", p.length)
		}
	}
}

// TestEmpty acquires nothing, to the end.
func TestEmpty(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, format := range []image.Format{image.Raw, image.Zstd} {
			g := newRig(t, &fakeDisk{extents: []Extent{}})
			g.format = format
			if err := g.run(t.Context()); err != nil {
				t.Fatal(err)
			}
			g.complete(nil)
		}
	})
}
