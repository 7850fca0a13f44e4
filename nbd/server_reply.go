package nbd

import (
	"errors"
	"fmt"
	"runtime/debug"
)

// serve carries out one request and replies. A reply that can't be sent ends
// the connection.
func (t *transmission) serve(q *serverRequest) {
	frame, err := t.carryOut(q)
	switch {
	case err != nil:
		frame = t.failed(q, err)
	case frame == nil:
		frame = t.succeeded(q)
	}
	if err := t.send(frame); err != nil {
		t.leave(err)
		t.raw.Close()
	}
}

// carryOut gives the request to the device, whose panics are errors of this
// one request. A nil frame is success with nothing to say.
func (t *transmission) carryOut(q *serverRequest) (frame []byte, err error) {
	if q.refusal != nil {
		return nil, q.refusal
	}
	defer func() {
		if r := recover(); r != nil {
			frame, err = nil, fmt.Errorf("nbd: the device panicked: %v\n%s", r, debug.Stack())
		}
		t.note(q, err)
	}()
	return t.act(q)
}

// act is a switch and not a table for the reason that serveOption is one.
func (t *transmission) act(q *serverRequest) (frame []byte, err error) {
	switch q.cmd {
	case cmdRead:
		return t.read(q)
	case cmdWrite:
		return t.write(q)
	case cmdFlush:
		return t.flush(q)
	case cmdTrim:
		return t.trim(q)
	case cmdCache:
		return t.cache(q)
	case cmdWriteZeroes:
		return t.writeZeroes(q)
	case cmdBlockStatus:
		return t.blockStatus(q)
	}
	return nil, EINVAL // check knows no other
}

// note logs the first failure of a connection's device: whoever provokes one
// can provoke a million. A plain Errno is an answer and no failure; one with
// more to say than the client is told is for the operator.
func (t *transmission) note(q *serverRequest, err error) {
	if _, plain := err.(Errno); plain || err == nil {
		return
	}
	t.failure.Do(func() {
		t.server.log().Error("nbd device failed", "remote", remote(t.raw), "export", t.exportName(),
			"command", q.cmd, "offset", q.offset, "length", q.length, "error", err)
	})
}

// wireErrno is the error value for what a device, or check, reported. ENOTSUP
// is for zeroes that have to be fast, and 0 would announce success.
func wireErrno(q *serverRequest, err error) Errno {
	var e Errno
	if !errors.As(err, &e) || e == 0 {
		return EIO
	}
	if e == ENOTSUP && (q.cmd != cmdWriteZeroes || q.flags&FlagFastZero == 0) {
		return EINVAL
	}
	return fromWire(uint32(e))
}

// failed is the reply to a request that was refused, or that the device
// failed. Of a device's error the client learns the value and no more: the
// text may name files.
func (t *transmission) failed(q *serverRequest, err error) []byte {
	e := wireErrno(q, err)
	if !t.structured && !t.extended {
		return appendSimple(nil, q, e)
	}
	text := e.Error()
	if refused := (*refusal)(nil); errors.As(err, &refused) {
		text = refused.text
	}
	text = text[:min(len(text), serverMaxText)]
	frame := t.appendChunk(nil, q, chunkDone, chunkError, lenError+len(text))
	frame = appendUint32(frame, uint32(e))
	frame = append(frame, byte(len(text)>>8), byte(len(text)))
	return append(frame, text...)
}

// succeeded is the reply without data. In structured mode the simple one is
// allowed, and shorter.
func (t *transmission) succeeded(q *serverRequest) []byte {
	if t.extended {
		return t.appendChunk(nil, q, chunkDone, chunkNone, 0)
	}
	return appendSimple(nil, q, 0)
}

// send writes a reply whole. Each piece of it has its time.
func (t *transmission) send(frame []byte) error {
	t.sending.Lock()
	defer t.sending.Unlock()
	defer t.pace.written()
	for len(frame) > 0 {
		t.pace.writing()
		n, err := t.conn.Write(frame[:min(len(frame), serverSendPiece)])
		if err != nil {
			return err
		}
		frame = frame[n:]
	}
	return nil
}

func appendSimple(b []byte, q *serverRequest, e Errno) []byte {
	b = appendUint32(b, magicSimple)
	b = appendUint32(b, uint32(e))
	return appendUint64(b, q.cookie)
}

// appendChunk writes the head of a chunk of n bytes, in the form that was
// negotiated.
func (t *transmission) appendChunk(b []byte, q *serverRequest, flags, typ uint16, n int) []byte {
	magic := magicStructured
	if t.extended {
		magic = magicExtendedReply
	}
	b = appendUint32(b, magic)
	b = append(b, byte(flags>>8), byte(flags), byte(typ>>8), byte(typ))
	b = appendUint64(b, q.cookie)
	if t.extended {
		return appendUint64(appendUint64(b, q.offset), uint64(n))
	}
	return appendUint32(b, uint32(n))
}
