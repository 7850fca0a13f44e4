package nbd

import (
	"bytes"
	"sort"
)

const (
	// journalPiece is the most data of one entry, in bytes: what has to be
	// copied when a later write cuts into it.
	journalPiece = 64 << 10
	// entryWeight is what an entry counts beside its data, in bytes, so that
	// the number of entries is bounded too.
	entryWeight = 512
)

// A journal keeps the writes that were acknowledged and are not yet known to
// be durable: a server that restarts may have lost any of them. Its entries
// never overlap, so the order in which they are sent again means nothing, and
// an older write can't be sent over a newer one.
//
// A range is cut out of the older entries when a write to it is handed to a
// connection, because from then on the newer bytes may be there. What was cut
// becomes a doubt: should the newer write fail, and the server restart, then
// neither of the two need be there, although the older one was acknowledged.
//
// It is guarded by its owner's mutex.
type journal struct {
	limit    int64
	entries  []*entry // by offset
	kept     int64    // weight of entries
	reserved int64    // weight of the writes under way
	seq      uint64   // of the last acknowledgement
	lost     *UnflushedError
}

// An entry is an acknowledged write of data or of zeroes, or a doubt. It does
// not change, but for a doubt's owner.
type entry struct {
	lo, hi int64
	data   []byte // nil: zeroes
	flags  Flags  // FlagNoHole
	seq    uint64

	doubt   bool
	owner   *change // the write that made it, while that is under way
	crossed bool    // the connection was lost meanwhile: only the owner can mend it
}

func (e *entry) weight() int64 { return entryWeight + int64(len(e.data)) }

// part is what is left of an entry between lo and hi. It has memory of its
// own, so that a few bytes don't hold many.
func (e *entry) part(lo, hi int64) *entry {
	p := *e
	p.lo, p.hi = lo, hi
	if e.data != nil {
		p.data = bytes.Clone(e.data[lo-e.lo : hi-e.lo])
	}
	return &p
}

// find returns the indexes of the entries that overlap lo to hi.
func (j *journal) find(lo, hi int64) (from, to int) {
	from = sort.Search(len(j.entries), func(i int) bool { return j.entries[i].hi > lo })
	to = from + sort.Search(len(j.entries)-from, func(i int) bool { return j.entries[from+i].lo >= hi })
	return from, to
}

// replace puts entries in the place of those with the indexes from to to.
func (j *journal) replace(from, to int, by []*entry) {
	for _, e := range j.entries[from:to] {
		j.kept -= e.weight()
	}
	for _, e := range by {
		j.kept += e.weight()
	}
	tail := len(j.entries) - to
	switch grow := len(by) - (to - from); {
	case grow > 0:
		j.entries = append(j.entries, by[:grow]...) // room; the bytes are overwritten
		copy(j.entries[from+len(by):], j.entries[to:to+tail])
	case grow < 0:
		copy(j.entries[from+len(by):], j.entries[to:])
		clear(j.entries[len(j.entries)+grow:])
		j.entries = j.entries[:len(j.entries)+grow]
	}
	copy(j.entries[from:], by)
}

// cut turns what w overlaps into doubts that w owns.
func (j *journal) cut(w *change) {
	from, to := j.find(w.lo, w.hi)
	var by []*entry
	for _, e := range j.entries[from:to] {
		if e.lo < w.lo {
			by = append(by, e.part(e.lo, w.lo))
		}
		by = append(by, &entry{
			lo: max(e.lo, w.lo), hi: min(e.hi, w.hi), seq: e.seq,
			doubt: true, owner: w, crossed: e.crossed,
		})
		if e.hi > w.hi {
			by = append(by, e.part(w.hi, e.hi))
		}
	}
	j.replace(from, to, by)
}

// done ends the doubts of a write that was acknowledged, and keeps its bytes
// if they are not durable.
func (j *journal) done(w *change) {
	j.seq++
	from, to := j.find(w.lo, w.hi)
	var by []*entry
	if w.room > 0 {
		by = w.entries(j.seq)
	}
	j.replace(from, to, by)
	j.release(w)
}

