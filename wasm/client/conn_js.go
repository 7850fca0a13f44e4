package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"syscall/js"
	"time"

	"nbdbridge/nbd"
)

const (
	// maxQueued bounds what has arrived and was not read, in bytes. A server
	// sends no more than was asked for, which is nbd.DefaultMaxInFlight, so
	// only a bridge that floods us gets here.
	maxQueued = 4 * nbd.DefaultMaxInFlight
	// messageCost is what a queued message counts beside its bytes: a flood
	// of tiny ones costs memory too.
	messageCost = 256

	sendMark  = 1 << 20 // bytes buffered in the browser above which Write waits
	sendPoll  = 4 * time.Millisecond
	sendChunk = 64 << 10 // bytes, largest message that Write sends

	closeNormal   = 1000
	closeProtocol = 4400 // ours: the bridge sent what it must not
)

// A conn is a net.Conn over the browser's WebSocket. It differs from a TCP
// connection in this:
//
//   - Read gives io.EOF after close code 1000, otherwise a *CloseError; what
//     arrived before the end is read first.
//   - The browser offers no backpressure on receiving, so the queue is bounded
//     and overrunning it ends the connection.
//   - Close sends what was written before it, in the background.
//
// Events only change the state under mu and wake whoever waits for it.
type conn struct {
	ws      socket
	url     string
	renewed bool       // another dial has another ticket
	scratch js.Value   // Uint8Array of sendChunk bytes that Write sends from
	writing sync.Mutex // held for a whole Write
	remove  []func()   // takes the listeners off
	removed func()     // calls remove, once

	mu         sync.Mutex
	changed    *sync.Cond // on any change below
	opened     bool
	closed     bool  // by Close
	cause      error // why nothing more will come
	first      *message
	last       *message
	queued     int // bytes, with messageCost for each message
	readUntil  deadline
	writeUntil deadline
}

// A message waits to be read. Its bytes stay in the memory of JavaScript until
// they are copied into the reader's buffer.
type message struct {
	bytes js.Value // Uint8Array
	size  int
	next  *message
}

func (c *conn) onOpen() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.opened = true
	c.changed.Broadcast()
}

func (c *conn) onMessage(data js.Value) {
	if data.Type() == js.TypeString {
		c.fail("the bridge sent a text message: NBD is binary")
		return
	}
	m := &message{bytes: uint8Array.New(data)}
	m.size = m.bytes.Length()
	if !c.push(m) {
		c.fail(fmt.Sprintf("the bridge sent more than %d bytes that nobody asked for", maxQueued))
	}
}

// push queues a message unless the bound is reached.
func (c *conn) push(m *message) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.queued+m.size+messageCost > maxQueued {
		return false
	}
	c.queued += m.size + messageCost
	if c.last == nil {
		c.first = m
	} else {
		c.last.next = m
	}
	c.last = m
	c.changed.Broadcast()
	return true
}

func (c *conn) onClose(code int, reason string) {
	c.end(&CloseError{Code: code, Reason: reason, renewed: c.renewed})
}

// onError is the end of a socket that never opened: Chromium under a policy
// that forbids it, and Node 22 in every case, tell no close then.
func (c *conn) onError() {
	c.mu.Lock()
	opened := c.opened
	c.mu.Unlock()
	if !opened {
		c.end(&CloseError{Code: closeBroken})
	}
}

// fail ends a connection whose other side broke the rules. What is queued is
// dropped: it may be what fills the memory.
func (c *conn) fail(detail string) {
	c.end(&TunnelError{Detail: detail})
	c.mu.Lock()
	c.drop()
	c.mu.Unlock()
	_ = c.ws.close(closeProtocol, "")
}

// end keeps the first cause and takes the listeners off.
func (c *conn) end(cause error) {
	c.mu.Lock()
	if c.cause == nil {
		c.cause = cause
	}
	c.changed.Broadcast()
	c.mu.Unlock()
	c.removed()
}

