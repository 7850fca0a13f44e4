package nbd

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// redialBase and redialMax bound the time between two attempts: it is
	// drawn evenly from nothing up to a bound that doubles, so that the
	// clients of a server that restarts don't come all at once.
	redialBase = 100 * time.Millisecond
	redialMax  = 10 * time.Second
	// replaysInFlight is how many kept writes are sent again at once.
	replaysInFlight = 64
	// openingSteps is how many steps of a connection's opening, at most, are
	// taken to have lasted for all of their time: what is more was not run.
	openingSteps = 3
)

// A link is one connection of a LastingDisk.
type link struct {
	disk     *Disk
	begun    time.Time
	idle     atomic.Int64 // nanoseconds until a caller used it, and 1; 0 means none has
	answered atomic.Bool  // a caller has had an answer
	parting  chan struct{}
	part     sync.Once
}

func newLink(d *Disk) *link {
	return &link{disk: d, begun: time.Now(), parting: make(chan struct{})}
}

// ends tells whether err is the end of the connection, or the server's word
// that it is near, rather than an answer.
func (l *link) ends(err error) bool {
	if errors.Is(err, ESHUTDOWN) {
		l.part.Do(func() { close(l.parting) })
		return true
	}
	l.disk.mu.Lock()
	defer l.disk.mu.Unlock()
	cause, parting := l.disk.cause, l.disk.parting
	return err == errStale || cause != nil && errors.Is(err, cause) || parting != nil && errors.Is(err, parting)
}

// used notes that a caller is about to ask something.
func (l *link) used() { l.idle.CompareAndSwap(0, int64(time.Since(l.begun))+1) }

// proven tells a connection that was of use: it has answered, or lasted while
// nobody asked. It may have died long before a request found that out.
func (l *link) proven() bool {
	l.used()
	return l.answered.Load() || l.idle.Load() > int64(redialMax)
}

// lost waits for the connection to end. A server that announces its end has
// little time to answer what is under way.
func (l *link) lost() error {
	select {
	case <-l.disk.ended:
	case <-l.parting:
		_ = l.disk.Close()
	}
	cause := l.disk.Wait()
	l.disk.mu.Lock()
	defer l.disk.mu.Unlock()
	return firstError(cause, l.disk.parting, l.disk.cause)
}

// An outage is the time from the loss of a connection that was of use to an
// answer from the next one.
type outage struct {
	since    time.Time
	attempts int
	doubled  int // how many times the bound of the delays has
}

// delay draws the time before the next attempt.
func (o *outage) delay() time.Duration {
	bound := redialMax
	if o.doubled < 10 {
		bound = min(redialBase<<o.doubled, redialMax)
	}
	o.attempts++
	o.doubled++
	return rand.N(bound)
}

// ran leaves out of the outage what a step took beyond its limit: the program
// did not run then, and nothing was tried.
func (o *outage) ran(begun time.Time, limit time.Duration) {
	o.since = o.since.Add(max(time.Since(begun)-limit, 0))
}

// keep is the one goroutine that makes connections, until the disk ends.
func (r *LastingDisk) keep(ctx context.Context, l *link) {
	var o outage
	for {
		cause := l.lost()
		if !r.unpublish(l, cause) {
			return
		}
		r.tell(Event{Kind: EventLost, Cause: cause})
		if o.since.IsZero() || l.proven() {
			o = outage{since: time.Now()}
		}
		var err error
		if l, err = r.reconnect(ctx, &o, cause); err != nil {
			if ctx.Err() == nil {
				r.endWith(err)
				r.tell(Event{Kind: EventEnded, Cause: err})
			}
			return
		}
	}
}

// reconnect tries until there is a connection, or there can't be one.
func (r *LastingDisk) reconnect(ctx context.Context, o *outage, cause error) (*link, error) {
	if isLastWord(cause) {
		return nil, cause
	}
	for ctx.Err() == nil {
		left := r.cfg.giveUpAfter() - time.Since(o.since)
		if left <= 0 {
			return nil, fmt.Errorf("nbd: gave up after %v without a connection that works: %w", r.cfg.giveUpAfter(), cause)
		}
		delay := min(o.delay(), left)
		r.tell(Event{Kind: EventRetrying, Attempt: o.attempts, Delay: delay, Cause: cause})
		if !r.pause(ctx, o, delay) {
			break
		}
		var l *link
		var again bool
		if l, again, cause = r.attempt(ctx, o, left-delay); l != nil || !again {
			return l, cause
		}
	}
	return nil, context.Cause(ctx)
}

