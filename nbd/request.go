package nbd

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"sync"
	"time"
)

const (
	// minWeight is what the smallest request counts against the bytes in
	// flight, so that their number is bounded too.
	minWeight = 4096
	// maxFlight is how many requests of one call are under way at once.
	maxFlight = 512
)

// A request is one message to the server and its reply.
type request struct {
	op      string // for error texts
	cmd     uint16
	flags   Flags
	offset  int64
	length  int64  // bytes of the export that it is about
	payload []byte // what follows the header, until sent
	frame   []byte // header and payload, until sent

	cookie  uint64
	sent    bool        // guarded by Disk.mu
	timeout *time.Timer // of Config.RequestTimeout, once sent; guarded by Disk.mu
	release func()      // frees the range of a write, once, when the request ends
	bounce  func()      // copies a partly wanted block to the caller

	mu  sync.Mutex
	dst []byte // where a read's data goes; nil once the caller has its buffer back

	got     coverage     // which bytes of a read have arrived
	pieces  int          // in which they came
	status  *statusReply // what a BLOCK_STATUS has brought
	failure error        // what the server answered, or why the connection ended
	done    chan struct{}
}

// readRequest reads a span, straight into p unless the caller wants only part
// of a block.
func readRequest(s span, p []byte, f Flags) *request {
	r := &request{op: "read", cmd: cmdRead, flags: f, offset: s.lo, length: s.hi - s.lo, dst: s.of(p)}
	if !s.whole() {
		block := make([]byte, s.hi-s.lo)
		r.dst = block
		r.bounce = func() { copy(s.of(p), block[s.from-s.lo:]) }
	}
	return r
}

// writeRequest has fill put the caller's bytes of the span behind a request
// header. A block that is written in part is read first, and the range is
// locked from then until the server has answered, so that no other write of
// ours falls in between.
func (d *Disk) writeRequest(ctx context.Context, s span, f Flags, fill func(dst []byte)) (*request, error) {
	r, err := d.effectRequest(ctx, "write", cmdWrite, s, f)
	if err != nil {
		return nil, err
	}
	header := d.lenRequest()
	r.frame = make([]byte, int64(header)+r.length)
	r.payload = r.frame[header:]
	if !s.whole() {
		if err := d.Read(ctx, r.payload, s.lo); err != nil {
			r.release()
			return nil, fmt.Errorf("nbd: reading the block around a partial write: %w", err)
		}
	}
	fill(r.payload[s.from-s.lo : s.to-s.lo])
	return r, nil
}

// effectRequest changes a span without sending data, its range locked.
func (d *Disk) effectRequest(ctx context.Context, op string, cmd uint16, s span, f Flags) (*request, error) {
	release, err := d.writes.lock(ctx, s.lo, s.hi)
	if err != nil {
		return nil, err
	}
	return &request{op: op, cmd: cmd, flags: f, offset: s.lo, length: s.hi - s.lo, release: release}, nil
}

// inFlight starts a request for each span and waits for all of them; a span
// may need none. On the first failure it lets go of the rest.
func (d *Disk) inFlight(ctx context.Context, spans iter.Seq[span], make func(span) (*request, error)) error {
	var flight []*request
	defer func() {
		for _, r := range flight {
			d.abandon(r)
		}
	}()
	land := func() error { // waits for the oldest
		err := d.wait(ctx, flight[0])
		if err == nil {
			flight = flight[1:]
		}
		return err
	}
	if ctx.Err() != nil { // below it would be left to chance
		return context.Cause(ctx)
	}
	begun := false // to change the export
	for s := range spans {
		r, err := make(s)
		if err == nil && r != nil {
			err = d.start(ctx, r)
		}
		if err != nil {
			return d.inPart(begun, err)
		}
		if r != nil {
			begun = begun || r.changes()
			flight = append(flight, r)
		}
		for len(flight) > 0 && (len(flight) == maxFlight || flight[0].over()) { // a long call stops at its first error
			if err := land(); err != nil {
				return err
			}
		}
	}
	for len(flight) > 0 {
		if err := land(); err != nil {
			return err
		}
	}
	return nil
}

// inPart words the end of a connection in the middle of a call that has begun
// to change the export.
func (d *Disk) inPart(begun bool, err error) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if ended := firstError(d.cause, d.parting); !begun || ended == nil || !errors.Is(err, ended) {
		return err
	}
	return fmt.Errorf("%w (a part of the call had been sent): %w", ErrUnknownOutcome, err)
}

// start queues r as soon as the bytes in flight allow.
func (d *Disk) start(ctx context.Context, r *request) error {
	err := d.budget.acquire(ctx, d.ended, r.weight())
	if err == nil {
		if err = d.enqueue(r); err != nil {
			d.budget.release(r.weight())
		}
	}
	if err == errEnded {
		err = d.cause // settled before ended was closed
	}
	if err != nil && r.release != nil {
		r.release()
	}
	return err
}

