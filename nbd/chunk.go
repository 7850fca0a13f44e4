package nbd

import (
	"encoding/binary"
	"math"
)

// maxErrorChunk bounds an error chunk, in bytes: ERROR_OFFSET with the longest
// text. Unknown error types may say something more within it.
const maxErrorChunk = lenError + maxString + lenOffset + 4096

// A chunk is the header of one part of a reply in chunks.
type chunk struct {
	flags, typ uint16
	length     uint64 // bytes of payload
}

// structuredChunk reads the rest of a chunk, proto.md "Structured reply chunk
// message". Unknown flags are ignored.
func (d *Disk) structuredChunk() error {
	b, err := d.take(lenChunk - 4)
	if err != nil {
		return err
	}
	h := chunk{
		flags:  binary.BigEndian.Uint16(b),
		typ:    binary.BigEndian.Uint16(b[2:]),
		length: uint64(binary.BigEndian.Uint32(b[12:])),
	}
	r, err := d.find(binary.BigEndian.Uint64(b[4:]))
	if err != nil {
		return err
	}
	return d.chunk(r, h)
}

// extendedChunk reads the rest of a chunk, proto.md "Extended reply chunk
// message". It repeats the offset of the request.
func (d *Disk) extendedChunk() error {
	b, err := d.take(lenExtendedReply - 4)
	if err != nil {
		return err
	}
	h := chunk{
		flags:  binary.BigEndian.Uint16(b),
		typ:    binary.BigEndian.Uint16(b[2:]),
		length: binary.BigEndian.Uint64(b[20:]),
	}
	r, err := d.find(binary.BigEndian.Uint64(b[4:]))
	if err != nil {
		return err
	}
	if offset := binary.BigEndian.Uint64(b[12:]); offset != uint64(r.offset) {
		return protocolErrorf("a reply for offset %d to a %s at %d", offset, r.op, r.offset)
	}
	if h.length > math.MaxUint32 {
		return protocolErrorf("a chunk of %d bytes", h.length)
	}
	return d.chunk(r, h)
}

func (d *Disk) chunk(r *request, h chunk) error {
	if err := d.chunkPayload(r, h); err != nil {
		return err
	}
	if h.flags&chunkDone == 0 {
		return nil
	}
	return d.lastChunk(r)
}

func (d *Disk) lastChunk(r *request) error {
	if r.cmd == cmdRead && r.failure == nil && !r.got.complete(int(r.length)) {
		return protocolErrorf("a reply that ended before all %d bytes of the read had come", r.length)
	}
	if r.status != nil && r.failure == nil && !r.status.complete() {
		return protocolErrorf("a reply that ended with the status of %d metadata contexts out of %d", len(r.status.got), len(r.status.of))
	}
	d.complete(r)
	return nil
}

func (d *Disk) chunkPayload(r *request, h chunk) error {
	switch {
	case h.typ&chunkErrorBit != 0:
		return d.errorChunk(r, h)
	case h.typ == chunkNone && h.length == 0 && h.flags&chunkDone != 0:
		return nil
	case h.typ == chunkOffsetData && r.cmd == cmdRead && h.length > lenOffset:
		return d.dataChunk(r, int(h.length)-lenOffset)
	case h.typ == chunkOffsetHole && r.cmd == cmdRead && h.length == lenHole:
		return d.holeChunk(r)
	case h.typ == d.statusType() && r.status != nil:
		return d.statusChunk(r, h)
	}
	return protocolErrorf("a chunk of type %d, %d bytes and flags %#x in reply to a %s", h.typ, h.length, h.flags, r.op)
}

// statusType is the chunk that tells block status in this framing.
func (d *Disk) statusType() uint16 {
	if d.framing == FramingExtended {
		return chunkStatusExt
	}
	return chunkBlockStatus
}

// place checks that n bytes at an absolute offset lie inside the read and have
// not come before, without ever adding two numbers of the peer's.
func (r *request) place(offset uint64, n uint64) (at int, err error) {
	begin, length := uint64(r.offset), uint64(r.length)
	if offset < begin || offset-begin > length || n > length-(offset-begin) {
		return 0, protocolErrorf("a chunk of %d bytes at %d in reply to a read of %d bytes at %d", n, offset, length, begin)
	}
	if r.pieces++; r.pieces > 1 && r.flags&FlagDF != 0 {
		return 0, protocolErrorf("a read answered in %d pieces although one was asked for", r.pieces)
	}
	at = int(offset - begin)
	if !r.got.add(at, at+int(n)) {
		return 0, protocolErrorf("a chunk of %d bytes at %d, some of which had come before", n, offset)
	}
	if int64(len(r.got.spans)) > r.length/minPreferredBlock+1 {
		return 0, protocolErrorf("a read of %d bytes answered in crumbs", r.length)
	}
	return at, nil
}

func (d *Disk) dataChunk(r *request, n int) error {
	b, err := d.take(lenOffset)
	if err != nil {
		return err
	}
	at, err := r.place(binary.BigEndian.Uint64(b), uint64(n))
	if err != nil {
		return err
	}
	return d.receiveData(r, at, n)
}

func (d *Disk) holeChunk(r *request) error {
	b, err := d.take(lenHole)
	if err != nil {
		return err
	}
	n := binary.BigEndian.Uint32(b[8:])
	if n == 0 {
		return protocolErrorf("a hole of no bytes")
	}
	at, err := r.place(binary.BigEndian.Uint64(b), uint64(n))
	if err != nil {
		return err
	}
	r.zero(at, int(n))
	return nil
}

// errorChunk reads an error of any type: an unknown one fails its request
// and no more.
func (d *Disk) errorChunk(r *request, h chunk) error {
	if h.length < lenError || h.length > maxErrorChunk {
		return protocolErrorf("an error chunk of %d bytes", h.length)
	}
	b, err := d.take(int(h.length))
	if err != nil {
		return err
	}
	code, n := binary.BigEndian.Uint32(b), int(binary.BigEndian.Uint16(b[4:]))
	rest := b[lenError:]
	if code == 0 || n > len(rest) || n > maxString {
		return protocolErrorf("an error chunk with error %d and a text of %d bytes in %d", code, n, len(b))
	}
	if h.typ == chunkErrorOffset {
		if err := r.checkErrorOffset(rest[n:]); err != nil {
			return err
		}
	}
	r.refuse(code, rest[:n])
	return nil
}

func (r *request) checkErrorOffset(b []byte) error {
	if len(b) != lenOffset {
		return protocolErrorf("an error chunk with an offset of %d bytes", len(b))
	}
	offset := binary.BigEndian.Uint64(b)
	if begin := uint64(r.offset); offset < begin || offset-begin >= uint64(r.length) {
		return protocolErrorf("an error at %d in reply to a %s of %d bytes at %d", offset, r.op, r.length, r.offset)
	}
	return nil
}
