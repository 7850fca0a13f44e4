package nbd

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// maxErrorChunk bounds an error chunk, in bytes: ERROR_OFFSET with the longest
// text. Unknown error types may say something more within it.
const maxErrorChunk = lenError + maxString + lenOffset + 4096

// receive owns the receiving side until the connection ends, and then tears
// everything down.
func (d *Disk) receive() {
	var err error
	for err == nil {
		err = d.receiveOne()
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		err = fmt.Errorf("nbd: the server closed the connection: %w", io.ErrUnexpectedEOF)
	}
	d.fail(err)
	d.teardown()
}

// teardown is the one way that a Disk ends: every waiter gets the first cause.
func (d *Disk) teardown() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.queue = nil
	for _, r := range d.pending {
		r.failure = d.cause
		d.finishLocked(r)
	}
	close(d.ended)
}

// take returns the next n bytes, valid until the next call. n is at most the
// receive buffer.
func (d *Disk) take(n int) ([]byte, error) {
	b, err := d.r.Peek(n)
	if err != nil {
		if len(b) > 0 && err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return nil, err
	}
	_, _ = d.r.Discard(n)
	return b, nil
}

// receiveOne reads one simple reply or one chunk. What was not negotiated is
// fatal, in either direction (attack A6).
func (d *Disk) receiveOne() error {
	magic, err := d.take(4)
	if err != nil {
		return err
	}
	switch m := binary.BigEndian.Uint32(magic); {
	case m == magicSimple:
		return d.simpleReply()
	case m == magicStructured && d.structured:
		return d.structuredChunk()
	case m == magicStructured:
		return protocolErrorf("a structured reply, which was not negotiated")
	default:
		return protocolErrorf("bad reply magic %#x: the stream is out of step", m)
	}
}

// find returns the request that a reply is to. A cookie that is not pending
// means that the stream is lost.
func (d *Disk) find(cookie uint64) (*request, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	r, ok := d.pending[cookie]
	if !ok || !r.sent {
		return nil, protocolErrorf("a reply with cookie %#x, which no request has", cookie)
	}
	return r, nil
}

// simpleReply reads the rest of a simple reply, proto.md "Simple reply message".
func (d *Disk) simpleReply() error {
	b, err := d.take(lenSimple - 4)
	if err != nil {
		return err
	}
	code, cookie := binary.BigEndian.Uint32(b), binary.BigEndian.Uint64(b[4:])
	r, err := d.find(cookie)
	switch {
	case err != nil:
		return err
	case r.cmd == cmdRead && d.structured:
		return protocolErrorf("a simple reply to a read although structured replies are on")
	case code != 0:
		r.refuse(code, nil)
	case r.cmd == cmdRead:
		err = d.receiveData(r, 0, r.length)
	}
	if err == nil {
		d.complete(r)
	}
	return err
}

// refuse notes the server's error; the first one of a reply stands.
func (r *request) refuse(code uint32, text []byte) {
	if r.failure == nil {
		r.failure = &OpError{Op: r.op, Offset: r.offset, Length: r.length, Errno: fromWire(code), Message: printable(text)}
	}
}

// complete ends a request. A server that shuts down is left politely: "the
// client MUST initiate a soft disconnect".
func (d *Disk) complete(r *request) {
	if errors.Is(r.failure, ESHUTDOWN) {
		d.part(fmt.Errorf("nbd: the server ended the session: %w", ESHUTDOWN))
	}
	d.finish(r)
}

// receiveData copies n bytes of the stream to the request's buffer, as they
// come, so that a caller who cancels never waits for the network.
func (d *Disk) receiveData(r *request, at, n int) error {
	for n > 0 {
		if _, err := d.r.Peek(1); err != nil {
			return err
		}
		b, err := d.take(min(n, d.r.Buffered()))
		if err != nil {
			return err
		}
		r.deliver(at, b)
		at, n = at+len(b), n-len(b)
	}
	return nil
}

// A chunk is the header of one part of a structured reply.
type chunk struct {
	flags, typ uint16
	length     uint32
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
		length: binary.BigEndian.Uint32(b[12:]),
	}
	r, err := d.find(binary.BigEndian.Uint64(b[4:]))
	if err != nil {
		return err
	}
	if err := d.chunkPayload(r, h); err != nil {
		return err
	}
	if h.flags&chunkDone == 0 {
		return nil
	}
	return d.lastChunk(r)
}

func (d *Disk) lastChunk(r *request) error {
	if r.cmd == cmdRead && r.failure == nil && !r.got.complete(r.length) {
		return protocolErrorf("a reply that ended before all %d bytes of the read had come", r.length)
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
	}
	return protocolErrorf("a chunk of type %d, %d bytes and flags %#x in reply to a %s", h.typ, h.length, h.flags, r.op)
}

// place checks that n bytes at an absolute offset lie inside the read and have
// not come before, without ever adding two numbers of the peer's.
func (r *request) place(offset uint64, n uint64) (at int, err error) {
	begin, length := uint64(r.offset), uint64(r.length)
	if offset < begin || offset-begin > length || n > length-(offset-begin) {
		return 0, protocolErrorf("a chunk of %d bytes at %d in reply to a read of %d bytes at %d", n, offset, length, begin)
	}
	at = int(offset - begin)
	if !r.got.add(at, at+int(n)) {
		return 0, protocolErrorf("a chunk of %d bytes at %d, some of which had come before", n, offset)
	}
	if len(r.got.spans) > r.length/minPreferredBlock+1 {
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
	if begin := uint64(r.offset); offset < begin || offset-begin > uint64(r.length) {
		return protocolErrorf("an error at %d in reply to a %s of %d bytes at %d", offset, r.op, r.length, r.offset)
	}
	return nil
}
