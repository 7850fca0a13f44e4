package nbd

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"
)

// Defaults of RedialConfig.
const (
	DefaultMaxUnflushed = 64 << 20 // bytes
	DefaultGiveUpAfter  = 2 * time.Minute
)

// RedialConfig says how a LastingDisk is opened, and for how long it holds on.
type RedialConfig struct {
	// Config is that of each connection. With RequestTimeout 0, a server that
	// is there and answers nothing is waited for without end, unless Check
	// finds it out.
	Config

	// Events hears of the connection: each call returns before the next one
	// begins. It must be quick, and must not call Wait or Close. Close itself is
	// no event. nil for none.
	Events func(Event)

	// MaxUnflushed bounds the memory for writes that a restarted server may
	// have lost, in bytes; 0 means DefaultMaxUnflushed. A write that finds no
	// room flushes first, and one that is larger than all of it is sent with
	// FlagFUA.
	MaxUnflushed int64

	// GiveUpAfter is how long an outage may last before the disk ends; 0 means
	// DefaultGiveUpAfter. Connections that are lost before they have answered
	// a single request count as part of the outage; time in which the program
	// did not run, such as that of a frozen page, mostly does not.
	GiveUpAfter time.Duration
}

// An EventKind is what happened to the connection of a LastingDisk.
type EventKind int

// The events of a LastingDisk.
const (
	EventConnected EventKind = iota // requests are served, after EventLost again
	EventLost                       // the connection has ended; Cause tells why
	EventRetrying                   // the next attempt comes after Delay; Cause tells why the last one failed
	EventEnded                      // the disk has ended for good; Cause tells why
)

func (k EventKind) String() string {
	names := [...]string{"connected", "lost", "retrying", "ended"}
	if k < 0 || int(k) >= len(names) {
		return fmt.Sprintf("EventKind(%d)", int(k))
	}
	return names[k]
}

// An Event is told to RedialConfig.Events.
type Event struct {
	Kind    EventKind
	Attempt int           // with EventRetrying: 1 is the first of an outage
	Delay   time.Duration // with EventRetrying
	Cause   error         // nil with EventConnected

	TLS *tls.ConnectionState // with EventConnected; nil without TLS
}

// ErrUnflushed is a Flush, a write with FlagFUA or a Close that can't promise
// what was asked: writes that had been acknowledged before are lost, or may
// be. The error is an *UnflushedError.
var ErrUnflushed = errors.New("nbd: acknowledged writes were lost")

// An UnflushedError tells which acknowledged writes were lost: all of them lie
// in the range. It unwraps to ErrUnflushed and to the cause.
type UnflushedError struct {
	Offset, Length int64 // bytes
	Cause          error // the first one
}

func (e *UnflushedError) Error() string {
	return fmt.Sprintf("%v, within %d bytes at %d: %v", ErrUnflushed, e.Length, e.Offset, e.Cause)
}

func (e *UnflushedError) Unwrap() []error { return []error{ErrUnflushed, e.Cause} }

// A LastingDisk is a Disk that outlasts its connection: when that is lost it
// dials again, makes sure that it has found the same export of the same
// server, and goes on. Its methods are those of Disk; they wait for a
// connection as long as their context allows.
//
// Requests that were not answered are run again. One that loses every
// connection it gets, for longer than RedialConfig.GiveUpAfter, fails with the
// cause of the last loss. A change that was sent, and whose outcome nobody
// will learn, because its context or the disk ends first, fails with
// ErrUnknownOutcome.
//
// Writes that were acknowledged but not yet flushed may be lost when a server
// restarts. They are kept, and sent again before the new connection serves
// anyone, never over newer bytes. Where that is impossible (the server refuses
// them; or a later write to the same bytes failed when the older ones had been
// given up for it) the next Flush, or write with FlagFUA, fails with
// ErrUnflushed. Like fsync it tells so once: the Flush after it may succeed.
// Trims are not kept: what is lost with them is undefined anyway. Exports
// without FlagSendFlush promise nothing, so nothing is kept for them.
//
// Overlapping changes are made one after the other. What a read sees of a
// range that is being written is undefined, and after an outage it may be
// older than the write before.
//
// NBD has no way to fence off a lost connection: a server that is still busy
// with a request of the old one, after the new one was served, can carry it
// out late. Servers that end a connection's requests before they accept the
// next one, or that died, are safe.
type LastingDisk struct {
	cfg    RedialConfig
	dial   func(context.Context) (net.Conn, error)
	export string
	facts  *Disk // of the first connection, without the connection

	keeps  bool       // a journal is kept
	writes *rangeLock // ranges with a change under way
	admit  chan struct{}
	hurry  chan struct{} // ends the time before the next attempt

	mu      sync.Mutex
	link    *link // nil during an outage
	tls     *tls.ConnectionState
	journal journal
	moved   chan struct{} // closed and renewed when link, end or the journal's room changes
	end     error         // once set, for good

	stop context.CancelFunc
	loop sync.WaitGroup
}

