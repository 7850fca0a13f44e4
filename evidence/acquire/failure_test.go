package acquire

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"nbdbridge/evidence/report"
)

var errFull = errors.New("no space left on device")

// A badDigest fails at a call of one of its methods.
type badDigest struct{ method string }

func (d badDigest) Name() string { return "bad" }

func (d badDigest) at(method string) error {
	if d.method == method {
		return errFull
	}
	return nil
}

func (d badDigest) Write(context.Context, []byte) error         { return d.at("write") }
func (d badDigest) Zeros(context.Context, int64) error          { return d.at("zeros") }
func (d badDigest) State(ctx context.Context) ([]byte, error)   { return nil, d.at("state") }
func (d badDigest) Sum(context.Context) (sum []byte, err error) { return nil, d.at("sum") }

// TestFails fails what is beside the disk in its middle: the last good state
// stays, and is good.
func TestFails(t *testing.T) {
	fourth := func(takes time.Duration) func() error {
		n := 0
		return func() error {
			time.Sleep(takes)
			if n++; n > 3 {
				return errFull
			}
			return nil
		}
	}
	cases := map[string]struct {
		fail func(g *rig)
		want error
	}{
		"image": {func(g *rig) {
			next := fourth(checkpointEvery)
			g.file.write = func(context.Context) error { return next() }
		}, ErrImage},
		"digest, data":  {func(g *rig) { g.digests = []Digest{badDigest{"write"}} }, ErrDigest},
		"digest, zeros": {func(g *rig) { g.digests = []Digest{badDigest{"zeros"}} }, ErrDigest},
		"digest, state": {func(g *rig) { g.digests = []Digest{badDigest{"state"}} }, ErrDigest},
		"digest, sum":   {func(g *rig) { g.digests = []Digest{badDigest{"sum"}} }, ErrDigest},
		"checkpoint": {func(g *rig) {
			next := fourth(0)
			g.checkpoint = func(context.Context, *State) error { return next() }
		}, ErrCheckpoint},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				whole, want := unbroken(t, patchy())
				g := slow(newRig(t, patchy()))
				c.fail(g)
				err := g.run(t.Context())
				if !errors.Is(err, c.want) || !errors.Is(err, errFull) {
					t.Fatalf("it ended with %v", err)
				}
				s := g.log.Sessions[0]
				if g.log.Status != report.Paused || s.End.IsZero() || !strings.Contains(s.Ended, errFull.Error()) || len(g.log.Hashes) != 0 {
					t.Errorf("the log is %s, with %+v, %v", g.log.Status, s, g.log.Hashes)
				}
				if b := g.log.BlockStatus; b.Data+b.Zero+b.Hole+b.Unknown != s.To {
					t.Errorf("the log tells of %+v, and the session is %+v", b, s)
				}
				if name == "image" && (len(g.states) != 3 || g.last().Offset != s.To) {
					t.Errorf("there are %d states, the last at %d", len(g.states), g.last().Offset)
				}
				for _, state := range g.states {
					if strings.Contains(state, `"paused"`) {
						t.Error("a state was kept of what has failed")
					}
				}
				g.file.write, g.digests, g.checkpoint = nil, nil, nil
				if err := g.run(t.Context()); err != nil {
					t.Fatal(err)
				}
				g.complete(want)
				if got, want := g.lasting(), whole.lasting(); got != want {
					t.Errorf("the log is\n%s\nwant\n%s", got, want)
				}
			})
		})
	}
}

// TestLastCheckpointFails tells both errors.
func TestLastCheckpointFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, &fakeDisk{data: noise(1, 3<<20), failing: func(int64, int64) error { return errGone }})
		g.checkpoint = func(context.Context, *State) error { return errFull }
		if err := g.run(t.Context()); !errors.Is(err, ErrSource) || !errors.Is(err, errGone) || !errors.Is(err, ErrCheckpoint) {
			t.Errorf("it ended with %v", err)
		}
	})
}

