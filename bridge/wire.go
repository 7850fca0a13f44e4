package bridge

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"
)

// A wire is the client's connection, under the library.
//
// The library parses what the client sends; the frames to the client are
// written here. The library gives every control frame five seconds, and ends
// the connection when a client that merely stalls has not taken it by then. It
// also gives a client five seconds to take everything and answer a Close.
type wire struct {
	net.Conn
	patience time.Duration // for the client to take one frame

	turn chan struct{} // holds a token while a frame is being written
	shut bool          // no frame may follow: a Close was sent, or part of a frame

	pongs  chan []byte // frames that await their turn
	answer []byte      // the Close frame that the library would send
	heard  stopwatch   // since the client last took or sent something
}

func newWire(patience time.Duration) *wire {
	return &wire{
		patience: patience, turn: make(chan struct{}, 1), pongs: make(chan []byte, 2),
		heard: stopwatch{start: time.Now()},
	}
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
	h.wire.Conn = conn
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

// Write takes the library's control frames, and never waits. A flood of pings
// gets fewer pongs (RFC 6455, 5.5.3).
func (w *wire) Write(frame []byte) (int, error) {
	if frame[0] == closeFrame {
		w.answer = bytes.Clone(frame)
		return len(frame), nil
	}
	select {
	case w.pongs <- bytes.Clone(frame):
	default:
	}
	return len(frame), nil
}

// Close is the library's, which would lose what is still on its way; the
// session closes when that has arrived.
func (w *wire) Close() error { return nil }

// send writes one frame. A client that has not taken it within patience is
// gone.
func (w *wire) send(frame []byte) error {
	w.turn <- struct{}{}
	defer func() { <-w.turn }()
	if w.shut {
		return net.ErrClosed
	}
	start := time.Now()
	_ = w.Conn.SetWriteDeadline(start.Add(w.patience))
	_, err := w.Conn.Write(frame)
	w.shut = err != nil || frame[0] == closeFrame
	if err == nil && time.Since(start) > stalled {
		w.heard.reset()
	}
	return err
}

// stalled is how long a write takes at least if it waits for the client. One
// that returns sooner shows that our kernel had room, not that the client is
// alive; one that had to wait shows that the client took something.
const stalled = 10 * time.Millisecond

// Kinds of frames, each final (RFC 6455, 5.2).
const (
	binaryFrame = 0x82
	closeFrame  = 0x88
	pingFrame   = 0x89
)

// headroom is the length of the longest header of an unmasked frame.
const headroom = 10

// frame writes a header right before the payload, which begins at
// buf[headroom], so that both go out in one call.
func frame(kind byte, buf []byte) []byte {
	n := len(buf) - headroom
	switch {
	case n < 126:
		buf = buf[headroom-2:]
		buf[1] = byte(n)
	case n < 1<<16:
		buf = buf[headroom-4:]
		buf[1] = 126
		binary.BigEndian.PutUint16(buf[2:], uint16(n))
	default:
		buf[1] = 127
		binary.BigEndian.PutUint64(buf[2:], uint64(n))
	}
	buf[0] = kind
	return buf
}

func newClose(code websocket.StatusCode, reason string) []byte {
	buf := make([]byte, headroom, headroom+2+len(reason))
	buf = binary.BigEndian.AppendUint16(buf, uint16(code))
	return frame(closeFrame, append(buf, reason...))
}

func newPing() []byte { return frame(pingFrame, make([]byte, headroom)) }

// A stopwatch tells the time since its last reset, by the monotonic clock: a
// set clock must not end sessions.
type stopwatch struct {
	start time.Time
	at    atomic.Int64 // nanoseconds after start
}

func (s *stopwatch) reset()                 { s.at.Store(int64(time.Since(s.start))) }
func (s *stopwatch) elapsed() time.Duration { return time.Since(s.start) - time.Duration(s.at.Load()) }