func (d *Disk) enqueue(r *request) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := firstError(d.cause, d.parting); err != nil {
		return err
	}
	d.cookie++
	r.cookie, r.done = d.cookie, make(chan struct{})
	r.encode(d.framing)
	d.pending[r.cookie] = r
	d.queue = append(d.queue, r)
	d.nudge()
	return nil
}

// firstError returns the first error that is one.
func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func (d *Disk) lenRequest() int {
	if d.framing == FramingExtended {
		return lenExtendedRequest
	}
	return lenRequest
}

// encode fills in the request header, proto.md "Compact request message" and
// "Extended request message", in front of the payload that is in frame
// already. FLUSH and DISC have neither offset nor length.
func (r *request) encode(framing Framing) {
	b := r.frame[:0]
	if framing != FramingExtended {
		b = r.appendHeader(b, magicRequest, r.flags)
		b = binary.BigEndian.AppendUint32(b, uint32(r.length))
	} else {
		b = r.appendExtendedHeader(b)
	}
	if r.frame == nil {
		r.frame = append(b, r.payload...)
	}
	r.payload = nil
}

func (r *request) appendHeader(b []byte, magic uint32, f Flags) []byte {
	b = binary.BigEndian.AppendUint32(b, magic)
	b = binary.BigEndian.AppendUint16(b, uint16(f))
	b = binary.BigEndian.AppendUint16(b, r.cmd)
	b = binary.BigEndian.AppendUint64(b, r.cookie)
	return binary.BigEndian.AppendUint64(b, uint64(r.offset))
}

// appendExtendedHeader says in the length how much follows, if anything does.
func (r *request) appendExtendedHeader(b []byte) []byte {
	if len(r.payload) == 0 {
		b = r.appendHeader(b, magicExtendedRequest, r.flags)
		return binary.BigEndian.AppendUint64(b, uint64(r.length))
	}
	b = r.appendHeader(b, magicExtendedRequest, r.flags|flagPayloadLen)
	return binary.BigEndian.AppendUint64(b, uint64(len(r.payload)))
}

// weight is what r counts against the bytes in flight: its data. What has none
// but makes the server send something counts that.
func (r *request) weight() int64 {
	switch r.cmd {
	case cmdRead, cmdWrite:
		return max(r.length, minWeight)
	case cmdBlockStatus:
		return statusWeight
	}
	return minWeight
}

// changes tells whether r changes the export: then it holds its range.
func (r *request) changes() bool { return r.release != nil }

func (r *request) over() bool {
	select {
	case <-r.done:
		return true
	default:
		return false
	}
}

// wait blocks until the reply is there or ctx ends. The caller abandons what
// it does not wait for.
func (d *Disk) wait(ctx context.Context, r *request) error {
	select {
	case <-r.done:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	if r.failure == nil && r.bounce != nil {
		r.bounce()
	}
	return r.failure
}

// abandon gives the caller its buffer back. A request that was sent stays
// pending until its reply has arrived, and its bytes stay counted; one that
// was not is taken out of the queue.
func (d *Disk) abandon(r *request) {
	r.mu.Lock()
	r.dst = nil
	r.mu.Unlock()
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, waiting := d.pending[r.cookie]; !waiting || r.sent {
		return
	}
	for i, q := range d.queue {
		if q == r {
			d.queue = append(d.queue[:i], d.queue[i+1:]...)
			break
		}
	}
	d.finishLocked(r)
}

// sentLocked notes that r is on its way, and from when it is waited for.
func (d *Disk) sentLocked(r *request) {
	r.sent = true
	if d.patience > 0 {
		r.timeout = time.AfterFunc(d.patience, func() {
			d.fail(fmt.Errorf("%w: a %s of %d bytes at %d, for %v", ErrRequestTimeout, r.op, r.length, r.offset, d.patience))
		})
	}
}

// finish ends a request whose reply is complete.
func (d *Disk) finish(r *request) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.finishLocked(r)
}

func (d *Disk) finishLocked(r *request) {
	delete(d.pending, r.cookie)
	d.budget.release(r.weight())
	if r.release != nil {
		r.release()
	}
	if r.timeout != nil {
		r.timeout.Stop()
	}
	close(r.done)
	if d.parting != nil && len(d.pending) == 0 {
		d.nudge()
	}
}

// lose ends a request with its connection. What it was to change may have
// changed (attack A26).
func (r *request) lose(cause error) {
	r.failure = cause
	if r.sent && r.changes() {
		r.failure = fmt.Errorf("%w (a %s of %d bytes at %d): %w", ErrUnknownOutcome, r.op, r.length, r.offset, cause)
	}
}

// deliver copies data that has arrived to the caller's buffer, if it is still ours.
func (r *request) deliver(at int, data []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.dst != nil {
		copy(r.dst[at:], data)
	}
}

// zero clears n bytes of the caller's buffer.
func (r *request) zero(at, n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.dst != nil {
		clear(r.dst[at : at+n])
	}
}