// TestCheckpointOfTheEndFails has no log that says that all is complete.
func TestCheckpointOfTheEndFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, &fakeDisk{data: noise(1, 3<<20)})
		g.checkpoint = func(context.Context, *State) error { return errFull }
		err := g.run(t.Context())
		if s := g.log.Sessions[0]; !errors.Is(err, ErrCheckpoint) || g.log.Status != report.Paused || !strings.Contains(s.Ended, errFull.Error()) || len(g.log.Hashes) != 0 || !g.log.End.IsZero() || g.log.Image.Size != 0 {
			t.Errorf("it ended with %v, and the log is %+v", err, g.log)
		}
	})
}

// TestTooManyRanges has room for one range more, or for none.
func TestTooManyRanges(t *testing.T) {
	const from = 1 << 20
	for full, ok := range map[int]bool{report.MaxRanges - 1: true, report.MaxRanges: false} {
		synctest.Test(t, func(t *testing.T) {
			d := &fakeDisk{data: noise(2, 2<<20)}
			d.failing = func(offset, length int64) error {
				if offset <= from+5000 && offset+length > from+5000 {
					return errBad
				}
				return nil
			}
			log := &report.Log{Source: report.Source{Length: d.Size()}, Settings: report.Settings{Smallest: 512}}
			log.BlockStatus.Unknown = from
			for i := range full {
				log.ZeroFilled = append(log.ZeroFilled, report.Range{Offset: int64(2 * i), Length: 1})
			}
			var last State
			err := Run(t.Context(), Job{Source: d, Log: log, Checkpoint: func(_ context.Context, s *State) error { last = *s; return nil }}, from)
			if ok && (err != nil || len(log.ZeroFilled) != report.MaxRanges) {
				t.Errorf("%d ranges and one: %v, with %d", full, err, len(log.ZeroFilled))
			}
			if !ok && (!errors.Is(err, report.ErrTooMany) || last.Offset != from || len(log.ZeroFilled) != full || len(log.Errors) > 0 || log.Status != report.Paused) {
				t.Errorf("%d ranges and one: %v, at %d, with %d ranges and %d errors", full, err, last.Offset, len(log.ZeroFilled), len(log.Errors))
			}
		})
	}
}

// TestJoinsLastRange needs no room where it joins the range before.
func TestJoinsLastRange(t *testing.T) {
	a := &acquisition{Job: Job{Log: &report.Log{ZeroFilled: make([]report.Range, report.MaxRanges)}}}
	a.Log.ZeroFilled[report.MaxRanges-1] = report.Range{Offset: 1000, Length: 24}
	if err := a.fits([]report.Range{{Offset: 1024, Length: 512}}); err != nil {
		t.Error(err)
	}
	if err := a.fits([]report.Range{{Offset: 1025, Length: 512}}); !errors.Is(err, report.ErrTooMany) {
		t.Error(err)
	}
	if err := a.fits(nil); err != nil {
		t.Error(err)
	}
}

// TestCancelledWhileWriting has a piece that is under way done, if that takes no
// longer than the grace.
func TestCancelledWhileWriting(t *testing.T) {
	for name, c := range map[string]struct {
		takes time.Duration
		want  int64 // of the last state
	}{
		"soon": {grace - time.Second, 2 << 20},
		"late": {grace + time.Second, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				g := newRig(t, &fakeDisk{data: noise(3, 4<<20)})
				g.file.write = func(work context.Context) error {
					if len(g.file.bytes) == 0 {
						return nil
					}
					cancel()
					select {
					case <-time.After(c.takes):
						return nil
					case <-work.Done():
						return context.Cause(work)
					}
				}
				begun := time.Now()
				err := g.run(ctx)
				if !errors.Is(err, context.Canceled) || errors.Is(err, ErrImage) != (c.want == 0) {
					t.Errorf("it ended with %v", err)
				}
				if took := time.Since(begun); took != min(c.takes, grace) {
					t.Errorf("it ended after %v", took)
				}
				if g.last().Offset != c.want {
					t.Errorf("the last state is at %d", g.last().Offset)
				}
			})
		})
	}
}

// TestCancelledAtTheEnd is complete, since all was read.
func TestCancelledAtTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		d := &fakeDisk{data: noise(3, 3<<20)}
		g := newRig(t, d)
		g.file.write = func(context.Context) error {
			if len(g.file.bytes) == 2<<20 {
				cancel()
			}
			return nil
		}
		if err := g.run(ctx); err != nil || ctx.Err() == nil {
			t.Errorf("it ended with %v", err)
		}
		g.complete(d.data)
	})
}

