package acquire

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"nbdbridge/evidence/report"
)

// Bytes whose status is asked for at first, and how the answers change that.
const (
	firstSpan  = 1 << 30
	leastSpan  = 64 << 20
	mostSpan   = 1 << 40
	fewExtents = 1024
)

// told is what the disk tells of a range.
func (r *reader) told(ctx context.Context, rest report.Range) iter.Seq[stretch] {
	return func(yield func(stretch) bool) {
		q := question{reader: r, span: firstSpan, silent: !r.skipHoles}
		for rest.Length > 0 {
			for _, s := range q.ask(ctx, rest.Offset, rest.Length) {
				if !yield(s) || s.err != nil {
					return
				}
				rest.Offset += s.Length
				rest.Length -= s.Length
			}
		}
	}
}

// A question is what is asked of the disk's blocks, window after window.
type question struct {
	*reader
	span   int64 // of the next window
	silent bool  // there is nobody to ask
}

// ask gives at least one stretch, from an offset on, and at most length bytes.
func (q *question) ask(ctx context.Context, offset, length int64) []stretch {
	length = min(length, q.span)
	unknown := stretch{Extent: Extent{offset, length, Data}, unknown: true}
	if q.silent {
		return []stretch{unknown}
	}
	extents, failures, err := q.status(ctx, offset, length)
	if errors.Is(err, ErrNoStatus) {
		q.silent = true
		return []stretch{unknown}
	}
	if err != nil {
		return []stretch{{Extent: Extent{Offset: offset}, err: gone(ctx, "asking for block status", offset, err)}}
	}
	q.adapt(len(extents))
	if extents == nil {
		unknown.asked, unknown.failures = true, failures
		return []stretch{unknown}
	}
	return asked(extents, failures)
}

func asked(extents []Extent, failures *report.Error) []stretch {
	stretches := make([]stretch, len(extents))
	for i, e := range extents {
		stretches[i] = stretch{Extent: e, asked: true}
	}
	stretches[0].failures = failures
	return stretches
}

// adapt makes the next window so large that its answer is not.
func (q *question) adapt(extents int) {
	if extents > fewExtents {
		q.span = max(q.span/2, leastSpan)
		return
	}
	q.span = min(q.span*2, mostSpan)
}

// status asks for a window, again if need be. Without extents the answer was
// not to be had, or not to be believed, and failures say why.
func (q *question) status(ctx context.Context, offset, length int64) (extents []Extent, failures *report.Error, err error) {
	failed := report.Error{What: "block status", Offset: offset, Length: length}
	for try := 0; ; try++ {
		extents, err = q.Status(ctx, offset, length)
		if err == nil {
			err = believable(extents, offset, length)
		}
		if err == nil {
			return extents, recorded(failed), nil
		}
		if ctx.Err() != nil || !isUnreadable(err) {
			return nil, nil, err
		}
		q.add(&failed, err)
		if try >= q.retries {
			return nil, &failed, nil
		}
		if err := wait(ctx, try); err != nil {
			return nil, nil, err
		}
	}
}

// recorded is nil where nothing failed.
func recorded(failures report.Error) *report.Error {
	if failures.Attempts == 0 {
		return nil
	}
	return &failures
}

// believable tells whether an answer begins where it was asked for, is in order
// and without gaps, and does not go too far. An answer with gaps would be an
// image with gaps.
func believable(extents []Extent, offset, length int64) error {
	at, end := offset, offset+length
	for _, e := range extents {
		if e.Offset != at || e.Length <= 0 || e.Length > end-at || !known(e.Kind) {
			return &Unreadable{fmt.Errorf("the server was asked for the status of %d bytes at %d, and told of %d bytes of kind %q at %d where those at %d were due", length, offset, e.Length, e.Kind, e.Offset, at)}
		}
		at += e.Length
	}
	if at == offset {
		return &Unreadable{fmt.Errorf("the server was asked for the status of %d bytes at %d, and told nothing", length, offset)}
	}
	return nil
}

func known(k Kind) bool { return k == Data || k == Zero || k == Hole }
