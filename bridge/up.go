package bridge

import (
	"context"
	"errors"
	"io"
	"sync"
	"syscall"

	"github.com/coder/websocket"
)

// bufferSize is what a buffer holds, in bytes; nothing else of a session's data
// is ever held in user space.
const bufferSize = 64 << 10

// buffers are taken when there is something to put into them.
var buffers = sync.Pool{New: func() any { return new([headroom + bufferSize]byte) }}

func takeBuffer() *[headroom + bufferSize]byte { return buffers.Get().(*[headroom + bufferSize]byte) }

// copyUp forwards what the client sends. Once there is a verdict it reads on
// and throws away, up to the client's own Close: unread input would cost the
// client the last bytes that are on their way to it.
func (s *session) copyUp() {
	s.ws.SetReadLimit(-1) // messages pass through a buffer, whatever their size
	for {
		if err := s.copyMessages(); err != nil {
			s.clientEnded(err)
			return
		}
	}
}

// copyMessages forwards one message as it comes, and in one go those that have
// come behind it already.
func (s *session) copyMessages() error {
	message, err := s.nextMessage()
	if err != nil {
		return err
	}
	buf := takeBuffer()
	defer buffers.Put(buf)
	if err := s.copyMessage(message, buf[:]); err != nil {
		return err
	}
	n, err := s.gather(buf[:])
	s.forward(buf[:n])
	return err
}

func (s *session) nextMessage() (io.Reader, error) {
	// A context that can't end costs the library nothing per read; deadlines
	// and closing the connection end the reads.
	kind, message, err := s.ws.Reader(context.Background())
	if err == nil && kind != websocket.MessageBinary {
		s.end(verdict{code: websocket.StatusUnsupportedData, reason: "binary messages only"})
	}
	return message, err
}

// copyMessage forwards a message as it comes. What Read returns beside an
// error is dropped: the library has not unmasked it.
func (s *session) copyMessage(message io.Reader, buf []byte) error {
	for size := int64(0); ; {
		n, err := message.Read(buf)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		size += int64(n)
		s.weigh(size)
		s.forward(buf[:n])
	}
}

// gather reads whole messages for as long as that takes no waiting.
func (s *session) gather(buf []byte) (n int, err error) {
	for {
		size, ok := s.client.atHand()
		if !ok || n+size > len(buf) || s.limits.tooLong(int64(size)) {
			return n, nil
		}
		message, err := s.nextMessage()
		if err != nil {
			return n, err
		}
		m, err := io.ReadFull(message, buf[n:n+size])
		n += m
		if err == nil {
			_, err = message.Read(make([]byte, 1))
		}
		if !errors.Is(err, io.EOF) {
			return n, err
		}
	}
}

// forward writes to the target. A failure is left for copyDown to find, after
// the target's last words; but a reset is told once, and reads as a good end
// from then on.
func (s *session) forward(b []byte) {
	if len(b) == 0 || s.ended() {
		return
	}
	s.forwarded.reset()
	s.forwarding.Store(true)
	n, err := s.target.Write(b)
	if errors.Is(err, syscall.ECONNRESET) {
		s.reset.Store(true)
	}
	s.client.heard.reset()
	s.forwarding.Store(false)
	s.handler.metrics.waited(sideTarget, s.forwarded.elapsed())
	s.up.Add(int64(n))
	s.moved.reset()
}
