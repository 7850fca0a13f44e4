package nbd

import (
	"fmt"
	"iter"
	"math"
)

// A span is one request's part of a call: the bytes lo to hi of the export, in
// whole blocks, of which the caller's range covers from to to.
type span struct {
	lo, hi   int64 // what goes over the wire
	from, to int64 // what the caller asked for, within lo and hi
	at       int64 // where the caller's range begins
}

// whole tells whether the caller asked for every byte of the span.
func (s span) whole() bool { return s.lo == s.from && s.hi == s.to }

// of returns the caller's bytes of the span, out of the whole buffer p.
func (s span) of(p []byte) []byte { return p[s.from-s.at : s.to-s.at] }

// pieceSize is the most data that one request carries: what the server takes,
// and a quarter of what may be in flight, so that long calls keep the line busy.
func pieceSize(b BlockSize, inFlight int64) int64 {
	n := min(int64(b.MaximumPayload), inFlight/4)
	return max(n-n%int64(b.Minimum), int64(b.Minimum))
}

// effectPiece is the most bytes that a request without data covers, a multiple
// of every block size: what fits into the length of its header.
func (d *Disk) effectPiece() int64 {
	if d.framing == FramingExtended {
		return math.MaxInt64 &^ (maxMinimumBlock - 1)
	}
	return math.MaxUint32 &^ (maxMinimumBlock - 1)
}

// checkRange refuses a range that the export can't serve, before anything is
// sent.
func (d *Disk) checkRange(op string, off, length int64) error {
	end := off + length
	if off < 0 || length < 0 || end < off || end > d.info.Size {
		return fmt.Errorf("%w: %s of %d bytes at %d, but export %q has %d bytes", ErrOutOfRange, op, length, off, d.info.Name, d.info.Size)
	}
	block := int64(d.info.BlockSize.Minimum)
	if reachable := d.info.Size - d.info.Size%block; end > reachable {
		return fmt.Errorf("%w: %s of %d bytes at %d: export %q has %d bytes and takes requests in blocks of %d, so its last %d bytes can't be reached",
			ErrOutOfRange, op, length, off, d.info.Name, d.info.Size, block, d.info.Size-reachable)
	}
	return nil
}

// spans cuts a range into requests: blocks that it covers in part stand alone,
// everything between goes in pieces of whole blocks.
func (d *Disk) spans(off, length, piece int64) iter.Seq[span] {
	return func(yield func(span) bool) {
		end, block := off+length, int64(d.info.BlockSize.Minimum)
		for at := off; at < end; {
			s := nextSpan(at, end, block, piece)
			s.hi, s.to = d.round(s, end)
			s.at, at = off, s.to
			if !yield(s) {
				return
			}
		}
	}
}

// round moves the end of a piece that is not the last one back to a multiple of
// the preferred block size, where one lies inside: the pieces behind it then
// begin at one.
func (d *Disk) round(s span, end int64) (hi, to int64) {
	cut := s.hi - s.hi%int64(max(d.info.BlockSize.Preferred, 1))
	if !s.whole() || s.hi == end || cut <= s.lo {
		return s.hi, s.to
	}
	return cut, cut
}

func nextSpan(at, end, block, piece int64) span {
	lo := at - at%block
	if lo < at || end-lo < block { // one block, covered in part
		return span{lo: lo, hi: lo + block, from: at, to: min(end, lo+block)}
	}
	hi := lo + min(piece, end-end%block-lo) // lo + piece may lie beyond 2^63-1
	return span{lo: lo, hi: hi, from: lo, to: hi}
}

// once is a call of one request.
func once(s span) iter.Seq[span] {
	return func(yield func(span) bool) { yield(s) }
}
