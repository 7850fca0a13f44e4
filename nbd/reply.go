package nbd

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

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
		r.lose(d.cause)
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
	d.heard.Add(1)
	return b, nil
}

// receiveOne reads one simple reply or one chunk. What was not negotiated is
// fatal, in either direction (attack A6).
func (d *Disk) receiveOne() error {
	magic, err := d.take(4)
	if err != nil {
		return err
	}
	m := binary.BigEndian.Uint32(magic)
	switch {
	case m == magicSimple && d.framing != FramingExtended:
		return d.simpleReply()
	case m == magicStructured && d.framing == FramingStructured:
		return d.structuredChunk()
	case m == magicExtendedReply && d.framing == FramingExtended:
		return d.extendedChunk()
	case m == magicSimple || m == magicStructured || m == magicExtendedReply:
		return protocolErrorf("a reply with magic %#x, which was not negotiated: the framing is %v", m, d.framing)
	}
	return protocolErrorf("bad reply magic %#x: the stream is out of step", m)
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
	case r.cmd == cmdRead && d.framing != FramingSimple:
		return protocolErrorf("a simple reply to a read although structured replies are on")
	case code != 0:
		r.refuse(code, nil)
	case r.status != nil:
		return protocolErrorf("a simple reply to a block status, without any")
	case r.cmd == cmdRead:
		err = d.receiveData(r, 0, int(r.length))
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
