package nbd

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// closeTimeout bounds how long Close waits for the replies under way.
const closeTimeout = 5 * time.Second

// receiveBuffer is the size of the receive buffer in bytes: four TLS records.
const receiveBuffer = 64 << 10

// errClosed is what calls on a closed disk get.
var errClosed = fmt.Errorf("nbd: disk: %w", net.ErrClosed)

// A Disk is an open export: the transmission phase of a connection. Its
// methods are safe for many goroutines at once, and many requests are under
// way together.
//
// Any byte range may be read or written; the server's block sizes are this
// package's business. Two writes that overlap are sent one after the other, in
// no promised order.
//
// Cancelling a context gives up waiting, at once: the buffer is the caller's
// again. A cancelled write may or may not happen, and so may one whose
// connection ends before the answer: that one's error wraps ErrUnknownOutcome.
//
// Two goroutines serve a Disk. receive owns the receiving side, and the one
// teardown: it gives every waiter the first cause. send owns the sending side.
type Disk struct {
	info     ExportInfo
	tls      *tls.ConnectionState
	readOnly bool
	framing  Framing
	contexts []metaContext
	piece    int64         // bytes of one request's data at most
	patience time.Duration // for the answer to a request; 0 for ever

	raw, conn net.Conn
	r         *bufio.Reader
	heard     atomic.Int64 // counts what came from the server

	budget *budget    // bytes in flight
	writes *rangeLock // ranges with a write under way

	mu      sync.Mutex
	pending map[uint64]*request // by cookie, until the reply has arrived
	queue   []*request          // not yet sent
	cookie  uint64
	parting error // set once no more requests are taken; the cause that Wait tells
	cause   error // why the connection is going down, the first one
	wake    chan struct{}

	ended chan struct{} // closed by the teardown
	loops sync.WaitGroup
}

func newDisk(c *Client, info *ExportInfo) *Disk {
	d := &Disk{
		info: *info, tls: c.tls, framing: c.framing, contexts: c.contexts,
		readOnly: info.ReadOnly() || c.cfg.ReadOnly,
		piece:    pieceSize(info.BlockSize, c.cfg.maxInFlight()), patience: c.cfg.RequestTimeout,
		raw: c.raw, conn: c.conn, r: bufio.NewReaderSize(c.conn, receiveBuffer),
		budget: newBudget(c.cfg.maxInFlight()), writes: newRangeLock(),
		pending: map[uint64]*request{},
		wake:    make(chan struct{}, 1), ended: make(chan struct{}),
	}
	d.info.Flags = usable(info.Flags, c.framing, len(c.contexts) > 0)
	d.loops.Go(d.receive)
	d.loops.Go(d.send)
	return d
}

// usable drops the flags that mean nothing beside what was negotiated.
func usable(f TransmissionFlags, framing Framing, contexts bool) TransmissionFlags {
	if framing == FramingSimple {
		f &^= FlagSendDF
	}
	if framing != FramingExtended || !contexts {
		f &^= FlagBlockStatusPayload
	}
	if f&FlagSendWriteZeroes == 0 {
		f &^= FlagSendFastZero
	}
	return f
}

// Info returns what the server told of the export.
func (d *Disk) Info() *ExportInfo {
	info := d.info
	return &info
}

// TLS returns the facts of the TLS session, or nil without TLS.
func (d *Disk) TLS() *tls.ConnectionState { return d.tls }

// Framing is what was negotiated.
func (d *Disk) Framing() Framing { return d.framing }

// MetaContexts are the names of the metadata contexts that are selected, in
// the server's order: those of Config.MetaContexts that the export has.
func (d *Disk) MetaContexts() []string {
	names := make([]string, len(d.contexts))
	for i, m := range d.contexts {
		names[i] = m.name
	}
	return names
}

// ReadOnly tells whether writes are refused, by the export or by Config.ReadOnly.
func (d *Disk) ReadOnly() bool { return d.readOnly }

// Wait blocks until the connection has ended and its goroutines with it. It
// returns nil after Close, else the first cause.
func (d *Disk) Wait() error {
	d.loops.Wait()
	if d.cause == errClosed { // a connection that others have closed says something like it
		return nil
	}
	return d.cause
}

// Close refuses new requests, waits for the replies under way (5 seconds at
// most), disconnects with NBD_CMD_DISC and closes the connection. It does not
// Flush. Requests after it fail with net.ErrClosed.
func (d *Disk) Close() error {
	d.part(errClosed)
	timeout := time.AfterFunc(closeTimeout, func() { d.fail(errClosed) })
	defer timeout.Stop()
	d.loops.Wait()
	return nil
}

// part takes no more requests; send says goodbye when none is under way.
func (d *Disk) part(cause error) {
	d.mu.Lock()
	if d.parting == nil {
		d.parting = cause
	}
	d.mu.Unlock()
	d.nudge()
}

// fail brings the connection down. The first cause wins; closing the
// connection makes receive run the teardown.
func (d *Disk) fail(cause error) {
	d.mu.Lock()
	if d.cause == nil {
		d.cause = cause
	}
	d.mu.Unlock()
	d.raw.Close()
}

// nudge wakes send.
func (d *Disk) nudge() {
	select {
	case d.wake <- struct{}{}:
	default:
	}
}
