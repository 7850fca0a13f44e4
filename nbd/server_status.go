package nbd

import (
	"encoding/binary"
	"errors"
	"math"
)

// serverMaxExtents bounds the extents of a reply and the questions to the
// device about it. The specification allows 2^20 extents; an answer that ends
// early costs the client another request, and the server less memory.
const serverMaxExtents = 1 << 16

var errMap = errors.New("nbd: the device told the state of no bytes")

// A walk asks a device for its map, so often and no more.
type walk struct {
	dev  Mapper // nil for a device that does not say
	left int
}

func (t *transmission) walk(limit int) *walk {
	dev, _ := t.export.Device.(Mapper)
	return &walk{dev, limit}
}

// maps tells whether there is more to learn.
func (w *walk) maps() bool { return w.dev != nil && w.left > 0 }

// next is Map, of a device that may lie. Where nothing is to be learnt all of
// it is "allocated or unknown", which is never wrong.
func (w *walk) next(at, n int64) (length int64, state uint64, err error) {
	if !w.maps() {
		return n, 0, nil
	}
	w.left--
	length, state, err = w.dev.Map(at, n)
	if err == nil && length <= 0 {
		err = errMap
	}
	return min(length, n), state & (StateHole | StateZero), err
}

// nextBlocks is next in whole blocks from at, which is the start of one. A
// block of several states has what they have in common.
func (w *walk) nextBlocks(at, n, block int64) (length int64, state uint64, err error) {
	length, state, err = w.next(at, n)
	if err != nil || length == n {
		return length, state, err
	}
	if length >= block {
		return length - length%block, state, nil
	}
	for whole := min(block, n); length < whole; {
		more, other, err := w.next(at+length, whole-length)
		if err != nil {
			return 0, 0, err
		}
		length, state = length+more, state&other
	}
	return length, state, nil
}

// blockStatus answers for "base:allocation". The extents lie inside the range
// asked for; they may end before it does.
func (t *transmission) blockStatus(q *serverRequest) ([]byte, error) {
	extents, err := t.extents(q)
	if err != nil {
		return nil, err
	}
	if !t.extended {
		return t.appendStatus(q, extents), nil
	}
	frame := t.appendChunk(nil, q, chunkDone, chunkStatusExt, lenContextID+4+lenExtentExt*len(extents))
	frame = appendUint32(frame, allocationID)
	frame = appendUint32(frame, uint32(len(extents)))
	for _, e := range extents {
		frame = appendUint64(frame, uint64(e.Length))
		frame = appendUint64(frame, e.Status)
	}
	return frame, nil
}

// appendStatus has lengths of 32 bits. A request in this form has one too, and
// no extent is longer than the request; a length that wrapped would put every
// extent after it in the wrong place.
func (t *transmission) appendStatus(q *serverRequest, extents []Extent) []byte {
	frame := t.appendChunk(nil, q, chunkDone, chunkBlockStatus, lenContextID+lenExtent*len(extents))
	frame = appendUint32(frame, allocationID)
	for _, e := range extents {
		frame = appendUint32(frame, uint32(min(e.Length, math.MaxUint32)))
		frame = appendUint32(frame, uint32(e.Status))
	}
	return frame
}

// extents walks the range. Equal neighbours are one.
func (t *transmission) extents(q *serverRequest) (all []Extent, err error) {
	w := t.walk(serverMaxExtents)
	at, end := int64(q.offset), int64(q.offset+q.length)
	for at < end && (len(all) == 0 || w.maps()) {
		n, state, err := w.nextBlocks(at, end-at, int64(t.block.Minimum))
		if err != nil {
			return nil, err
		}
		last := len(all) - 1
		if last >= 0 && all[last].Status == state {
			all[last].Length += n
		} else if last >= 0 && q.flags&FlagReqOne != 0 {
			break
		} else {
			all = append(all, Extent{at, n, state})
		}
		at += n
	}
	return all, nil
}

func appendUint32(b []byte, v uint32) []byte { return binary.BigEndian.AppendUint32(b, v) }
func appendUint64(b []byte, v uint64) []byte { return binary.BigEndian.AppendUint64(b, v) }
