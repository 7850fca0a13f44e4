package image

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"testing"
)

func TestFailure(t *testing.T) {
	ctx := context.Background()
	for _, f := range []Format{Raw, Zstd} {
		var m memory
		w := begin(t, f, &m)
		must(t, w.Write(ctx, []byte("what is there")))
		before := w.State()
		m.room = len(m.file) + frameOfZeros(t) + 3 // so that one frame gets in
		if err := w.Zeros(ctx, maxFrame+5); !errors.Is(err, errFull) {
			t.Errorf("%s: a full disk is %v", f, err)
		}
		if got := w.State(); got.Disk != before.Disk || got.File != before.File || !slices.Equal(got.Frames, before.Frames) {
			t.Errorf("%s: after a failure the state is %+v, was %+v", f, got, before)
		}
		m.room = 0 // there is space again, behind what State tells of
		length := len(m.file)
		for name, err := range map[string]error{"Write": w.Write(ctx, []byte("x")), "Zeros": w.Zeros(ctx, 1), "Finish": w.Finish(ctx)} {
			if !errors.Is(err, errFull) || len(m.file) != length {
				t.Errorf("%s: after a failure %s says %v, and %d bytes follow", f, name, err, len(m.file)-length)
			}
		}
		if err := w.Sync(ctx); err != nil || m.synced < int(before.File) {
			t.Errorf("%s: after a failure %d bytes are durable, %v", f, m.synced, err)
		}
	}
}

func TestSyncFails(t *testing.T) {
	w := begin(t, Raw, &memory{})
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := w.Sync(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("a Sync that fails says %v", err)
	}
	if err := w.Finish(context.Background()); !errors.Is(err, context.Canceled) {
		t.Errorf("an image that may not be durable goes on: %v", err)
	}
}

func TestFinished(t *testing.T) {
	ctx := context.Background()
	for _, f := range []Format{Raw, Zstd} {
		w := begin(t, f, &memory{})
		must(t, w.Write(ctx, []byte("abc")))
		must(t, w.Finish(ctx))
		for name, err := range map[string]error{"Write": w.Write(ctx, []byte("x")), "Zeros": w.Zeros(ctx, 1), "Finish": w.Finish(ctx)} {
			if !errors.Is(err, errFinished) {
				t.Errorf("%s: of a finished image %s says %v", f, name, err)
			}
		}
	}
}

func TestLimits(t *testing.T) {
	ctx := context.Background()
	for _, f := range []Format{Raw, Zstd} {
		var m memory
		w := begin(t, f, &m)
		if w.Write(ctx, make([]byte, MaxPiece+1)) == nil || w.Zeros(ctx, -1) == nil {
			t.Errorf("%s: lengths out of bounds are taken", f)
		}
		must(t, w.Write(ctx, nil))
		must(t, w.Zeros(ctx, 0))
		if len(m.file) != 0 || w.State().Disk != 0 {
			t.Errorf("%s: nothing is something", f)
		}
		must(t, w.Write(ctx, make([]byte, MaxPiece)))
		if m.longest > maxCompressed {
			t.Errorf("%s: %d bytes at once", f, m.longest)
		}
	}
	w, err := Resume(State{Format: Raw, Disk: 1<<63 - 10, File: 1<<63 - 10}, &memory{})
	must(t, err)
	if w.Zeros(ctx, 10) == nil {
		t.Error("a disk has more bytes than can be counted")
	}
}

func TestResumeRefuses(t *testing.T) {
	entries := appendEntry(appendEntry(nil, 20, 100), 30, MaxPiece)
	good := State{Format: Zstd, Disk: 100 + MaxPiece, File: 50, Frames: entries}
	if _, err := Resume(good, &memory{}); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*State){
		"no format":        func(s *State) { s.Format = "" },
		"another format":   func(s *State) { s.Format = "e01" },
		"raw with frames":  func(s *State) { s.Format, s.File = Raw, s.Disk },
		"another disk":     func(s *State) { s.Disk++ },
		"a finished image": func(s *State) { s.File += tableSize(*s) },
		"half an entry":    func(s *State) { s.Frames = append(s.Frames[:16:16], 1, 2, 3, 4) },
		"an empty frame":   func(s *State) { s.Frames = appendEntry(s.Frames[:16:16], 0, 0) },
		"a long frame": func(s *State) {
			s.Frames = appendEntry(s.Frames[:16:16], 9, maxFrame+1)
			s.File += 9
			s.Disk += maxFrame + 1
		},
		"raw, negative": func(s *State) { *s = State{Format: Raw, Disk: -1, File: -1} },
		"raw, another":  func(s *State) { *s = State{Format: Raw, Disk: 5, File: 6} },
	} {
		s := good
		change(&s)
		if _, err := Resume(s, &memory{}); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
}

// TestStateIsACopy goes two ways from one state.
func TestStateIsACopy(t *testing.T) {
	ctx := context.Background()
	w := begin(t, Zstd, &memory{})
	for range 5 { // with room for more frames where these are kept
		must(t, w.Write(ctx, []byte("abc")))
	}
	state := w.State()
	must(t, w.Write(ctx, []byte("one way")))
	want := slices.Clone(w.State().Frames)
	other, err := Resume(state, &memory{})
	must(t, err)
	must(t, other.Write(ctx, []byte("the other way")))
	if !slices.Equal(w.State().Frames, want) {
		t.Error("what was resumed writes into the frames of the first")
	}
}

// TestStateCostsNothing holds State to what can be asked every few seconds.
func TestStateCostsNothing(t *testing.T) {
	const frames = 100_000
	var entries []byte
	for range frames {
		entries = appendEntry(entries, 20, 100)
	}
	w, err := Resume(State{Format: Zstd, Disk: frames * 100, File: frames * 20, Frames: entries}, &memory{})
	must(t, err)
	if n := testing.AllocsPerRun(100, func() { _ = w.State() }); n != 0 {
		t.Errorf("State allocates %v times", n)
	}
}

// TestZerosAreKept has the frame that is made once used again after others.
func TestZerosAreKept(t *testing.T) {
	e, err := newEncoder()
	must(t, err)
	first, err := e.zeros(maxFrame)
	must(t, err)
	want := bytes.Clone(first)
	e.piece([]byte("abc"))
	if again, err := e.zeros(maxFrame); err != nil || !bytes.Equal(again, want) {
		t.Errorf("another frame: %v", err)
	}
}

// frameOfZeros is the length of the longest frame of zeros.
func frameOfZeros(t *testing.T) int {
	t.Helper()
	e, err := newEncoder()
	must(t, err)
	frame, err := e.zeros(maxFrame)
	must(t, err)
	return len(frame)
}
