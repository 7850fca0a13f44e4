package acquire

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"nbdbridge/evidence/image"
	"nbdbridge/evidence/report"
)

// patchy is a disk of a bit more than 4 MiB with zeros, short and long, that the
// cuts and the answers of Status go through, and with sectors that are bad.
func patchy() *fakeDisk {
	d := &fakeDisk{data: noise(7, 4<<20+700), answer: 700_000}
	var at int64
	for i := 0; at < d.Size(); i++ {
		kind := []Kind{Data, Hole, Data, Zero, Hole, Data, Zero}[i%7]
		length := min([]int64{200_000, 40_000, 1_300_000, 50_000, 60_000, 5_000, 400_000}[i%7], d.Size()-at)
		if kind != Data {
			clear(d.data[at : at+length])
		}
		d.extents = append(d.extents, Extent{at, length, kind})
		at += length
	}
	d.failing = func(offset, length int64) error {
		for _, bad := range []int64{100_000, 1_000_000, 2_900_000, 2_920_000} {
			if bad >= offset && bad < offset+length {
				return errBad
			}
		}
		return nil
	}
	return d
}

// slow is a rig that makes a state after each piece.
func slow(g *rig) *rig {
	g.settings.Smallest = 16 << 10
	g.file.write = func(context.Context) error { time.Sleep(checkpointEvery); return nil }
	return g
}

// unbroken is a rig that has acquired a disk at once, and the disk as it can be
// read.
func unbroken(t *testing.T, d *fakeDisk) (*rig, []byte) {
	t.Helper()
	g := slow(newRig(t, d))
	if err := g.run(t.Context()); err != nil {
		t.Fatal(err)
	}
	want := slices.Clone(d.data)
	for _, r := range g.log.ZeroFilled {
		clear(want[r.Offset : r.Offset+r.Length])
	}
	g.complete(want)
	return g, want
}

func TestKilledAtEveryCheckpoint(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		whole, want := unbroken(t, patchy())
		if len(whole.states) < 8 {
			t.Fatalf("there were %d states", len(whole.states))
		}
		if len(whole.log.ZeroFilled) != 3 {
			t.Fatalf("ranges are %v", whole.log.ZeroFilled)
		}
		for i := range whole.states[:len(whole.states)-1] {
			g := slow(newRig(t, patchy()))
			g.states = slices.Clone(whole.states[:i+1])
			g.file.bytes = append(slices.Clone(whole.file.bytes[:g.last().Image.File]), "what was written after the state"...)
			if err := g.run(t.Context()); err != nil {
				t.Fatal(err)
			}
			g.complete(want)
			if got, want := g.lasting(), whole.lasting(); got != want {
				t.Errorf("after state %d the log is\n%s\nwant\n%s", i, got, want)
			}
			killed := g.log.Sessions[0]
			if len(g.log.Sessions) != 2 || !killed.End.IsZero() || killed.Ended != "" || g.log.Sessions[1].From != killed.To {
				t.Errorf("sessions are %+v", g.log.Sessions)
			}
		}
	})
}

func TestEndedAtEveryRequest(t *testing.T) {
	why := errors.New("the tab was closed")
	ends := map[string]struct {
		act   func(cancel context.CancelCauseFunc) error
		wants error
	}{
		"cancelled":    {func(cancel context.CancelCauseFunc) error { cancel(why); return nil }, why},
		"disconnected": {func(context.CancelCauseFunc) error { return errGone }, ErrSource},
	}
	for name, end := range ends {
		for format, step := range map[image.Format]int{image.Raw: 1, image.Zstd: 5} {
			if runtime.GOOS == "js" {
				step *= 5 // it is as slow
			}
			t.Run(name+" "+string(format), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					whole, want := unbroken(t, patchy())
					requests := whole.disk.(*fakeDisk).requests
					if requests < 60 {
						t.Fatalf("there were %d requests", requests)
					}
					for n := 1; n <= requests; n += step {
						endAndGoOn(t, format, n, end.act, end.wants, want, whole.lasting())
					}
				})
			})
		}
	}
}

