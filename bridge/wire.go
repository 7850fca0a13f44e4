package bridge

import (
	"bufio"
	"bytes"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// A wire is the client's connection, under the library.
//
// The library parses what the client sends; the frames to the client are
// written here. The library gives every control frame five seconds, and ends
// the connection when a client that merely stalls has not taken it by then. It
// also gives a client five seconds to take everything and answer a Close.
//
// Frames take turns. A control frame never waits for its own: whoever has the
// turn writes the frames that are queued, between two of its own.
type wire struct {
	net.Conn
	socket  *socket       // beneath Conn, to write to; nil if there is none to be had
	meter   *meter        // of what the client's kernel has
	input   *bufio.Reader // that the library reads from
	broken  func(error)   // is told that a queued frame could not be written
	metrics *metrics

	turn chan struct{} // holds a token while frames are being written
	shut bool          // no frame may follow: a Close was sent, or part of a frame

	mu       sync.Mutex
	queue    []byte         // control frames that await their turn
	flushers sync.WaitGroup // goroutines that took a turn for the queue

	answer  []byte      // the Close frame that the library would send
	heard   stopwatch   // since the client last took or sent something
	blocked atomic.Bool // a write is under way, and may wait for the client
	taken   stopwatch   // since then, or since the client last took something
}

// longestQueue bounds the control frames that await their turn, in bytes. A
// flood of pings gets fewer pongs (RFC 6455, 5.5.3).
const longestQueue = 1 << 10

func newWire(m *metrics) *wire {
	now := time.Now()
	return &wire{metrics: m, turn: make(chan struct{}, 1), heard: stopwatch{start: now}, taken: stopwatch{start: now}}
}

// hijacker makes the library take the wire in place of the connection.
type hijacker struct {
	http.ResponseWriter
	wire *wire
}

// Hijack gives the library a writer of its own: any control frame fits in it,
// so each one comes to Write in one piece.
func (h *hijacker) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, buffers, err := http.NewResponseController(h.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, err
	}
	h.wire.Conn, h.wire.socket, h.wire.meter, h.wire.input = conn, clientSocket(conn), newMeter(conn), buffers.Reader
	return h.wire, bufio.NewReadWriter(buffers.Reader, bufio.NewWriterSize(h.wire, 256)), nil
}

// Read counts whatever comes as a sign of life.
func (w *wire) Read(p []byte) (int, error) {
	n, err := w.Conn.Read(p)
	if n > 0 {
		w.heard.reset()
	}
	return n, err
}

// atHand tells whether the next message has come already as one whole frame,
// and its size in bytes.
func (w *wire) atHand() (size int, ok bool) {
	b, err := w.input.Peek(w.input.Buffered())
	if err != nil {
		return 0, false
	}
	return wholeMessage(b)
}

// Write takes the library's control frames, and never waits.
func (w *wire) Write(frame []byte) (int, error) {
	if frame[0] == closeFrame {
		w.answer = bytes.Clone(frame)
	} else {
		w.control(frame)
	}
	return len(frame), nil
}

// Close is the library's, which would lose what is still on its way; the
// session closes when that has arrived.
func (w *wire) Close() error { return nil }

// control queues a frame, and sees to it that somebody writes it.
func (w *wire) control(frame []byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.queue)+len(frame) > longestQueue {
		return
	}
	w.queue = append(w.queue, frame...)
	select {
	case w.turn <- struct{}{}:
		w.flushers.Go(w.release)
	default:
	}
}

// release gives the turn back, after the frames that were queued meanwhile.
func (w *wire) release() {
	for more := true; more; {
		if err := w.flush(); err != nil {
			w.broken(err)
		}
		more = w.leave()
	}
}

// leave gives the turn back unless it finds a frame that nobody would write.
func (w *wire) leave() (stay bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.queue) == 0 || w.shut {
		<-w.turn
		return false
	}
	return true
}

// flush writes the queue, frame by frame, as each one that is taken is a sign
// of life; the caller has the turn.
func (w *wire) flush() error {
	w.mu.Lock()
	frames := w.queue
	w.queue = nil
	w.mu.Unlock()
	for len(frames) > 0 && !w.shut {
		n := 2 + int(frames[1])
		if err := w.write(frames[:n]); err != nil {
			return err
		}
		frames = frames[n:]
	}
	return nil
}

// send writes one frame in its turn.
func (w *wire) send(frame []byte) error {
	if err := w.claim(); err != nil {
		return err
	}
	defer w.release()
	err := w.write(frame)
	w.shut = w.shut || frame[0] == closeFrame
	return err
}

// claim waits for the turn.
func (w *wire) claim() error {
	w.turn <- struct{}{}
	if w.shut {
		w.release()
		return net.ErrClosed
	}
	return nil
}

// write hands bytes over; the caller has the turn. It sets no deadline: the
// session's heart, and its end, look after a client that takes nothing.
func (w *wire) write(p []byte) error {
	for len(p) > 0 {
		n := min(len(p), headroom+bufferSize)
		if err := w.writeSome(p[:n]); err != nil {
			w.shut = true
			return err
		}
		p = p[n:]
	}
	return nil
}

func (w *wire) writeSome(p []byte) error {
	start := time.Now()
	w.block()
	_, err := w.Conn.Write(p)
	w.blocked.Store(false)
	if err != nil {
		return err
	}
	if took := time.Since(start); took > stalled {
		w.heard.reset()
		w.metrics.waited(sideClient, took)
	}
	return nil
}

// block begins to measure how long the client takes nothing.
func (w *wire) block() {
	w.taken.reset()
	w.blocked.Store(true)
}

// took is for a client that took something that was waited for.
func (w *wire) took() {
	w.taken.reset()
	w.heard.reset()
}

// stalled is how long a write takes at least if it waits for the client. One
// that returns sooner shows that our kernel had room, not that the client is
// alive; one that had to wait shows that the client took something.
const stalled = 10 * time.Millisecond
