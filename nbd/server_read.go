package nbd

import (
	"errors"
	"io"
)

const (
	minHole      = 4096 // bytes; a shorter one costs more as a chunk than as zeroes
	holeAlign    = 512  // bytes; where holes begin and end, "SHOULD"
	maxPieces    = 64   // chunks of a reply
	maxPieceMaps = 256  // questions to the device about one read
)

// A piece is a part of a read: data, or a hole that reads as zeroes.
type piece struct {
	off, n int64
	hole   bool
}

// read answers with all the data, or in structured replies with the data
// between the holes.
func (t *transmission) read(q *serverRequest) ([]byte, error) {
	if !t.structured && !t.extended {
		frame := appendSimple(make([]byte, 0, lenSimple+q.length), q, 0)
		frame = frame[:lenSimple+q.length]
		return frame, readFull(t.export.Device, frame[lenSimple:], int64(q.offset))
	}
	if q.length == 0 {
		return t.appendChunk(nil, q, chunkDone, chunkNone, 0), nil
	}
	pieces := t.pieces(q)
	frame := make([]byte, 0, t.chunksSize(pieces))
	for i, p := range pieces {
		flags := uint16(0)
		if i == len(pieces)-1 {
			flags = chunkDone
		}
		var err error
		if frame, err = t.appendPiece(frame, q, flags, p); err != nil {
			return nil, err
		}
	}
	return frame, nil
}

func (t *transmission) chunksSize(pieces []piece) (n int64) {
	for _, p := range pieces {
		n += lenExtendedReply + lenHole
		if !p.hole {
			n += p.n
		}
	}
	return n
}

func (t *transmission) appendPiece(frame []byte, q *serverRequest, flags uint16, p piece) ([]byte, error) {
	if p.hole {
		frame = t.appendChunk(frame, q, flags, chunkOffsetHole, lenHole)
		return appendUint32(appendUint64(frame, uint64(p.off)), uint32(p.n)), nil
	}
	frame = t.appendChunk(frame, q, flags, chunkOffsetData, lenOffset+int(p.n))
	frame = appendUint64(frame, uint64(p.off))
	at := len(frame)
	frame = frame[:at+int(p.n)] // chunksSize made the room
	return frame, readFull(t.export.Device, frame[at:], p.off)
}

// pieces finds the holes of a read. They begin and end at round places where
// that costs little: a hole gives its odd ends to its neighbours.
func (t *transmission) pieces(q *serverRequest) (all []piece) {
	begin, end := int64(q.offset), int64(q.offset+q.length)
	for _, run := range t.runs(q, begin, end) {
		lo, hi := run.off, run.off+run.n
		if lo > begin {
			lo += -lo & (holeAlign - 1)
		}
		if hi < end {
			hi -= hi % holeAlign
		}
		if !run.hole || hi-lo < minHole {
			all = join(all, piece{run.off, run.n, false})
			continue
		}
		all = join(all, piece{run.off, lo - run.off, false})
		all = join(all, piece{lo, hi - lo, true})
		all = join(all, piece{hi, run.off + run.n - hi, false})
	}
	return all
}

// runs asks the device where the holes are. When there are too many, or it
// does not say, the rest is data: that is always right.
func (t *transmission) runs(q *serverRequest, at, end int64) (all []piece) {
	w := t.walk(maxPieceMaps)
	for q.flags&FlagDF == 0 && w.maps() && end-at > 0 && len(all) < maxPieces-2 {
		n, state, err := w.next(at, end-at)
		if err != nil {
			break
		}
		all = join(all, piece{at, n, state&StateZero != 0})
		at += n
	}
	return join(all, piece{at, end - at, false})
}

func join(all []piece, p piece) []piece {
	last := len(all) - 1
	switch {
	case p.n == 0:
		return all
	case last >= 0 && all[last].hole == p.hole:
		all[last].n += p.n
		return all
	}
	return append(all, p)
}

// readFull reads all of p; a device that has less than it said is broken.
func readFull(dev Device, p []byte, off int64) error {
	n, err := dev.ReadAt(p, off)
	if n == len(p) {
		return nil
	}
	if err == nil || errors.Is(err, io.EOF) {
		err = errShort
	}
	return err
}

var errShort = errors.New("nbd: the device has less than it said")