// failed disowns the doubts of a write that was not acknowledged. Nobody mends
// those that a lost connection has made losses of.
func (j *journal) failed(w *change, cause error) {
	j.release(w)
	from, to := j.find(w.lo, w.hi)
	j.filter(from, to, func(e *entry) bool {
		if e.owner != w {
			return true
		}
		e.owner = nil
		if e.crossed {
			j.lose(e, cause)
		}
		return !e.crossed
	})
}

// cross notes that a connection was lost, and with it the bytes in doubt,
// except where a write under way will bring newer ones.
func (j *journal) cross(cause error) {
	j.filter(0, len(j.entries), func(e *entry) bool {
		e.crossed = e.doubt && e.owner != nil
		if e.doubt && !e.crossed {
			j.lose(e, cause)
		}
		return !e.doubt || e.crossed
	})
}

// flushed drops what was acknowledged up to seq and is durable now. A doubt
// that has crossed is not: the server may never have got those bytes.
func (j *journal) flushed(seq uint64) {
	j.filter(0, len(j.entries), func(e *entry) bool { return e.seq > seq || e.crossed })
}

// filter drops those of the entries with the indexes from to to that are not wanted.
func (j *journal) filter(from, to int, want func(*entry) bool) {
	var by []*entry
	for _, e := range j.entries[from:to] {
		if want(e) {
			by = append(by, e)
		}
	}
	if len(by) < to-from {
		j.replace(from, to, by)
	}
}

// refused drops an entry that the server did not take again.
func (j *journal) refused(e *entry, cause error) {
	from, to := j.find(e.lo, e.hi)
	j.filter(from, to, func(other *entry) bool { return other != e })
	j.lose(e, cause)
}

// lose notes a range whose acknowledged bytes are gone, until a Flush tells.
func (j *journal) lose(e *entry, cause error) {
	if j.lost == nil {
		j.lost = &UnflushedError{Offset: e.lo, Length: e.hi - e.lo, Cause: cause}
		return
	}
	lo, hi := min(j.lost.Offset, e.lo), max(j.lost.Offset+j.lost.Length, e.hi)
	j.lost = &UnflushedError{Offset: lo, Length: hi - lo, Cause: j.lost.Cause} // the old one may have been told
}

// told returns the loss that has to be told, and forgets it.
func (j *journal) told() error {
	lost := j.lost
	j.lost = nil
	if lost == nil {
		return nil
	}
	return lost
}

// forfeit is the loss of everything that is kept, for the end of a disk.
func (j *journal) forfeit(cause error) error {
	j.filter(0, len(j.entries), func(e *entry) bool {
		j.lose(e, cause)
		return false
	})
	if j.lost == nil {
		return nil
	}
	return j.lost
}

// writes are the entries to send again.
func (j *journal) writes() (entries []*entry) {
	for _, e := range j.entries {
		if !e.doubt {
			entries = append(entries, e)
		}
	}
	return entries
}

// mending is a write under way that has to end before a Flush can succeed, or nil.
func (j *journal) mending() (w *change) {
	for _, e := range j.entries {
		if e.crossed {
			return e.owner
		}
	}
	return nil
}

// reserve takes the room that w will need, if there is as much.
func (j *journal) reserve(w *change, room int64) bool {
	if j.kept+j.reserved+room > j.limit {
		return false
	}
	w.room = room
	j.reserved += room
	return true
}

func (j *journal) release(w *change) {
	j.reserved -= w.room
	w.room = 0
}

// roomFor is the weight of a write of n bytes of data; zeroes have none.
func roomFor(n int64) int64 {
	return n + max(1, (n+journalPiece-1)/journalPiece)*entryWeight
}

// entries copies what w has written.
func (w *change) entries(seq uint64) (all []*entry) {
	if w.data == nil {
		return []*entry{{lo: w.lo, hi: w.hi, flags: w.flags & FlagNoHole, seq: seq}}
	}
	for lo := w.lo; lo < w.hi; lo += journalPiece {
		hi := min(lo+journalPiece, w.hi)
		all = append(all, &entry{lo: lo, hi: hi, data: bytes.Clone(w.data[lo-w.lo : hi-w.lo]), seq: seq})
	}
	return all
}