// TestCancelledWhileWaiting does not wait for the retry.
func TestCancelledWhileWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, d := range []*fakeDisk{
			{data: noise(3, 3<<20), failing: func(int64, int64) error { return errBad }},
			{data: noise(3, 3<<20), extents: []Extent{}}, // tells nothing
		} {
			ctx, cancel := context.WithTimeout(t.Context(), firstWait/2)
			begun := time.Now()
			if err := newRig(t, d).run(ctx); err != context.DeadlineExceeded || time.Since(begun) != firstWait/2 {
				t.Errorf("it ended after %v with %v", time.Since(begun), err)
			}
			cancel()
		}
	})
}

// TestOwnsItsReads returns when the last of them has.
func TestOwnsItsReads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &fakeDisk{data: noise(3, 9<<20)}
		d.failing = func(offset, _ int64) error {
			if offset == 0 {
				time.Sleep(time.Second)
				return errGone
			}
			time.Sleep(time.Minute)
			return nil
		}
		if err := newRig(t, d).run(t.Context()); !errors.Is(err, errGone) || d.now > 0 {
			t.Errorf("%d reads go on after %v", d.now, err)
		}
	})
}

// TestCheckpointHangs is ended after the grace.
func TestCheckpointHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		g := newRig(t, &fakeDisk{data: noise(3, 4<<20), request: func(int) error { cancel(); return nil }})
		g.checkpoint = func(ctx context.Context, _ *State) error { <-ctx.Done(); return ctx.Err() }
		begun := time.Now()
		if err := g.run(ctx); !errors.Is(err, ErrCheckpoint) || !errors.Is(err, context.Canceled) {
			t.Errorf("it ended with %v", err)
		}
		if took := time.Since(begun); took != grace {
			t.Errorf("it ended after %v", took)
		}
	})
}

// TestCheckpointsShare holds the time of states to a 20th where they are slow.
func TestCheckpointsShare(t *testing.T) {
	for _, takes := range []time.Duration{0, time.Second} {
		t.Run(fmt.Sprint(takes), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var times []time.Duration
				begun := time.Now()
				g := newRig(t, &fakeDisk{data: make([]byte, 100<<20)})
				g.hashes = nil
				g.file.write = func(context.Context) error { time.Sleep(time.Second); return nil }
				g.checkpoint = func(context.Context, *State) error {
					times = append(times, time.Since(begun))
					time.Sleep(takes)
					return nil
				}
				if err := g.run(t.Context()); err != nil {
					t.Fatal(err)
				}
				if takes == 0 && len(times) != 21 || times[0] != checkpointEvery {
					t.Errorf("there were states after %v", times)
				}
				for i := range times[:len(times)-2] { // the last is that of the end
					if every, least := times[i+1]-times[i], max(checkpointEvery, 20*takes); every < least || every > least+time.Second {
						t.Errorf("there were states after %v", times)
						break
					}
				}
			})
		})
	}
}

// TestNoMoreThanItNeeds reads again what failed, and no more.
func TestNoMoreThanItNeeds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &fakeDisk{data: noise(4, 2<<20), failing: func(int64, int64) error { return errBad }}
		g := newRig(t, d)
		begun := time.Now()
		if err := g.run(t.Context()); err != nil {
			t.Fatal(err)
		}
		if want := 2 * (3 + 16 + 256*3); d.requests != want {
			t.Errorf("a dead disk of two pieces took %d requests, want %d", d.requests, want)
		}
		if took := time.Since(begun); took > time.Second {
			t.Errorf("it waited for %v", took)
		}
		lost := []report.Range{{Offset: 0, Length: 2 << 20}}
		if !slices.Equal(g.log.ZeroFilled, lost) || g.log.Transferred != 0 || len(g.log.Errors) != 2 {
			t.Errorf("ranges are %v, %d bytes were transferred, errors are %v", g.log.ZeroFilled, g.log.Transferred, g.log.Errors)
		}
	})
}
