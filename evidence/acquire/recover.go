package acquire

import (
	"context"
	"time"

	"nbdbridge/evidence/image"
	"nbdbridge/evidence/report"
)

// middle is the length of the reads between those of whole pieces and the
// smallest.
const middle = 64 << 10

// A level is a length of reads, and how often they are tried.
type level struct {
	size  int64
	tries int
}

// levels are what it takes at most to read a piece: whole, in parts, and in
// smallest parts. What was read at one level is not read at the next.
func (r *reader) levels() []level {
	levels := []level{{image.MaxPiece, 1 + r.retries}, {middle, 1}, {r.smallest, 1 + r.retries}}
	if r.smallest >= middle {
		return append(levels[:1], levels[2])
	}
	return levels
}

// fill reads a piece. What no request can read is zeros then, and lost. An error
// is that of the disk or of the context.
func (r *reader) fill(ctx context.Context, p *piece) error {
	attempt := attempt{reader: r, piece: p}
	attempt.failures = report.Error{What: "read", Offset: p.offset, Length: p.length}
	defer attempt.end()
	missing := []report.Range{{Offset: p.offset, Length: p.length}}
	for i, level := range r.levels() {
		parts := r.parts(missing, level.size)
		if i > 0 && parts[0].Length == p.length {
			continue // no smaller than before
		}
		var err error
		if missing, err = attempt.read(ctx, parts, level.tries); err != nil || len(missing) == 0 {
			return err
		}
	}
	attempt.lose(missing)
	return nil
}

// parts cuts ranges at multiples of a size.
func (r *reader) parts(ranges []report.Range, size int64) []report.Range {
	var parts []report.Range
	for _, rest := range ranges {
		for rest.Length > 0 {
			n := min(rest.Length, r.toCut(rest.Offset, size))
			parts = append(parts, report.Range{Offset: rest.Offset, Length: n})
			rest.Offset += n
			rest.Length -= n
		}
	}
	return parts
}

// An attempt is all that is done to read a piece.
type attempt struct {
	*reader
	piece    *piece
	failures report.Error
}

// read reads ranges in rounds, each of what failed in the one before, and gives
// what failed in all of them. There is one wait for a round, not for a range: so
// a dead disk costs seconds for a piece.
func (a *attempt) read(ctx context.Context, ranges []report.Range, tries int) ([]report.Range, error) {
	for try := range tries {
		if try > 0 {
			if err := wait(ctx, try-1); err != nil {
				return nil, err
			}
		}
		var err error
		if ranges, err = a.round(ctx, ranges); err != nil || len(ranges) == 0 {
			return nil, err
		}
	}
	return ranges, nil
}

func (a *attempt) round(ctx context.Context, ranges []report.Range) ([]report.Range, error) {
	var failed []report.Range
	for _, r := range ranges {
		at := r.Offset - a.piece.offset
		err := a.Read(ctx, a.piece.data[at:at+r.Length], r.Offset)
		switch {
		case err == nil:
			continue
		case ctx.Err() != nil || !isUnreadable(err):
			return nil, gone(ctx, "reading", r.Offset, err)
		}
		a.fail(err)
		failed = append(failed, r)
	}
	return failed, nil
}

func (a *attempt) fail(err error) {
	if a.failures.Attempts == 0 {
		a.recovering.Add(1)
	}
	a.add(&a.failures, err)
}

// lose makes zeros of ranges, which are in order.
func (a *attempt) lose(ranges []report.Range) {
	p := a.piece
	for _, r := range ranges {
		at := r.Offset - p.offset
		clear(p.data[at : at+r.Length])
		a.failures.Lost += r.Length
		if n := len(p.lost); n > 0 && p.lost[n-1].Offset+p.lost[n-1].Length == r.Offset {
			p.lost[n-1].Length += r.Length
			continue
		}
		p.lost = append(p.lost, r)
	}
}

// end puts on record what went wrong.
func (a *attempt) end() {
	if a.failures.Attempts == 0 {
		return
	}
	a.recovering.Add(-1)
	a.piece.errors = append(a.piece.errors, a.failures)
	a.note()
}

// add counts a request that failed.
func (r *reader) add(f *report.Error, err error) {
	if f.Attempts == 0 {
		f.Time, f.Message = time.Now().UTC(), err.Error() // the log shortens it
	}
	f.Attempts++
	r.failed.Add(1)
	r.note()
}

// Requests that failed are made again after a wait that grows.
const (
	firstWait   = 100 * time.Millisecond
	longestWait = time.Second
)

// wait waits before a retry, which are counted from 0, or for the context.
func wait(ctx context.Context, retry int) error {
	timer := time.NewTimer(min(firstWait<<min(retry, 8), longestWait))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