func endAndGoOn(t *testing.T, format image.Format, n int, act func(context.CancelCauseFunc) error, why error, want []byte, lasting string) {
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	d := patchy()
	d.request = func(i int) error {
		if i == n {
			return act(cancel)
		}
		return nil
	}
	g := newRig(t, d)
	g.settings.Smallest, g.format = 16<<10, format
	if err := g.run(ctx); !errors.Is(err, why) {
		t.Fatalf("request %d: %v", n, err)
	}
	s := g.last()
	first := s.Log.Sessions[0]
	if s.Log.Status != report.Paused || first.End.IsZero() || first.To != s.Offset || !strings.Contains(first.Ended, why.Error()) {
		t.Fatalf("request %d: at %d the log is %s, with the session %+v", n, s.Offset, s.Log.Status, first)
	}
	if err := g.run(t.Context()); err != nil {
		t.Fatal(err)
	}
	g.complete(want)
	if format == image.Raw && g.lasting() != lasting {
		t.Errorf("request %d: the log is\n%s\nwant\n%s", n, g.lasting(), lasting)
	}
	if len(g.log.Sessions) != 2 || g.log.Sessions[1].From != s.Offset || g.log.Sessions[1].Ended != "complete" {
		t.Errorf("request %d: sessions are %+v", n, g.log.Sessions)
	}
}

// TestPausedOften makes one step in each session.
func TestPausedOften(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		whole, want := unbroken(t, patchy())
		g := slow(newRig(t, patchy()))
		var sessions int
		for sessions = 1; ; sessions++ {
			ctx, cancel := context.WithCancel(t.Context())
			g.checkpoint = func(context.Context, *State) error { cancel(); return nil }
			err := g.run(ctx)
			cancel()
			if err == nil {
				break
			}
		}
		g.complete(want)
		if got, want := g.lasting(), whole.lasting(); got != want {
			t.Errorf("the log is\n%s\nwant\n%s", got, want)
		}
		if sessions < 8 || len(g.log.Sessions) != sessions {
			t.Errorf("%d sessions, of which the log has %d", sessions, len(g.log.Sessions))
		}
	})
}

func TestSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, _ := unbroken(t, patchy())
		s := g.log.Sessions[0]
		if s.From != 0 || s.To != g.disk.Size() || s.Ended != "complete" || s.Connection.Protocol != "TLS 1.3" || len(s.Outages) != 1 {
			t.Errorf("the session is %+v", s)
		}
		if !g.log.Start.Equal(s.Start) || !g.log.End.Equal(s.End) || s.Start.Location() != time.UTC || !s.End.After(s.Start) {
			t.Errorf("times are %v, %v; %v, %v", g.log.Start, g.log.End, s.Start, s.End)
		}
	})
}

func TestOfAnotherState(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, patchy())
		cases := map[string]func(s *State, log *report.Log){
			"complete": func(_ *State, log *report.Log) { log.Status = report.Complete },
			"longer":   func(_ *State, log *report.Log) { log.Source.Length++ },
			"behind":   func(s *State, _ *report.Log) { s.Offset = -1 },
			"beyond":   func(s *State, log *report.Log) { s.Offset, log.BlockStatus.Data = 5<<20, 5<<20 },
			"log":      func(s *State, log *report.Log) { log.BlockStatus.Hole = 1 },
			"damaged":  func(_ *State, log *report.Log) { log.Sessions = []report.Session{{From: 1}} },
			"image":    func(s *State, log *report.Log) { s.Offset, log.BlockStatus.Zero = 1, 1 },
		}
		for name, change := range cases {
			s := g.last()
			change(s, s.Log)
			before := *s.Log
			w, err := image.NewWriter(image.Raw, g.file)
			if err != nil {
				t.Fatal(err)
			}
			if err := Run(t.Context(), Job{Source: g.disk, Log: s.Log, Image: w}, s.Offset); err == nil {
				t.Errorf("%s: no error", name)
			} else if len(s.Log.Sessions) != len(before.Sessions) {
				t.Errorf("%s: a session has begun", name)
			}
		}
	})
}

func TestShortened(t *testing.T) {
	for said, want := range map[string]string{
		"short":                               "short",
		strings.Repeat("x", maxEnded):         strings.Repeat("x", maxEnded),
		"x" + strings.Repeat("ü", maxEnded/2): "x" + strings.Repeat("ü", maxEnded/2-1) + "…",
	} {
		if got := shortened(errors.New(said)); got != want {
			t.Errorf("%q became %q", said, got)
		}
	}
}
