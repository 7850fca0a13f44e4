package nbd

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"
)

// A transmission is the second phase of a server's connection: one goroutine
// reads requests, a bounded number of others carry them out, and each sends
// its reply whole.
type transmission struct {
	*serverConn
	r      *bufio.Reader
	slots  chan struct{} // requests under way
	budget *budget       // bytes of them
	work   sync.WaitGroup

	sending sync.Mutex
}

// A serverRequest is a request as the client sent it, its payload read.
type serverRequest struct {
	flags   Flags
	cmd     uint16
	cookie  uint64
	offset  uint64
	length  uint32
	payload []byte
	weight  int64
}

// transmit serves requests until DISC, which it answers by finishing what is
// under way and closing.
func (c *serverConn) transmit() error {
	t := &transmission{
		serverConn: c, r: bufio.NewReaderSize(c.conn, receiveBuffer),
		slots: make(chan struct{}, serverMaxRequests), budget: newBudget(serverMaxInFlight),
	}
	err := t.receive()
	if errors.Is(err, errPolite) { // a client that stopped reading must not keep the last replies' workers
		_ = c.raw.SetDeadline(time.Now().Add(serverFarewellTimeout))
	} else {
		c.raw.Close()
	}
	t.work.Wait()
	_ = c.conn.Close()
	return err
}

func (t *transmission) receive() error {
	for {
		q, err := t.readRequest()
		if err != nil {
			return err
		}
		if q.cmd == cmdDisc {
			return errPolite
		}
		t.slots <- struct{}{}
		t.work.Go(func() {
			t.serve(q)
			t.budget.release(q.weight)
			<-t.slots
		})
	}
}

// readRequest reads a request and the payload of a write. The bytes that it
// and its reply need are reserved before they are allocated.
func (t *transmission) readRequest() (*serverRequest, error) {
	var h [lenRequest]byte
	if _, err := io.ReadFull(t.r, h[:]); err != nil {
		return nil, fmt.Errorf("nbd: reading a request: %w", err)
	}
	q, err := parseRequest(h[:])
	if err != nil {
		return nil, err
	}
	if q.cmd == cmdRead || q.cmd == cmdWrite {
		q.weight = min(int64(q.length), serverMaxPayload)
	}
	if err := t.budget.acquire(context.Background(), nil, q.weight); err != nil {
		return nil, err
	}
	if q.cmd == cmdWrite {
		err = t.readPayload(q)
	}
	return q, err
}

func parseRequest(h []byte) (*serverRequest, error) {
	if magic := binary.BigEndian.Uint32(h); magic != magicRequest {
		return nil, protocolErrorf("bad request magic %#x", magic)
	}
	return &serverRequest{
		flags:  Flags(binary.BigEndian.Uint16(h[4:])),
		cmd:    binary.BigEndian.Uint16(h[6:]),
		cookie: binary.BigEndian.Uint64(h[8:]),
		offset: binary.BigEndian.Uint64(h[16:]),
		length: binary.BigEndian.Uint32(h[24:]),
	}, nil
}

// readPayload takes a write's data. One beyond the advertised maximum ends the
// session: it would have to be drained, four gigabytes of it.
func (t *transmission) readPayload(q *serverRequest) error {
	if q.length > serverMaxPayload {
		return protocolErrorf("a write of %d bytes, more than the %d that were advertised", q.length, serverMaxPayload)
	}
	q.payload = make([]byte, q.length)
	_, err := io.ReadFull(t.r, q.payload)
	return err
}

// serve carries out one request and replies. A reply that can't be sent ends
// the connection.
func (t *transmission) serve(q *serverRequest) {
	data, err := t.carryOut(q)
	if err := t.respond(q, data, err); err != nil {
		t.raw.Close()
	}
}

