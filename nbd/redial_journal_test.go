package nbd

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"testing"
	"time"
)

var errGone = errors.New("gone")

// A ledger is what a journal must hold, byte by byte.
type ledger [2000]keptByte

type keptByte struct {
	seq   uint64 // 0: nothing
	value byte
	doubt *change
	cross bool
}

var blank keptByte

// check compares a journal with it, and holds it to its own rules.
func (g *ledger) check(t *testing.T, j *journal) {
	t.Helper()
	var at, weight int64
	var got ledger
	for _, e := range j.entries {
		if e.lo < at || e.hi <= e.lo || e.data != nil && int64(len(e.data)) != e.hi-e.lo || cap(e.data) > 2*len(e.data)+64 {
			t.Fatalf("entry %d to %d, data of %d bytes in %d, after %d", e.lo, e.hi, len(e.data), cap(e.data), at)
		}
		at, weight = e.hi, weight+e.weight()
		for i := e.lo; i < e.hi; i++ {
			got[i].seq, got[i].cross = e.seq, e.crossed
			if e.doubt {
				got[i].doubt = e.owner
			} else if e.data != nil {
				got[i].value = e.data[i-e.lo]
			}
		}
	}
	if weight != j.kept {
		t.Fatalf("a weight of %d is counted as %d", weight, j.kept)
	}
	for i := range g {
		want := g[i]
		if want.doubt != nil {
			want.value = 0
		}
		if got[i] != want {
			t.Fatalf("byte %d is %+v, want %+v", i, got[i], want)
		}
	}
}

// Random writes, flushes and losses, against a map of bytes.
func TestJournalModel(t *testing.T) {
	for range 300 {
		seed := rand.Uint64()
		rnd := rand.New(rand.NewPCG(seed, 0))
		j, g := &journal{limit: 1 << 20}, &ledger{}
		for step := range 60 {
			lo := rnd.Int64N(int64(len(g)))
			hi := min(lo+1+rnd.Int64N(300), int64(len(g)))
			w := &change{lo: lo, hi: hi, data: bytes.Repeat([]byte{byte(step + 1)}, int(hi-lo))}
			switch rnd.IntN(8) {
			case 0:
				seq := j.seq - min(j.seq, uint64(rnd.IntN(5)))
				j.flushed(seq)
				for i := range g {
					if g[i].seq <= seq {
						g[i] = blank
					}
				}
			case 1: // a trim or FUA: nothing stays
				j.cut(w)
				j.done(w)
				for i := lo; i < hi; i++ {
					g[i] = blank
				}
			case 2: // cut, and lost with an older connection
				j.cut(w)
				j.cross(errGone)
				for i := lo; i < hi; i++ {
					if g[i].seq > 0 {
						g[i].doubt, g[i].cross = w, true
					}
				}
				g.check(t, j)
				if w != j.mending() && g.any(lo, hi) {
					t.Fatal("nobody mends it")
				}
				j.failed(w, errGone)
				g.lose(t, j, lo, hi)
			default:
				if !j.reserve(w, roomFor(hi-lo)) {
					t.Fatal("no room")
				}
				j.cut(w)
				j.done(w)
				for i := lo; i < hi; i++ {
					g[i] = blank
					g[i].seq, g[i].value = j.seq, byte(step+1)
				}
			}
			if g.check(t, j); j.reserved != 0 || t.Failed() {
				t.Fatalf("seed %d, step %d: %d bytes reserved", seed, step, j.reserved)
			}
		}
	}
}

func (g *ledger) any(lo, hi int64) bool {
	for i := lo; i < hi; i++ {
		if g[i].seq > 0 {
			return true
		}
	}
	return false
}

// lose expects that what there is from lo to hi is told as lost.
func (g *ledger) lose(t *testing.T, j *journal, lo, hi int64) {
	t.Helper()
	any := g.any(lo, hi)
	for lo < hi && any && g[lo].seq == 0 {
		lo++
	}
	for lo < hi && any && g[hi-1].seq == 0 {
		hi--
	}
	var lost *UnflushedError
	if err := j.told(); errors.As(err, &lost) != any || any && (lost.Offset != lo || lost.Offset+lost.Length != hi || !errors.Is(err, errGone)) {
		t.Fatalf("lost is %v, want %d to %d", err, lo, hi)
	}
	for i := lo; i < hi; i++ {
		g[i] = blank
	}
}

// Long writes are kept in pieces, each of its own memory.
func TestJournalPieces(t *testing.T) {
	j := &journal{limit: 1 << 30}
	w := &change{lo: 10, hi: 10 + 3*journalPiece - 1, data: make([]byte, 3*journalPiece-1)}
	j.reserve(w, roomFor(int64(len(w.data))))
	j.cut(w)
	reserved := j.reserved
	j.done(w)
	if len(j.entries) != 3 || j.kept != reserved || j.reserved != 0 {
		t.Errorf("%d entries of %d bytes, for which %d were reserved", len(j.entries), j.kept, reserved)
	}
}

// A write that was acknowledged by a connection that is lost by now is made
// again: its server may have crashed since, and the replay has begun without it.
func TestJournalStaleAcknowledgement(t *testing.T) {
	r := &LastingDisk{keeps: true, moved: make(chan struct{}), journal: journal{limit: 1 << 20}}
	old := &link{begun: time.Now()}
	r.link = old
	w := &change{lo: 0, hi: 4, data: []byte("data")}
	if !r.journal.reserve(w, roomFor(4)) || !r.begin(old, w) {
		t.Fatal("it did not begin")
	}
	r.unpublish(old, errGone)
	if r.begin(old, w) {
		t.Error("it began on a connection that is lost")
	}
	r.link = &link{}
	if err := r.acknowledge(old, w); err != errStale || len(r.journal.entries) != 0 {
		t.Errorf("acknowledge: %v, %d entries", err, len(r.journal.entries))
	}
	if err := r.acknowledge(r.link, w); err != nil || len(r.journal.entries) != 1 {
		t.Errorf("acknowledge: %v, %d entries", err, len(r.journal.entries))
	}
}
