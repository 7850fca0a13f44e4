package report

import (
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestAddZeroFilled(t *testing.T) {
	for _, c := range []struct {
		name       string
		added, all []Range
	}{
		{"apart", []Range{{0, 1}, {2, 1}}, []Range{{0, 1}, {2, 1}}},
		{"touching", []Range{{0, 512}, {512, 512}}, []Range{{0, 1024}}},
		{"touching from before", []Range{{512, 512}, {0, 512}}, []Range{{0, 1024}}},
		{"before", []Range{{10, 1}, {5, 1}}, []Range{{5, 1}, {10, 1}}},
		{"between", []Range{{0, 1}, {10, 1}, {5, 1}}, []Range{{0, 1}, {5, 1}, {10, 1}}},
		{"a gap that is filled", []Range{{0, 4}, {8, 4}, {4, 4}}, []Range{{0, 12}}},
		{"over several", []Range{{1, 1}, {3, 1}, {5, 1}, {9, 1}, {0, 7}}, []Range{{0, 7}, {9, 1}}},
		{"within", []Range{{0, 100}, {5, 5}}, []Range{{0, 100}}},
		{"again", []Range{{7, 7}, {7, 7}}, []Range{{7, 7}}},
		{"up to the last byte", []Range{{math.MaxInt64 - 1, 1}, {0, math.MaxInt64 - 1}}, []Range{{0, math.MaxInt64}}},
	} {
		var l Log
		for _, r := range c.added {
			must(t, l.AddZeroFilled(r))
		}
		if !slices.Equal(l.ZeroFilled, c.all) {
			t.Errorf("%s: %v, want %v", c.name, l.ZeroFilled, c.all)
		}
	}
}

func TestNoRanges(t *testing.T) {
	var l Log
	for _, r := range []Range{{-1, 2}, {0, 0}, {0, -1}, {2, math.MaxInt64 - 1}} {
		if err := l.AddZeroFilled(r); err == nil || errors.Is(err, ErrTooMany) || len(l.ZeroFilled) != 0 {
			t.Errorf("%v: %v, %v", r, err, l.ZeroFilled)
		}
	}
}

// TestRangesAreExact compares with a map of bytes.
func TestRangesAreExact(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		var l Log
		var bytes [300]bool
		for range random.IntN(60) {
			r := Range{random.Int64N(280), random.Int64N(12) + 1}
			must(t, l.AddZeroFilled(r))
			for i := r.Offset; i < r.end(); i++ {
				bytes[i] = true
			}
		}
		var want []Range
		for i, zero := range bytes {
			switch {
			case zero && i > 0 && bytes[i-1]:
				want[len(want)-1].Length++
			case zero:
				want = append(want, Range{int64(i), 1})
			}
		}
		if !slices.Equal(l.ZeroFilled, want) {
			t.Fatalf("%v, want %v", l.ZeroFilled, want)
		}
	}
}

func TestTooManyRanges(t *testing.T) {
	var l Log
	for i := range int64(MaxRanges) {
		must(t, l.AddZeroFilled(Range{10 * i, 5}))
	}
	if err := l.AddZeroFilled(Range{10 * MaxRanges, 5}); !errors.Is(err, ErrTooMany) || len(l.ZeroFilled) != MaxRanges {
		t.Errorf("%d ranges, %v", len(l.ZeroFilled), err)
	}
	must(t, l.AddZeroFilled(Range{5, 5})) // joins the first two
	must(t, l.AddZeroFilled(Range{10 * MaxRanges, 5}))
	if l.ZeroFilled[0] != (Range{0, 15}) || len(l.ZeroFilled) != MaxRanges || l.lost() != 5*MaxRanges+10 {
		t.Errorf("%d ranges, the first %v, of %d bytes", len(l.ZeroFilled), l.ZeroFilled[0], l.lost())
	}
}

func TestAddError(t *testing.T) {
	var l Log
	for range MaxErrors + 3 {
		l.AddError(Error{Message: "EIO"})
	}
	if len(l.Errors) != MaxErrors || l.ErrorsOmitted != 3 {
		t.Errorf("%d errors and %d omitted", len(l.Errors), l.ErrorsOmitted)
	}
}

func TestLongMessages(t *testing.T) {
	for _, character := range []string{"x", "é", "€", "🙂", "\x80"} {
		for shift := range 4 {
			var l Log
			l.AddError(Error{Message: strings.Repeat("_", shift) + strings.Repeat(character, 1000)})
			got := l.Errors[0].Message
			if len(got) > maxMessage+len("…") || len(got) < maxMessage-utf8.UTFMax || !strings.HasSuffix(got, "…") {
				t.Errorf("%d of %q: %d bytes", shift, character, len(got))
			}
			if character != "\x80" && !utf8.ValidString(got) {
				t.Errorf("%d of %q: a character is cut", shift, character)
			}
		}
	}
	if got := shortened(strings.Repeat("x", maxMessage)); len(got) != maxMessage {
		t.Errorf("a message that fits has %d bytes", len(got))
	}
}
