package bridge

import (
	"context"
	"errors"
	"io"
	"net"
	"time"

	"github.com/coder/websocket"
)

// Buffers of a session, in bytes; nothing else of its data is ever held.
const (
	downBuffer = 64 << 10 // also the largest message to a client
	upBuffer   = 32 << 10
)

// copyDown sends what the target says, each read as one message, never waiting
// for more. A slow client blocks the send, which stalls the target's
// connection and nothing else.
func (s *session) copyDown() {
	buf := make([]byte, headroom+downBuffer)
	for !s.ended() {
		n, err := s.target.Read(buf[headroom:])
		if n > 0 && !s.sendDown(frame(binaryFrame, buf[:headroom+n]), n) {
			return
		}
		if err != nil {
			s.targetEnded(err)
			return
		}
	}
}

func (s *session) sendDown(message []byte, n int) bool {
	if err := s.client.send(message); err != nil {
		s.abandon("the client is gone", err)
		return false
	}
	s.down.Add(int64(n))
	s.moved.reset()
	return true
}

func (s *session) targetEnded(err error) {
	if errors.Is(err, io.EOF) {
		s.end(verdict{code: websocket.StatusNormalClosure, reason: "target closed the connection"})
		return
	}
	s.end(verdict{code: websocket.StatusBadGateway, reason: "the target broke the connection", cause: err})
}

// abandon ends the session of a client that can't be told.
func (s *session) abandon(reason string, cause error) {
	s.end(verdict{reason: reason, cause: cause})
	sever(s.client.Conn)
}

// copyUp forwards what the client sends. Once there is a verdict it reads on
// and throws away, up to the client's own Close: unread input would cost the
// client the last bytes that are on their way to it.
func (s *session) copyUp() {
	s.ws.SetReadLimit(-1) // messages pass through buf, whatever their size
	buf := make([]byte, upBuffer)
	for {
		// A context that can't end costs the library nothing per read;
		// deadlines and closing the connection end the reads.
		kind, message, err := s.ws.Reader(context.Background())
		if err == nil && kind != websocket.MessageBinary {
			s.end(verdict{code: websocket.StatusUnsupportedData, reason: "binary messages only"})
		}
		if err == nil {
			err = s.copyMessage(message, buf)
		}
		if err != nil {
			s.clientEnded(err)
			return
		}
	}
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

// forward writes to the target. A failure is left for copyDown to find, after
// the target's last words.
func (s *session) forward(b []byte) {
	if s.ended() {
		return
	}
	s.forwarding.Store(true)
	n, _ := s.target.Write(b)
	s.client.heard.reset()
	s.forwarding.Store(false)
	s.up.Add(int64(n))
	s.moved.reset()
}

func (s *session) clientEnded(err error) {
	var closed websocket.CloseError
	var network net.Error
	switch {
	case errors.As(err, &closed):
		s.end(verdict{reason: "the client closed the session", answer: s.client.answer})
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, net.ErrClosed), errors.As(err, &network):
		s.end(verdict{reason: "the client is gone", cause: err})
	default:
		s.end(verdict{code: websocket.StatusProtocolError, reason: "WebSocket protocol error", cause: err})
	}
}

// keepalive pings the client, and ends the sessions of the dead and the idle.
func (s *session) keepalive() {
	ping, watch := time.NewTicker(s.limits.PingInterval), time.NewTicker(s.limits.watch())
	defer ping.Stop()
	defer watch.Stop()
	for {
		var err error
		select {
		case <-s.ctx.Done():
			return
		case pong := <-s.client.pongs:
			err = s.client.send(pong)
		case <-ping.C:
			err = s.client.send(newPing())
		case <-watch.C:
			s.judge()
		}
		if err != nil && !s.ended() {
			s.abandon("the client is gone", err)
		}
	}
}

// judge looks for timeouts. A client is not called dead while a slow target
// keeps us from hearing it.
func (s *session) judge() {
	if s.client.heard.elapsed() >= s.limits.PeerTimeout && !s.forwarding.Load() {
		s.abandon("the client shows no sign of life", nil)
	} else if idle := s.limits.IdleTimeout; idle > 0 && s.moved.elapsed() >= idle {
		s.end(verdict{code: StatusIdle, reason: "no data for too long"})
	}
}