func (c *conn) drop() { c.first, c.last, c.queued = nil, nil, 0 }

// Read gives the bytes of one message at most, so it never waits for more
// than there is.
func (c *conn) Read(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for {
		switch {
		case c.closed:
			return 0, net.ErrClosed
		case c.readUntil.passed():
			return 0, os.ErrDeadlineExceeded
		case len(p) == 0:
			return 0, nil
		case c.first != nil:
			if n := c.take(p); n > 0 {
				return n, nil
			}
		case c.cause != nil:
			return 0, endOfRead(c.cause)
		default:
			c.changed.Wait()
		}
	}
}

// take copies from the first message straight into the reader's buffer.
func (c *conn) take(p []byte) int {
	m := c.first
	n := js.CopyBytesToGo(p, m.bytes)
	m.size -= n
	c.queued -= n
	if m.size > 0 {
		m.bytes = m.bytes.Call("subarray", n)
		return n
	}
	c.queued -= messageCost
	if c.first = m.next; c.first == nil {
		c.last = nil
	}
	return n
}

func endOfRead(cause error) error {
	var end *CloseError
	if errors.As(cause, &end) && end.Code == closeNormal {
		return io.EOF
	}
	return cause
}

// Write hands p to the browser, and waits while too much of what was written
// before has not left it.
func (c *conn) Write(p []byte) (n int, err error) {
	c.writing.Lock()
	defer c.writing.Unlock()
	for n < len(p) {
		if err := c.waitWritable(); err != nil {
			return n, err
		}
		k := js.CopyBytesToJS(c.scratch, p[n:])
		if err := c.ws.send(c.scratch.Call("subarray", 0, k)); err != nil {
			return n, fmt.Errorf("websocket: %w", err)
		}
		n += k
	}
	return n, nil
}

func (c *conn) waitWritable() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for {
		switch {
		case c.closed:
			return net.ErrClosed
		case c.cause != nil:
			return c.cause
		case c.writeUntil.passed():
			return os.ErrDeadlineExceeded
		case c.ws.bufferedAmount() <= sendMark:
			return nil
		}
		poll := time.AfterFunc(sendPoll, c.changed.Broadcast) // no event tells that the buffer drained
		c.changed.Wait()
		poll.Stop()
	}
}

// Close ends both directions, in any state, and does not wait for the other side.
func (c *conn) Close() error {
	c.mu.Lock()
	again := c.closed
	c.closed = true
	c.drop()
	c.readUntil.set(c.changed, time.Time{})
	c.writeUntil.set(c.changed, time.Time{})
	c.mu.Unlock()
	if again {
		return nil
	}
	c.removed()
	return c.ws.close(closeNormal, "")
}

// A deadline wakes the waiters of a conn when its time comes. The conn's lock
// guards it.
type deadline struct {
	at    time.Time
	timer *time.Timer
}

func (d *deadline) set(changed *sync.Cond, at time.Time) {
	if d.timer != nil {
		d.timer.Stop()
		d.timer = nil
	}
	if d.at = at; !at.IsZero() {
		d.timer = time.AfterFunc(time.Until(at), changed.Broadcast)
	}
	changed.Broadcast()
}

func (d *deadline) passed() bool { return !d.at.IsZero() && !time.Now().Before(d.at) }

func (c *conn) SetReadDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.readUntil.set(c.changed, t)
	return nil
}

func (c *conn) SetWriteDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.writeUntil.set(c.changed, t)
	return nil
}

func (c *conn) SetDeadline(t time.Time) error {
	return errors.Join(c.SetReadDeadline(t), c.SetWriteDeadline(t))
}

// addr is a name for both ends: a page learns no address.
type addr string

func (addr) Network() string  { return "websocket" }
func (a addr) String() string { return string(a) }

func (c *conn) LocalAddr() net.Addr  { return addr("browser") }
func (c *conn) RemoteAddr() net.Addr { return addr(c.url) }