// Redial opens an export as Client.Open does, on the connection that dial
// makes, and dials again whenever it is lost. dial must heed its context, and
// is never called twice at once. ctx bounds this call only; the first
// connection is not retried.
//
// The disk ends, and does not dial again, when TLS fails for reasons of trust,
// when the server refuses the export or breaks the negotiation, when it is not
// the one it was (an *IdentityError), after RedialConfig.GiveUpAfter, and when
// dial says so: an error of dial, or one that ended a connection of its, is the
// last one if it has a method Final() bool that returns true.
func Redial(ctx context.Context, dial func(context.Context) (net.Conn, error), cfg *RedialConfig, export string) (*LastingDisk, error) {
	r := &LastingDisk{
		cfg: *cfg, dial: dial, export: export,
		writes: newRangeLock(), admit: make(chan struct{}, 1), hurry: make(chan struct{}, 1),
		moved:   make(chan struct{}),
		journal: journal{limit: cfg.maxUnflushed()},
	}
	d, err := r.open(ctx)
	if err != nil {
		return nil, err
	}
	r.facts = &Disk{info: d.info, tls: d.tls, readOnly: d.readOnly, framing: d.framing, contexts: d.contexts}
	r.keeps = !d.readOnly && d.info.Flags&FlagSendFlush != 0
	l := newLink(d)
	r.publish(l)
	ctx, r.stop = context.WithCancel(context.Background())
	r.loop.Go(func() { r.keep(ctx, l) })
	return r, nil
}

func (c *RedialConfig) maxUnflushed() int64 {
	if c.MaxUnflushed > 0 {
		return c.MaxUnflushed
	}
	return DefaultMaxUnflushed
}

func (c *RedialConfig) giveUpAfter() time.Duration {
	if c.GiveUpAfter > 0 {
		return c.GiveUpAfter
	}
	return DefaultGiveUpAfter
}

// Info returns what the server told of the export.
func (r *LastingDisk) Info() *ExportInfo { return r.facts.Info() }

// TLS returns the facts of the latest TLS session, or nil without TLS.
func (r *LastingDisk) TLS() *tls.ConnectionState {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.tls
}

// Framing is what was negotiated.
func (r *LastingDisk) Framing() Framing { return r.facts.Framing() }

// MetaContexts are as those of Disk.
func (r *LastingDisk) MetaContexts() []string { return r.facts.MetaContexts() }

// ReadOnly tells whether writes are refused, by the export or by Config.ReadOnly.
func (r *LastingDisk) ReadOnly() bool { return r.facts.ReadOnly() }

// Wait blocks until the disk has ended for good. It returns nil after Close,
// else the cause.
func (r *LastingDisk) Wait() error {
	r.loop.Wait()
	if r.end == errClosed {
		return nil
	}
	return r.end
}

// Close ends the disk as Disk.Close does; during an outage at once. It does
// not Flush. The error is an *UnflushedError when acknowledged writes were
// lost, or may be because there is no connection left to send them again.
func (r *LastingDisk) Close() error {
	l := r.endWith(errClosed)
	r.stop()
	var cause error
	if l != nil {
		_ = l.disk.Close()
		cause = l.disk.Wait()
	}
	r.loop.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	if l == nil || cause != nil {
		return r.journal.forfeit(firstError(cause, r.end))
	}
	return r.journal.told()
}

// endWith ends the disk for everyone who waits, unless it has ended, and
// returns the connection, if there is one.
func (r *LastingDisk) endWith(cause error) *link {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.end == nil {
		r.end = cause
	}
	r.moveLocked()
	return r.link
}

// moveLocked wakes everyone who waits for a change of link, end or room.
func (r *LastingDisk) moveLocked() {
	close(r.moved)
	r.moved = make(chan struct{})
}
