package bridge

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"

	"github.com/coder/websocket"
)

// Buffers of the relay, in bytes. Down is also the largest message that a
// browser gets; up is how much of a message is gathered before it goes on.
const (
	downBuffer = 64 << 10
	upBuffer   = 32 << 10
)

var buffers = sync.Pool{New: func() any { return new([downBuffer]byte) }}

// copyDown sends what the target says, each read as one message, never waiting
// for more. A slow browser blocks the write, which stalls the target's TCP
// connection and nothing else.
func (s *session) copyDown() {
	defer s.recover()
	buf := buffers.Get().(*[downBuffer]byte)
	defer buffers.Put(buf)
	for {
		n, err := s.target.Read(buf[:])
		if n > 0 {
			if !s.sendDown(buf[:n]) {
				s.cut()
				return
			}
		}
		if err != nil {
			s.targetEnded(err)
			return
		}
	}
}

func (s *session) sendDown(b []byte) bool {
	s.writing.Store(true)
	defer s.writing.Store(false)
	// Without a deadline of its own the library's write costs no timer;
	// cutting the session is what cancels it.
	if err := s.ws.Write(context.Background(), websocket.MessageBinary, b); err != nil {
		s.note("the client is gone")
		return false
	}
	s.down.Add(int64(len(b)))
	s.moved()
	return true
}

// targetEnded tells the browser, after the last byte.
func (s *session) targetEnded(err error) {
	if errors.Is(err, net.ErrClosed) { // we closed it: the reason is known
		s.cut()
		return
	}
	if errors.Is(err, io.EOF) {
		s.end(websocket.StatusNormalClosure, "the target closed the connection")
		return
	}
	s.end(websocket.StatusNormalClosure, "the target broke the connection")
}

// copyUp writes what the browser sends, byte by byte of whatever messages,
// and closes the target's connection when the browser has closed.
func (s *session) copyUp() {
	defer s.recover()
	defer s.target.Close()
	s.ws.SetReadLimit(-1) // messages are streamed, never held
	buf := make([]byte, upBuffer)
	for {
		typ, message, err := s.ws.Reader(context.Background())
		if err != nil {
			s.clientEnded(err)
			return
		}
		if typ != websocket.MessageBinary {
			s.end(websocket.StatusUnsupportedData, "binary messages only")
			return
		}
		if err := s.sendUp(message, buf); err != nil {
			s.clientEnded(err)
			return
		}
	}
}

// sendUp streams one message. When the target takes no more the rest is read
// all the same, until copyDown has brought what the target still says: unread
// bytes would make the kernel throw away what is on its way to the browser.
func (s *session) sendUp(message io.Reader, buf []byte) error {
	for {
		n, err := message.Read(buf)
		if n > 0 {
			s.forward(buf[:n])
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func (s *session) forward(b []byte) {
	s.forwarding.Store(true)
	defer s.forwarding.Store(false)
	if _, err := s.target.Write(b); err == nil {
		s.up.Add(int64(len(b)))
	}
	s.moved()
}

func (s *session) clientEnded(err error) {
	if code := websocket.CloseStatus(err); code != -1 {
		s.note(fmt.Sprintf("the client closed (%d)", code))
		return
	}
	s.note("the client is gone")
}
