package acquire

import (
	"context"
	"iter"

	"nbdbridge/evidence/image"
	"nbdbridge/evidence/report"
)

const (
	// shortest is how many zeros are worth going around, in bytes.
	shortest = 64 << 10
	// longest is how many zeros are one piece. A run of zeros is judged anew
	// where they are cut, so that it makes no difference where an acquisition
	// goes on.
	longest = 64 << 20
)

// A stretch is what is known of some bytes.
type stretch struct {
	Extent
	asked, unknown bool
	skip           bool
	failures       *report.Error // of the request for its status
	err            error         // ends the plan before it
}

// plan cuts a range of the disk into pieces without their bytes.
func (r *reader) plan(ctx context.Context, rest report.Range) iter.Seq[*piece] {
	return r.cut(r.judged(r.told(ctx, rest)))
}

// judged tells what is to be skipped: runs of zeros that are long enough. It
// holds what is not yet long enough, which can't be many extents.
func (r *reader) judged(stretches iter.Seq[stretch]) iter.Seq[stretch] {
	return func(yield func(stretch) bool) {
		var zeros run
		for s := range stretches {
			if s.err != nil {
				yield(s)
				return // what is held may be longer than it seems
			}
			for part := range r.split(s, longest) {
				if !zeros.judge(part, r.isCut(part.Offset, longest), yield) {
					return
				}
			}
		}
		zeros.end(yield)
	}
}

// A run is zeros on end.
type run struct {
	held   []stretch
	length int64
}

// judge takes the next stretch, which may have to begin a run of its own.
func (z *run) judge(s stretch, anew bool, yield func(stretch) bool) bool {
	judged := s.Kind == Data || s.skip
	if (judged || anew) && !z.end(yield) {
		return false
	}
	if judged {
		return yield(s)
	}
	return z.add(s, yield)
}

func (z *run) add(s stretch, yield func(stretch) bool) bool {
	z.held = append(z.held, s)
	z.length += s.Length
	return z.length < shortest || z.flush(true, yield)
}

// end has what is held read.
func (z *run) end(yield func(stretch) bool) bool {
	z.length = 0
	return z.flush(false, yield)
}

func (z *run) flush(skip bool, yield func(stretch) bool) bool {
	held := z.held
	z.held = z.held[:0]
	for _, s := range held {
		s.skip = skip
		if !yield(s) {
			return false
		}
	}
	return true
}

// split cuts a stretch at multiples of a size.
func (r *reader) split(s stretch, size int64) iter.Seq[stretch] {
	return func(yield func(stretch) bool) {
		for rest := s; rest.Length > 0; rest.failures = nil {
			part := rest
			part.Length = min(rest.Length, r.toCut(rest.Offset, size))
			if !yield(part) {
				return
			}
			rest.Offset += part.Length
			rest.Length -= part.Length
		}
	}
}

// cut makes pieces. An error drops the one that it comes in, which has not been
// told to its end.
func (r *reader) cut(stretches iter.Seq[stretch]) iter.Seq[*piece] {
	return func(yield func(*piece) bool) {
		p := new(piece)
		for s := range stretches {
			if s.err != nil {
				yield(&piece{offset: s.Offset, err: s.err})
				return
			}
			for part := range r.split(s, sizeOf(s.skip)) {
				if p.length > 0 && !r.goesOn(p, part) {
					if !yield(p) {
						return
					}
					p = new(piece)
				}
				p.add(part)
			}
		}
		if p.length > 0 {
			yield(p)
		}
	}
}

// goesOn tells whether a stretch belongs to the piece before it.
func (r *reader) goesOn(p *piece, s stretch) bool {
	return p.skip == s.skip && !r.isCut(s.Offset, sizeOf(s.skip))
}

// sizeOf is how long pieces are.
func sizeOf(skip bool) int64 {
	if skip {
		return longest
	}
	return image.MaxPiece
}

// add makes a stretch part of a piece.
func (p *piece) add(s stretch) {
	if p.length == 0 {
		p.offset, p.skip = s.Offset, s.skip
	}
	p.length += s.Length
	p.status.Asked = p.status.Asked || s.asked
	if s.failures != nil {
		p.errors = append(p.errors, *s.failures)
	}
	if s.skip {
		p.status.Skipped += s.Length
	}
	switch {
	case s.unknown:
		p.status.Unknown += s.Length
	case s.Kind == Zero:
		p.status.Zero += s.Length
	case s.Kind == Hole:
		p.status.Hole += s.Length
	default:
		p.status.Data += s.Length
	}
}