// pause waits before an attempt, unless it is hurried: then the delays begin
// anew too. It tells whether there is to be an attempt.
func (r *LastingDisk) pause(ctx context.Context, o *outage, delay time.Duration) bool {
	begun := time.Now()
	t := time.NewTimer(delay)
	defer t.Stop()
	select {
	case <-t.C:
		o.ran(begun, delay)
	case <-r.hurry:
		o.doubled = 0
	case <-ctx.Done():
		return false
	}
	return true
}

// attempt makes one connection, verifies it, sends the kept writes again, and
// only then publishes it. Nothing of it may stall for longer than is left of
// the outage's time.
func (r *LastingDisk) attempt(ctx context.Context, o *outage, left time.Duration) (l *link, again bool, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stalled := time.AfterFunc(max(left, redialBase), func() { cancel(ErrHandshakeTimeout) })
	defer stalled.Stop()
	begun := time.Now()
	d, err := r.open(ctx)
	o.ran(begun, openingSteps*r.cfg.handshakeTimeout())
	if err != nil {
		return nil, !isFinal(err), err
	}
	if err := d.sameAs(r.facts, r.export); err != nil {
		_ = d.Close()
		return nil, false, err
	}
	if err := r.replay(ctx, d, func() { stalled.Reset(r.cfg.giveUpAfter()) }); err != nil {
		d.fail(err)
		_ = d.Wait()
		return nil, true, err
	}
	l = newLink(d)
	if !r.publish(l) {
		_ = d.Close()
		return nil, false, r.end
	}
	return l, false, nil
}

// open makes one connection. The steps of the negotiation have limits of their
// own; so has dial, once there is nobody whose context could bound it.
func (r *LastingDisk) open(ctx context.Context) (*Disk, error) {
	dialing, cancel := ctx, context.CancelFunc(func() {})
	if r.facts != nil {
		dialing, cancel = context.WithTimeoutCause(ctx, r.cfg.handshakeTimeout(), ErrHandshakeTimeout)
	}
	defer cancel()
	conn, err := r.dial(dialing)
	if err != nil {
		return nil, fmt.Errorf("nbd: dialling: %w", err)
	}
	client, err := NewClient(ctx, conn, &r.cfg.Config)
	if err != nil {
		return nil, err
	}
	d, err := client.Open(ctx, r.export)
	if err != nil {
		_ = client.Abort(ctx) // after a refusal; else it is closed already
		return nil, err
	}
	return d, nil
}

// replay sends the kept writes again, before anyone can write anything newer.
// What the server refuses is lost, and told by the next Flush.
func (r *LastingDisk) replay(ctx context.Context, d *Disk, progress func()) error {
	r.mu.Lock()
	entries := r.journal.writes()
	r.mu.Unlock()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	l := newLink(d)
	var next atomic.Int64
	var workers sync.WaitGroup
	for range min(len(entries), replaysInFlight) {
		workers.Go(func() {
			for i := next.Add(1) - 1; i < int64(len(entries)) && ctx.Err() == nil; i = next.Add(1) - 1 {
				if err := r.again(ctx, l, entries[i]); err != nil {
					cancel(err)
					return
				}
				progress()
			}
		})
	}
	workers.Wait()
	return context.Cause(ctx)
}

// again sends one kept write. Only the loss of the connection is an error.
func (r *LastingDisk) again(ctx context.Context, l *link, e *entry) error {
	var err error
	if e.data != nil {
		err = l.disk.Write(ctx, e.data, e.lo, 0)
	} else {
		err = l.disk.WriteZeroes(ctx, e.lo, e.hi-e.lo, e.flags)
	}
	if err == nil || ctx.Err() != nil || l.ends(err) {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.journal.refused(e, err)
	return nil
}

// publish hands the connection to the callers, unless the disk has ended.
func (r *LastingDisk) publish(l *link) bool {
	r.mu.Lock()
	if r.end != nil {
		r.mu.Unlock()
		return false
	}
	l.begun = time.Now()
	r.link, r.tls = l, l.disk.tls
	r.moveLocked()
	r.mu.Unlock()
	r.tell(Event{Kind: EventConnected, TLS: l.disk.tls})
	return true
}

// unpublish takes the connection from the callers: from here on no answer of
// it counts for the journal. It tells whether there is to be another one.
func (r *LastingDisk) unpublish(l *link, cause error) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.end != nil {
		return false
	}
	r.link = nil
	r.journal.cross(cause)
	return true
}

func (r *LastingDisk) tell(e Event) {
	if r.cfg.Events != nil {
		r.cfg.Events(e)
	}
}
