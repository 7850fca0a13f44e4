package nbd

import "fmt"

// A span is one request's part of a call: the bytes lo to hi of the export, in
// whole blocks, of which the caller's buffer covers from to to.
type span struct {
	lo, hi   int64 // what goes over the wire
	from, to int64 // what the caller asked for, within lo and hi
	at       int64 // where the caller's buffer begins
}

// whole tells whether the caller asked for every byte of the span.
func (s span) whole() bool { return s.lo == s.from && s.hi == s.to }

// of returns the caller's bytes of the span, out of the whole buffer p.
func (s span) of(p []byte) []byte { return p[s.from-s.at : s.to-s.at] }

// pieceSize is the most that one request carries: what the server takes, and
// a quarter of what may be in flight, so that long calls keep the line busy.
func pieceSize(b BlockSize, inFlight int64) int64 {
	n := min(int64(b.MaximumPayload), inFlight/4)
	return max(n-n%int64(b.Minimum), int64(b.Minimum))
}

// split cuts a call into spans: blocks that the caller's range covers in part
// stand alone, everything between goes in pieces of whole blocks. It refuses a
// range that the export can't serve, before anything is sent.
func (d *Disk) split(op string, off int64, length int) ([]span, error) {
	end := off + int64(length)
	if off < 0 || end < off || end > d.info.Size {
		return nil, fmt.Errorf("%w: %s of %d bytes at %d, but export %q has %d bytes", ErrOutOfRange, op, length, off, d.info.Name, d.info.Size)
	}
	block := int64(d.info.BlockSize.Minimum)
	if reachable := d.info.Size - d.info.Size%block; end > reachable {
		return nil, fmt.Errorf("%w: %s of %d bytes at %d: export %q has %d bytes and takes requests in blocks of %d, so its last %d bytes can't be reached",
			ErrOutOfRange, op, length, off, d.info.Name, d.info.Size, block, d.info.Size-reachable)
	}
	spans := make([]span, 0, int64(length)/d.piece+3)
	for at := off; at < end; {
		s := d.nextSpan(at, end, block)
		s.at = off
		spans, at = append(spans, s), s.to
	}
	return spans, nil
}

func (d *Disk) nextSpan(at, end, block int64) span {
	lo := at - at%block
	if lo < at || end < lo+block { // one block, covered in part
		return span{lo: lo, hi: lo + block, from: at, to: min(end, lo+block)}
	}
	hi := lo + min(d.piece, end-end%block-lo) // lo + piece may lie beyond 2^63-1
	return span{lo: lo, hi: hi, from: lo, to: hi}
}
