package nbd

import (
	"context"
	"encoding/binary"
	"fmt"
	"sync"
)

// minWeight is what the smallest request counts against the bytes in flight,
// so that their number is bounded too.
const minWeight = 4096

// A request is one message to the server and its reply.
type request struct {
	op     string // for error texts
	cmd    uint16
	flags  Flags
	offset int64
	length int
	frame  []byte // header and payload, until sent

	cookie  uint64
	sent    bool   // guarded by Disk.mu
	release func() // frees the range of a write, once, when the request ends
	bounce  func() // copies a partly wanted block to the caller

	mu  sync.Mutex
	dst []byte // where a read's data goes; nil once the caller has its buffer back

	got     coverage // which bytes of a read have arrived
	failure error    // what the server answered, or why the connection ended
	done    chan struct{}
}

// readRequest reads a span, straight into p unless the caller wants only part
// of a block.
func readRequest(s span, p []byte) *request {
	r := &request{op: "read", cmd: cmdRead, offset: s.lo, length: int(s.hi - s.lo), dst: s.of(p)}
	if !s.whole() {
		block := make([]byte, s.hi-s.lo)
		r.dst = block
		r.bounce = func() { copy(s.of(p), block[s.from-s.lo:]) }
	}
	return r
}

// writeRequest copies the span's bytes behind a request header. A block that
// is written in part is read first, and the range is locked from then until
// the server has answered, so that no other write of ours falls in between.
func (d *Disk) writeRequest(ctx context.Context, s span, p []byte, f Flags) (*request, error) {
	release, err := d.writes.lock(ctx, s.lo, s.hi)
	if err != nil {
		return nil, err
	}
	r := &request{op: "write", cmd: cmdWrite, flags: f, offset: s.lo, length: int(s.hi - s.lo), release: release}
	r.frame = make([]byte, lenRequest+r.length)
	payload := r.frame[lenRequest:]
	if !s.whole() {
		if err := d.Read(ctx, payload, s.lo); err != nil {
			release()
			return nil, fmt.Errorf("nbd: reading the block around a partial write: %w", err)
		}
	}
	copy(payload[s.from-s.lo:], s.of(p))
	return r, nil
}

// inFlight starts a request for each span and waits for all of them. On the
// first failure it lets go of the rest.
func (d *Disk) inFlight(ctx context.Context, spans []span, make func(span) (*request, error)) error {
	var flight []*request
	defer func() {
		for _, r := range flight {
			d.abandon(r)
		}
	}()
	for _, s := range spans {
		r, err := make(s)
		if err == nil {
			err = d.start(ctx, r)
		}
		if err != nil {
			return err
		}
		flight = append(flight, r)
		if flight[0].over() { // a long call stops at its first error
			if err := d.wait(ctx, flight[0]); err != nil {
				return err
			}
			flight = flight[1:]
		}
	}
	for ; len(flight) > 0; flight = flight[1:] {
		if err := d.wait(ctx, flight[0]); err != nil {
			return err
		}
	}
	return nil
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
	r.encode()
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

// encode fills in the request header, proto.md "Request message". FLUSH and
// DISC have neither offset nor length.
func (r *request) encode() {
	if r.frame == nil {
		r.frame = make([]byte, lenRequest)
	}
	b := r.frame[:0]
	b = binary.BigEndian.AppendUint32(b, magicRequest)
	b = binary.BigEndian.AppendUint16(b, uint16(r.flags))
	b = binary.BigEndian.AppendUint16(b, r.cmd)
	b = binary.BigEndian.AppendUint64(b, r.cookie)
	b = binary.BigEndian.AppendUint64(b, uint64(r.offset))
	binary.BigEndian.AppendUint32(b, uint32(r.length))
}

func (r *request) weight() int64 { return max(int64(r.length), minWeight) }

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
	close(r.done)
	if d.parting != nil && len(d.pending) == 0 {
		d.nudge()
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
