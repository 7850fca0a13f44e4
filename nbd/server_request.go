package nbd

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"time"
)

// A transmission is the second phase of a server's connection: one goroutine
// reads requests, a bounded number of others carry them out, and each sends
// its reply whole.
type transmission struct {
	*serverConn
	size   int64 // of the device
	block  BlockSize
	offers TransmissionFlags

	pace   pace
	in     *bufio.Reader
	r      pacedReader // over in
	slots  chan struct{}
	budget *budget // bytes of the requests under way
	work   sync.WaitGroup
	gone   context.Context // ends when nobody waits for replies any more
	leave  context.CancelCauseFunc

	sending sync.Mutex
	failure sync.Once // logs the first failure of the device
}

// A serverRequest is a request as the client sent it. For a BLOCK_STATUS with
// a payload the length is the one inside the payload.
type serverRequest struct {
	flags   Flags
	cmd     uint16
	cookie  uint64
	offset  uint64
	length  uint64
	payload []byte
	refusal error // what check found
}

func (c *serverConn) newTransmission(ctx context.Context) *transmission {
	e := c.export
	t := &transmission{
		serverConn: c, size: e.Device.Size(), block: e.blockSize(), offers: c.flags(e), pace: pace{raw: c.raw},
		in:    bufio.NewReaderSize(c.conn, receiveBuffer),
		slots: make(chan struct{}, serverMaxRequests), budget: newBudget(serverMaxInFlight),
	}
	t.gone, t.leave = context.WithCancelCause(ctx)
	t.r = pacedReader{t.in, &t.pace}
	return t
}

// transmit serves requests until DISC, which it answers by finishing what is
// under way and closing. A request under way at the end of ctx may stop short.
func (c *serverConn) transmit(ctx context.Context) error {
	t := c.newTransmission(ctx)
	defer t.leave(nil)
	err := t.receive()
	if errors.Is(err, errPolite) { // a client that stopped reading must not keep the last replies' workers
		t.pace.farewell()
		late := time.AfterFunc(serverFarewellTimeout, func() { t.leave(err) })
		defer late.Stop()
	} else {
		t.leave(err)
		t.raw.Close()
	}
	t.work.Wait()
	_ = c.conn.Close()
	return err
}

func (t *transmission) receive() error {
	for {
		q, weight, err := t.readRequest()
		if err != nil {
			return err
		}
		if q.cmd == cmdDisc {
			return errPolite
		}
		if err := t.takeSlot(); err != nil {
			return err
		}
		t.work.Go(func() {
			t.serve(q)
			t.budget.release(weight)
			<-t.slots
		})
	}
}

// takeSlot waits for a request to end. What waits behind it is dropped once
// nobody wants it: there may be thousands in the buffer.
func (t *transmission) takeSlot() error {
	select {
	case t.slots <- struct{}{}:
	case <-t.gone.Done():
	}
	return context.Cause(t.gone)
}

// readRequest reads a request and its payload. It is checked before, so that
// what will be refused takes no memory, and the bytes that it and its reply
// need are reserved before they are allocated.
func (t *transmission) readRequest() (q *serverRequest, weight int64, err error) {
	if q, err = t.readHeader(); err != nil {
		return nil, 0, fmt.Errorf("nbd: reading a request: %w", err)
	}
	size := t.payloadSize(q)
	if size > t.maxPayload() {
		return nil, 0, protocolErrorf("a payload of %d bytes, more than the %d that are served", size, t.maxPayload())
	}
	q.refusal = t.check(q)
	weight = t.weight(q)
	if err := t.budget.acquire(t.gone, nil, weight); err != nil {
		return nil, 0, err
	}
	if err := t.readPayload(q, size); err != nil {
		return nil, 0, fmt.Errorf("nbd: reading a request's %d bytes: %w", size, err)
	}
	return q, weight, nil
}

// readHeader waits for a request for as long as the client likes.
func (t *transmission) readHeader() (*serverRequest, error) {
	t.pace.resting()
	if _, err := t.in.Peek(1); err != nil {
		return nil, err
	}
	h := make([]byte, lenRequest, lenExtendedRequest)
	if t.extended {
		h = h[:lenExtendedRequest]
	}
	if err := t.r.fill(h); err != nil {
		return nil, err
	}
	return t.parseRequest(h)
}

func (t *transmission) parseRequest(h []byte) (*serverRequest, error) {
	want := magicRequest
	if t.extended {
		want = magicExtendedRequest
	}
	if magic := binary.BigEndian.Uint32(h); magic != want {
		return nil, protocolErrorf("bad request magic %#x", magic)
	}
	q := &serverRequest{
		flags:  Flags(binary.BigEndian.Uint16(h[4:])),
		cmd:    binary.BigEndian.Uint16(h[6:]),
		cookie: binary.BigEndian.Uint64(h[8:]),
		offset: binary.BigEndian.Uint64(h[16:]),
	}
	if t.extended {
		q.length = binary.BigEndian.Uint64(h[24:])
	} else {
		q.length = uint64(binary.BigEndian.Uint32(h[24:]))
	}
	return q, nil
}

// payloadSize is how many bytes follow the header. An unknown command has no
// payload unless it says so. A write has one even if it does not: the client of
// qemu, 10.0 at least, leaves the flag out.
func (t *transmission) payloadSize(q *serverRequest) uint64 {
	if q.cmd == cmdWrite || t.extended && q.flags&flagPayloadLen != 0 {
		return q.length
	}
	return 0
}

// maxPayload is the size above which a payload ends the session: it would have
// to be drained. Old clients may not know what was advertised.
func (t *transmission) maxPayload() uint64 {
	if t.extended {
		return uint64(t.block.MaximumPayload)
	}
	return serverMaxPayload
}

// weight is how many bytes the request and its reply take.
func (t *transmission) weight(q *serverRequest) int64 {
	switch {
	case q.refusal != nil:
		return 0
	case q.cmd == cmdRead || q.cmd == cmdWrite:
		return int64(q.length) // checked: at most the maximum payload
	case q.cmd == cmdBlockStatus:
		return serverMaxExtents * 3 * lenExtentExt // on the way to the reply, and there
	}
	return 0
}

// readPayload takes the payload, or drains that of a request that is refused.
func (t *transmission) readPayload(q *serverRequest, size uint64) error {
	if q.refusal != nil {
		return t.r.skip(size)
	}
	q.payload = make([]byte, size)
	if err := t.r.fill(q.payload); err != nil {
		return err
	}
	if q.cmd == cmdBlockStatus && size > 0 {
		q.refusal = t.unfilter(q)
	}
	return nil
}
