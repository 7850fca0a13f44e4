//go:build !js

package report

import (
	"math"
	"strings"
	"testing"
)

// TestLargestLog fits what AddError and AddZeroFilled let in into what Decode
// takes, however badly it is encoded.
func TestLargestLog(t *testing.T) {
	l := paused()
	l.Source.Size, l.Source.Length, l.ZeroFilled = math.MaxInt64, math.MaxInt64-1<<20, nil
	for range MaxErrors {
		l.AddError(Error{What: "block status", Offset: 1 << 60, Length: 1 << 60, Attempts: 1000, Lost: 1 << 60, Message: strings.Repeat("\x01", 1000)})
	}
	for i := range int64(MaxRanges) {
		must(t, l.AddZeroFilled(Range{1<<60 + i*4096, 512}))
	}
	encoded, err := l.Encode()
	must(t, err)
	if _, err := Decode(encoded); err != nil || len(encoded) > MaxSize*2/3 {
		t.Errorf("%d bytes: %v", len(encoded), err)
	}
	if text := writeText(t, l); strings.Count(text, "\n") < MaxErrors+MaxRanges {
		t.Error("the text has not all")
	}
}

// TestManyParts refuses a log of which a few bytes would take hundreds, and only
// counts what is a part.
func TestManyParts(t *testing.T) {
	many := `{"schema":"` + Schema + `","status":"paused","sessions":[{}` + strings.Repeat(",{}", maxCommas) + `]}`
	if _, err := Decode([]byte(many)); err == nil || !strings.Contains(err.Error(), "parts") {
		t.Errorf("many sessions: %v", err)
	}
	l := paused()
	l.Case.Notes = strings.Repeat(`,\",`, maxCommas)
	encoded, err := l.Encode()
	must(t, err)
	if back, err := Decode(encoded); err != nil || back.Case.Notes != l.Case.Notes {
		t.Error(err)
	}
}
