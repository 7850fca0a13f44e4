package search

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
)

func mustBytes(t testing.TB, s string) Needle {
	t.Helper()
	n, err := Bytes([]byte(s))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func mustText(t testing.TB, s string, e Encoding, fold bool) Needle {
	t.Helper()
	n, err := Text(s, e, fold)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestNeedles(t *testing.T) {
	for _, c := range []struct {
		text string
		e    Encoding
		fold bool
		hay  string
		want bool
	}{
		{"abc", UTF8, false, "abc", true},
		{"abc", UTF8, false, "Abc", false},
		{"aBc", UTF8, true, "AbC", true},
		{"a[c", UTF8, true, "A{C", false}, // no letters, though their bytes differ like those of one
		{"ä", UTF8, true, "Ä", false},
		{"ab", UTF16LE, false, "a\x00b\x00", true},
		{"ab", UTF16LE, true, "A\x00b\x00", true},
		{"ab", UTF16BE, true, "\x00A\x00b", true},
		{"ab", UTF16BE, false, "a\x00b\x00", false},
		{"\u6142", UTF16LE, true, "\x42\x61", true},
		{"\u6142", UTF16LE, true, "\x42\x41", false},
		{"\u6142", UTF16BE, true, "\x41\x42", false},
		{"\U0001f600", UTF16LE, false, "\x3d\xd8\x00\xde", true},
	} {
		if n := mustText(t, c.text, c.e, c.fold); n.Len() != len(c.hay) || n.matches([]byte(c.hay)) != c.want {
			t.Errorf("%q in %s, folded %v, and %q: want %v", c.text, c.e, c.fold, c.hay, c.want)
		}
	}
}

func TestNeedlesThatAreNone(t *testing.T) {
	for name, f := range map[string]func() (Needle, error){
		"empty":            func() (Needle, error) { return Bytes(nil) },
		"too long":         func() (Needle, error) { return Bytes(make([]byte, MaxNeedle+1)) },
		"empty text":       func() (Needle, error) { return Text("", UTF8, true) },
		"too long as text": func() (Needle, error) { return Text(strings.Repeat("x", MaxNeedle/2+1), UTF16LE, true) },
		"far too long":     func() (Needle, error) { return Text(strings.Repeat("x", 1<<20), UTF16LE, true) },
		"no Unicode":       func() (Needle, error) { return Text("\xff", UTF8, true) },
		"no encoding":      func() (Needle, error) { return Text("x", "utf-32", true) },
	} {
		if n, err := f(); !errors.Is(err, ErrNeedle) || n.Len() != 0 {
			t.Errorf("%s: %v, %v", name, n, err)
		}
	}
}

// naive is the definition of what is found.
func naive(disk []byte, o Options) []Hit {
	var hits []Hit
	for at := o.Offset; at < o.Offset+o.Length; at++ {
		for i, n := range o.Needles {
			end := at + int64(n.Len())
			if end > o.Offset+o.Length || !n.matches(disk[at:]) {
				continue
			}
			from, to := max(at-int64(o.Context), o.Offset), min(end+int64(o.Context), o.Offset+o.Length)
			hits = append(hits, Hit{at, n.Len(), i, disk[from:to], int(at - from)})
		}
	}
	return hits
}

// found collects, and holds contexts to be part of the right ones: at a piece's
// border they may be shorter.
func found(t testing.TB, disk []byte, o Options, readSize int64) []Hit {
	t.Helper()
	var hits []Hit
	for h, err := range search(t.Context(), bytes.NewReader(disk), o, readSize) {
		if err != nil {
			t.Fatal(err)
		}
		hits = append(hits, h)
	}
	return hits
}

func equal(a, b Hit) bool {
	return a.Offset == b.Offset && a.Length == b.Length && a.Needle == b.Needle && a.Before == b.Before && bytes.Equal(a.Bytes, b.Bytes)
}

// againstModel makes a disk, its holes and needles of a seed.
func againstModel(t *testing.T, seed uint64) {
	r := rand.New(rand.NewPCG(seed, 1))
	disk := make([]byte, r.IntN(3000))
	alphabet := 1 + r.IntN(4)
	for i := range disk {
		disk[i] = "\x00aAb\xff"[r.IntN(alphabet+1)]
	}
	holes := make([]bool, len(disk))
	for range r.IntN(4) {
		from := r.IntN(len(disk) + 1)
		for i := from; i < min(from+r.IntN(800), len(disk)); i++ {
			holes[i], disk[i] = true, 0
		}
	}
	o := Options{Context: r.IntN(20), Offset: r.Int64N(int64(len(disk)) + 1)}
	o.Length = r.Int64N(int64(len(disk)) - o.Offset + 1)
	for range 1 + r.IntN([]int{4, 40}[r.IntN(2)]) {
		o.Needles = append(o.Needles, anyNeedle(t, r, disk))
	}
	if r.IntN(2) == 0 {
		o.NextData = nextIn(holes)
	}
	compare(t, disk, holes, o, 200+r.Int64N(500))
}

func anyNeedle(t *testing.T, r *rand.Rand, disk []byte) Needle {
	if len(disk) > 0 && r.IntN(2) == 0 {
		from := r.IntN(len(disk))
		return mustBytes(t, string(disk[from:min(from+1+r.IntN(60), len(disk))]))
	}
	text := strings.Repeat([]string{"a", "ab", "\x00", "bA", "\x00a"}[r.IntN(5)], 1+r.IntN(4))
	return mustText(t, text, []Encoding{UTF8, UTF16LE, UTF16BE}[r.IntN(3)], r.IntN(2) == 0)
}

func nextIn(holes []bool) func(context.Context, int64) (int64, int64, error) {
	return func(_ context.Context, at int64) (start, end int64, err error) {
		for start = at; start < int64(len(holes)) && holes[start]; start++ {
		}
		for end = start; end < int64(len(holes)) && !holes[end]; end++ {
		}
		return start, end, nil
	}
}

func compare(t *testing.T, disk []byte, holes []bool, o Options, readSize int64) {
	t.Helper()
	var done, skipped int64
	o.Progress = func(d, s int64) {
		if d < done || s < skipped || s > d {
			t.Errorf("progress went from %d, %d to %d, %d", done, skipped, d, s)
		}
		done, skipped = d, s
	}
	got, want := found(t, disk, o, readSize), naive(disk, o)
	for _, h := range got {
		if !slices.ContainsFunc(want, func(w Hit) bool { return equal(h, w) }) {
			t.Fatalf("found %+v", h)
		}
	}
	if !slices.IsSortedFunc(got, func(a, b Hit) int { return int(a.Offset-b.Offset)*100 + a.Needle - b.Needle }) {
		t.Fatalf("not in order: %+v", got)
	}
	for _, w := range want {
		inHole := o.NextData != nil && !slices.Contains(holes[w.Offset:w.Offset+int64(w.Length)], false)
		if n := len(slices.DeleteFunc(slices.Clone(got), func(h Hit) bool { return !equal(h, w) })); n > 1 || n == 0 && !inHole {
			t.Fatalf("%+v is found %d times, in a hole: %v", w, n, inHole)
		}
	}
	if done != o.Length {
		t.Fatalf("done %d of %d", done, o.Length)
	}
}

func TestAgainstModel(t *testing.T) {
	for seed := range uint64(2000) {
		againstModel(t, seed)
	}
}

func FuzzSearch(f *testing.F) {
	for seed := range uint64(10) {
		f.Add(seed)
	}
	f.Fuzz(againstModel)
}

// With the real size of reads, at their borders.
func TestBorders(t *testing.T) {
	disk := make([]byte, 5<<20)
	needle := "a needle of some bytes"
	var want []int64
	for at := 1 << 20; at < len(disk)-64; at += 1<<20 - 11 {
		copy(disk[at:], needle)
		want = append(want, int64(at))
	}
	o := Options{Needles: []Needle{mustBytes(t, needle)}, Length: int64(len(disk)), Context: 40}
	var got []int64
	for h, err := range Search(t.Context(), bytes.NewReader(disk), o) {
		if err != nil || len(h.Bytes) != 80+len(needle) && h.Offset+int64(len(needle)+40) < o.Length {
			t.Fatalf("%+v, error %v", h, err)
		}
		got = append(got, h.Offset)
	}
	if !slices.Equal(got, want) {
		t.Errorf("found at %d, want %d", got, want)
	}
}

// A counted is a disk of zeroes that counts what is asked of it.
type counted struct {
	bytes atomic.Int64
	fail  int64 // from this offset on
}

func (c *counted) ReadAt(p []byte, off int64) (int, error) {
	c.bytes.Add(int64(len(p)))
	if off+int64(len(p)) > c.fail {
		return 0, io.ErrNoProgress
	}
	clear(p)
	return len(p), nil
}

func TestHolesAreNotRead(t *testing.T) {
	disk := &counted{fail: math.MaxInt64}
	o := Options{Needles: []Needle{mustBytes(t, "x")}, Length: 1 << 50, NextData: func(_ context.Context, at int64) (int64, int64, error) {
		if at < 1<<40 {
			return 1 << 40, 1<<40 + 4096, nil
		}
		return math.MaxInt64, math.MaxInt64, nil
	}}
	var done, skipped int64
	o.Progress = func(d, s int64) { done, skipped = d, s }
	for h, err := range Search(t.Context(), disk, o) {
		t.Fatalf("found %+v, error %v", h, err)
	}
	if n := disk.bytes.Load(); n != 4096 || done != 1<<50 || skipped != 1<<50-4096 {
		t.Errorf("read %d bytes; done %d, skipped %d", n, done, skipped)
	}
}

func TestEndsOfASearch(t *testing.T) {
	x := []Needle{mustBytes(t, "\x00")}
	cause := errors.New("enough")
	stopped, stop := context.WithCancelCause(t.Context())
	stop(cause)
	broken := func(context.Context, int64) (int64, int64, error) { return 0, 0, io.ErrNoProgress }
	backwards := func(context.Context, int64) (int64, int64, error) { return 0, 0, nil }
	for name, c := range map[string]struct {
		ctx  context.Context
		o    Options
		fail int64
		want error
		text string
	}{
		"no needle":       {t.Context(), Options{Length: 1}, 1 << 30, ErrOptions, "0 needles"},
		"an empty needle": {t.Context(), Options{Needles: []Needle{{}}, Length: 1}, 1 << 30, ErrNeedle, "empty"},
		"many needles":    {t.Context(), Options{Needles: slices.Repeat(x, 3073), Length: 1}, 1 << 30, ErrOptions, "3073 needles"},
		"below zero":      {t.Context(), Options{Needles: x, Offset: -1, Length: 1}, 1 << 30, ErrOptions, "at -1"},
		"overflow":        {t.Context(), Options{Needles: x, Offset: 2, Length: math.MaxInt64}, 1 << 30, ErrOptions, "at 2"},
		"wide context":    {t.Context(), Options{Needles: x, Length: 1, Context: MaxContext + 1}, 1 << 30, ErrOptions, "context"},
		"cancelled":       {stopped, Options{Needles: x, Length: 1 << 30}, 1 << 30, cause, ""},
		"a bad sector":    {t.Context(), Options{Needles: []Needle{mustBytes(t, "x")}, Length: 1 << 30}, 3 << 20, io.ErrNoProgress, "searching at "},
		"no block status": {t.Context(), Options{Needles: x, Length: 1, NextData: broken}, 1 << 30, io.ErrNoProgress, "for data at 0"},
		"a status loop":   {t.Context(), Options{Needles: x, Length: 1, NextData: backwards}, 1 << 30, nil, "told of 0 to 0"},
	} {
		var last error
		for _, err := range Search(c.ctx, &counted{fail: c.fail}, c.o) {
			if last = err; err == nil {
				t.Errorf("%s: a hit", name)
			}
		}
		if last == nil || c.want != nil && !errors.Is(last, c.want) || !strings.Contains(last.Error(), c.text) {
			t.Errorf("%s: %v", name, last)
		}
	}
}

// A loop that ends waits for what it began, and asks for no more than that.
func TestLeavingEarly(t *testing.T) {
	disk := &counted{fail: math.MaxInt64}
	for range Search(t.Context(), disk, Options{Needles: []Needle{mustBytes(t, "\x00")}, Length: 1 << 40}) {
		break
	}
	if n := disk.bytes.Load(); n > 5<<20 {
		t.Errorf("read %d bytes", n)
	}
}

func BenchmarkSearch(b *testing.B) {
	random, text, zeros := make([]byte, 16<<20), make([]byte, 16<<20), make([]byte, 16<<20)
	r := rand.New(rand.NewPCG(1, 2))
	for i := range random {
		random[i], text[i] = byte(r.Uint32()), "etaoin shrdlu, cmfwyp"[r.IntN(21)]
	}
	needles := map[string][]Needle{
		"1 byte":        {mustBytes(b, "\x9c")},
		"4 bytes":       {mustBytes(b, "\x1f\x8b\x08\x01")},
		"text":          {mustText(b, "password", UTF8, false)},
		"folded":        {mustText(b, "password", UTF8, true)},
		"UTF-16LE":      {mustText(b, "password", UTF16LE, true)},
		"all encodings": {mustText(b, "password", UTF8, true), mustText(b, "password", UTF16LE, true), mustText(b, "password", UTF16BE, true)},
	}
	for i := range 1000 {
		word := fmt.Sprintf("word-%x", i*7919)
		for _, e := range []Encoding{UTF8, UTF16LE, UTF16BE} {
			if needles["3000"] = append(needles["3000"], mustText(b, word, e, true)); i < 3 {
				needles["9"] = append(needles["9"], mustText(b, word, e, true))
			}
		}
	}
	for kind, disk := range map[string][]byte{"random": random, "text": text, "zeros": zeros} {
		for name, n := range needles {
			b.Run(fmt.Sprintf("%s in %s", name, kind), func(b *testing.B) {
				b.SetBytes(int64(len(disk)))
				for b.Loop() {
					for _, err := range Search(b.Context(), bytes.NewReader(disk), Options{Needles: n, Length: int64(len(disk))}) {
						if err != nil {
							b.Fatal(err)
						}
					}
				}
			})
		}
	}
}
