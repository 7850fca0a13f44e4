package main

import (
	"bytes"
	"fmt"
	"math"
	"os"
	"strings"
	"testing"
	"time"

	"nbdbridge/evidence/acquire"
	"nbdbridge/evidence/report"
)

func TestProgressText(t *testing.T) {
	for _, c := range []struct {
		p    acquire.Progress
		rate float64
		want string
	}{
		{acquire.Progress{}, 0, "0 B of 0 B acquired"},
		{acquire.Progress{Done: 1 << 20, Total: 4 << 20}, 0, " 25 %  1 MiB of 4 MiB acquired"},
		{acquire.Progress{Done: 1 << 20, Total: 4 << 20}, 1 << 19, " 25 %  1 MiB of 4 MiB acquired, 512 KiB/s, 6s left"},
		{acquire.Progress{Done: 4 << 20, Total: 4 << 20, Errors: 3, Lost: 4096}, 0, "100 %  4 MiB of 4 MiB acquired, 3 failed, 4 KiB lost"},
		{acquire.Progress{Total: 4, Recovering: true}, 0, "  0 %  0 B of 4 B acquired, trying again"},
		{acquire.Progress{Total: math.MaxInt64}, 1, "  0 %  0 B of 8 EiB acquired, 1 B/s, 277777h46m40s left"},
	} {
		if got := progressText("acquired", c.p, c.rate); got != c.want {
			t.Errorf("%q, want %q", got, c.want)
		}
	}
}

func TestProgressRate(t *testing.T) {
	l, start := &progressLine{}, time.Unix(0, 0)
	for _, c := range []struct {
		at   time.Duration
		done int64
		want float64
	}{{0, 1000, 0}, {time.Second, 2000, 1000}, {10 * time.Second, 11000, 1000}, {15 * time.Second, 41000, 6000}} {
		if got := l.rate(start.Add(c.at), c.done); got != c.want {
			t.Errorf("after %v: %v, want %v", c.at, got, c.want)
		}
	}
}

// Only a terminal sees the line, and what is told stands on one of its own.
func TestProgressLine(t *testing.T) {
	for _, live := range []bool{true, false} {
		errs := capture(t, &os.Stderr)
		l := newProgressLine(os.Stderr)
		if l.live {
			t.Error("a file is taken for a terminal")
		}
		l.live = live
		l.begin("acquired")
		l.show(acquire.Progress{Done: 1, Total: 2})
		l.tell("some\x1bthing")
		l.clear()
		want := "bridge: some\\x1Bthing\n"
		if live {
			want = "\r\x1b[K 50 %  1 B of 2 B acquired\r\x1b[K" + want
		}
		if got := errs(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestPrintOutcome(t *testing.T) {
	log := &report.Log{
		Source: report.Source{Length: 1 << 20}, Transferred: 1 << 19, Settings: report.Settings{Hashes: []string{"sha256", "md5"}},
		Hashes: map[string]string{"md5": "aa", "sha256": "bb"},
		Errors: make([]report.Error, 2), ErrorsOmitted: 3,
		Passes: []report.Pass{{Of: "image", Equal: true}, {Of: "export"}, {Of: "export", Failed: "no\x1b"}},
	}
	for i := range 13 {
		log.ZeroFilled = append(log.ZeroFilled, report.Range{Offset: int64(i) * 8192, Length: 512})
	}
	var got bytes.Buffer
	printOutcome(&got, log)
	want := "acquired: 1048576 bytes (1 MiB), of which 512 KiB were transferred\nsha256: bb\nmd5: aa\nimage read again: the hashes are the same\nexport read again: THE HASHES DIFFER\nexport read again: failed: no\\x1B\nerrors: in 5 stretches, see the log\nzeros in place of what could not be read: 6656 bytes in 13 ranges\n"
	for i := range 10 {
		want += fmt.Sprintf("\t512 bytes at %d\n", i*8192)
	}
	if want += "\tand 3 more\n"; got.String() != want {
		t.Errorf("%s\nwant %s", strings.TrimSpace(got.String()), want)
	}
}