// carryOut checks the whole request before the device hears of it.
func (t *transmission) carryOut(q *serverRequest) (data []byte, err error) {
	if err := t.check(q); err != nil {
		return nil, err
	}
	dev := t.export.Device
	switch q.cmd {
	case cmdRead:
		data = make([]byte, q.length)
		err = readFull(dev, data, int64(q.offset))
	case cmdWrite:
		_, err = dev.WriteAt(q.payload, int64(q.offset))
	case cmdFlush:
		err = dev.Sync()
	}
	if err == nil && q.cmd == cmdWrite && q.flags&FlagFUA != 0 {
		err = dev.Sync()
	}
	return data, err
}

// check answers each mistake with the error value that the specification
// gives it, proto.md "Request types".
func (t *transmission) check(q *serverRequest) error {
	size := uint64(t.export.Device.Size())
	inside := q.offset <= size && uint64(q.length) <= size-q.offset
	switch {
	case q.flags&^FlagFUA != 0:
		return EINVAL
	case q.cmd == cmdRead && q.length > serverMaxPayload:
		return EOVERFLOW
	case q.cmd == cmdRead && !inside:
		return EINVAL
	case q.cmd == cmdWrite && t.export.ReadOnly:
		return EPERM
	case q.cmd == cmdWrite && !inside:
		return ENOSPC
	case q.cmd == cmdFlush && (q.offset != 0 || q.length != 0):
		return EINVAL
	case q.cmd != cmdRead && q.cmd != cmdWrite && q.cmd != cmdFlush:
		return EINVAL
	}
	return nil
}

// readFull reads all of p; a device that has less than it said is broken.
func readFull(dev Device, p []byte, off int64) error {
	n, err := dev.ReadAt(p, off)
	if n == len(p) {
		return nil
	}
	if err == nil || errors.Is(err, io.EOF) {
		err = EIO
	}
	return err
}

// wireErrno is the error value for what a device reported.
func wireErrno(err error) Errno {
	var e Errno
	if errors.As(err, &e) && e != 0 { // 0 would announce success
		return e
	}
	return EIO
}

// respond sends the reply: a simple one, or for reads a chunk where that was
// negotiated.
func (t *transmission) respond(q *serverRequest, data []byte, failure error) error {
	var head []byte
	switch {
	case t.structured && q.cmd == cmdRead:
		head, data = structuredReadReply(q, data, failure)
	case failure != nil:
		head, data = simpleReplyHeader(q.cookie, wireErrno(failure)), nil
	default:
		head = simpleReplyHeader(q.cookie, 0)
	}
	t.sending.Lock()
	defer t.sending.Unlock()
	if _, err := t.conn.Write(append(head, data...)); err != nil {
		return err
	}
	return nil
}

func simpleReplyHeader(cookie uint64, e Errno) []byte {
	b := binary.BigEndian.AppendUint32(nil, magicSimple)
	b = binary.BigEndian.AppendUint32(b, uint32(e))
	return binary.BigEndian.AppendUint64(b, cookie)
}

// structuredReadReply is a single chunk: all the data, an error, or nothing.
func structuredReadReply(q *serverRequest, data []byte, failure error) (head, payload []byte) {
	typ, fixed := chunkOffsetData, binary.BigEndian.AppendUint64(nil, q.offset)
	if failure != nil {
		typ, data = chunkError, nil
		fixed = binary.BigEndian.AppendUint32(nil, uint32(wireErrno(failure)))
		fixed = binary.BigEndian.AppendUint16(fixed, 0)
	} else if len(data) == 0 {
		typ, fixed = chunkNone, nil
	}
	b := binary.BigEndian.AppendUint32(nil, magicStructured)
	b = binary.BigEndian.AppendUint16(b, chunkDone)
	b = binary.BigEndian.AppendUint16(b, typ)
	b = binary.BigEndian.AppendUint64(b, q.cookie)
	b = binary.BigEndian.AppendUint32(b, uint32(len(fixed)+len(data)))
	return append(b, fixed...), data
}
