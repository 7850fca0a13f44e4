package acquire

import (
	"testing"
	"testing/synctest"

	"nbdbridge/evidence/report"
)

// TestLyingStatus has answers that can't be believed: their bytes are read.
func TestLyingStatus(t *testing.T) {
	const mib = 1 << 20
	lies := map[string]func(told []Extent, offset, length int64) []Extent{
		"nothing":   func([]Extent, int64, int64) []Extent { return nil },
		"empty":     func(_ []Extent, o, _ int64) []Extent { return []Extent{{o, 0, Hole}} },
		"negative":  func(_ []Extent, o, n int64) []Extent { return []Extent{{o, n, Hole}, {o + n, -n, Hole}} },
		"elsewhere": func(_ []Extent, o, n int64) []Extent { return []Extent{{o + 1, n - 1, Hole}} },
		"before":    func(_ []Extent, o, n int64) []Extent { return []Extent{{o - 1, n, Hole}} },
		"too long":  func(_ []Extent, o, n int64) []Extent { return []Extent{{o, n + 1, Hole}} },
		"a byte":    func(_ []Extent, o, n int64) []Extent { return []Extent{{o, 1, Data}, {o + 1, n, Hole}} },
		"endless":   func(_ []Extent, o, _ int64) []Extent { return []Extent{{o, 1, Data}, {o + 1, 1<<63 - 1, Hole}} },
		"gap":       func(_ []Extent, o, _ int64) []Extent { return []Extent{{o, mib, Hole}, {o + mib + 1, 10, Hole}} },
		"overlap":   func(_ []Extent, o, _ int64) []Extent { return []Extent{{o, mib, Hole}, {o + mib - 1, 10, Hole}} },
		"no kind":   func(_ []Extent, o, n int64) []Extent { return []Extent{{o, n, ""}} },
	}
	for name, lie := range lies {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := &fakeDisk{data: noise(8, 3*mib), extents: []Extent{}, told: lie}
				g := newRig(t, d)
				if err := g.run(t.Context()); err != nil {
					t.Fatal(err)
				}
				g.complete(d.data)
				if want := (report.BlockStatus{Asked: true, Unknown: 3 * mib}); g.log.BlockStatus != want {
					t.Errorf("status is %+v", g.log.BlockStatus)
				}
				if len(g.log.Errors) != 1 || g.log.Errors[0].What != "block status" || g.log.Errors[0].Attempts != 3 || g.log.Errors[0].Length != 3*mib {
					t.Errorf("errors are %+v", g.log.Errors)
				}
			})
		})
	}
}

// TestStatusFails has the second of three windows fail, for good or once.
func TestStatusFails(t *testing.T) {
	const mib = 1 << 20
	for failing, want := range map[int]report.BlockStatus{
		1: {Asked: true, Hole: 3 * mib, Skipped: 3 * mib},
		3: {Asked: true, Hole: mib, Unknown: 2 * mib, Skipped: mib},
	} {
		synctest.Test(t, func(t *testing.T) {
			d := &fakeDisk{data: make([]byte, 3*mib), extents: []Extent{{0, 3 * mib, Hole}}, answer: mib}
			d.request = func(n int) error {
				if n >= 2 && n < 2+failing {
					return errBad
				}
				return nil
			}
			g := newRig(t, d)
			if err := g.run(t.Context()); err != nil {
				t.Fatal(err)
			}
			g.complete(d.data)
			if g.log.BlockStatus != want {
				t.Errorf("status is %+v, want %+v", g.log.BlockStatus, want)
			}
			if e := g.log.Errors; len(e) != 1 || e[0].What != "block status" || e[0].Attempts != failing || e[0].Offset != mib || e[0].Length != 2*mib {
				t.Errorf("errors are %+v", e)
			}
		})
	}
}

