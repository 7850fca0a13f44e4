package bridge

import (
	"context"
	"errors"
	"io"
	"sync"

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
		// A context that can't end costs the library nothing per read;
		// deadlines and closing the connection end the reads.
		kind, message, err := s.ws.Reader(context.Background())
		if err == nil && kind != websocket.MessageBinary {
			s.end(verdict{code: websocket.StatusUnsupportedData, reason: "binary messages only"})
		}
		if err == nil {
			err = s.copyMessage(message)
		}
		if err != nil {
			s.clientEnded(err)
			return
		}
	}
}

// copyMessage forwards a message as it comes. What Read returns beside an
// error is dropped: the library has not unmasked it.
func (s *session) copyMessage(message io.Reader) error {
	buf := takeBuffer()
	defer buffers.Put(buf)
	for {
		n, err := message.Read(buf[:])
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		s.forward(buf[:n])
	}
}

// forward writes to the target. A failure is left for copyDown to find, after
// the target's last words.
func (s *session) forward(b []byte) {
	if s.ended() {
		return
	}
	s.forwarded.reset()
	s.forwarding.Store(true)
	n, _ := s.target.Write(b)
	s.client.heard.reset()
	s.forwarding.Store(false)
	s.up.Add(int64(n))
	s.moved.reset()
}