// TestStatusEnds has a server that tells something, and then that it can't.
func TestStatusEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &fakeDisk{data: make([]byte, 3<<20), extents: []Extent{{0, 3 << 20, Zero}}, answer: 1 << 20}
		d.request = func(n int) error {
			if n == 2 {
				return ErrNoStatus
			}
			return nil
		}
		g := newRig(t, d)
		if err := g.run(t.Context()); err != nil {
			t.Fatal(err)
		}
		g.complete(d.data)
		if want := (report.BlockStatus{Asked: true, Zero: 1 << 20, Unknown: 2 << 20, Skipped: 1 << 20}); g.log.BlockStatus != want || len(g.log.Errors) > 0 {
			t.Errorf("status is %+v, errors %v", g.log.BlockStatus, g.log.Errors)
		}
		if d.requests != 4 {
			t.Errorf("there were %d requests", d.requests)
		}
	})
}

// TestSilent has a server that tells nothing, and is asked once.
func TestSilent(t *testing.T) {
	d := &fakeDisk{extents: []Extent{}, request: func(int) error { return ErrNoStatus }}
	r := newReader(d, report.Settings{SkipHoles: true}, report.Source{})
	var unknown int64
	for p := range r.plan(t.Context(), report.Range{Length: 5 * firstSpan}) {
		unknown += p.status.Unknown
	}
	if unknown != 5*firstSpan || d.requests != 1 {
		t.Errorf("of %d bytes nothing is known, after %d requests", unknown, d.requests)
	}
}

// TestWindows grow, and shrink where answers are long.
func TestWindows(t *testing.T) {
	q := question{span: firstSpan}
	for range 30 {
		q.adapt(fewExtents)
	}
	if q.span != mostSpan {
		t.Errorf("the window is %d", q.span)
	}
	for range 30 {
		q.adapt(fewExtents + 1)
	}
	if q.span != leastSpan {
		t.Errorf("the window is %d", q.span)
	}
}

// FuzzStatus has a plan made of any answers: it must have all of the disk in
// order, in pieces of the right size, and skip only what was told as zeros.
func FuzzStatus(f *testing.F) {
	f.Add([]byte{0, 200, 1, 1, 100, 1, 2, 255, 1, 0, 1, 0})
	f.Add([]byte{1, 255, 9, 3, 0, 0, 1, 255, 0, 130, 7, 1})
	const size = 9<<20 + 77
	disk := make([]byte, size)
	f.Fuzz(func(t *testing.T, script []byte) {
		d := &fakeDisk{data: disk, extents: []Extent{}}
		d.told = func(_ []Extent, offset, length int64) []Extent { return scripted(&script, offset, length) }
		r := newReader(d, report.Settings{SkipHoles: true}, report.Source{Offset: 12345})
		at := int64(0)
		for p := range r.plan(t.Context(), report.Range{Offset: 0, Length: size}) {
			sum := p.status.Data + p.status.Zero + p.status.Hole + p.status.Unknown
			if p.err != nil || p.offset != at || p.length <= 0 || p.length > sizeOf(p.skip) || sum != p.length {
				t.Fatalf("at %d came %+v", at, p)
			}
			if p.skip && (p.status.Skipped != p.length || p.status.Data+p.status.Unknown > 0) || !p.skip && p.status.Skipped > 0 {
				t.Fatalf("skipped were %+v", p)
			}
			if p.skip && p.length < shortest {
				t.Fatalf("too short to skip: %+v", p)
			}
			at += p.length
		}
		if at != size {
			t.Fatalf("the plan ended at %d", at)
		}
	})
}

// scripted makes an answer of three bytes for each extent: kind, and length with
// a shift. The rest of the kind's bits are lies about where it is.
func scripted(script *[]byte, offset, length int64) []Extent {
	var told []Extent
	for at := offset; len(*script) >= 3 && at < offset+length; {
		b := *script
		*script = b[3:]
		e := Extent{at + int64(b[0]>>2&1)*int64(int8(b[0])), int64(b[1]) << (b[2] % 18), []Kind{Data, Zero, Hole, "?"}[b[0]&3]}
		if b[0]&8 == 0 {
			e.Length = min(e.Length, offset+length-at)
		}
		told = append(told, e)
		at += e.Length
		if b[0]&16 > 0 {
			break
		}
	}
	return told
}
