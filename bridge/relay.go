package bridge

import (
	"errors"
	"io"
	"net"
	"syscall"

	"github.com/coder/websocket"
)

// targetEnded is the end of what a target says.
func (s *session) targetEnded(err error) {
	if s.reset.Load() {
		err = syscall.ECONNRESET
	}
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

// clientBroke is a client that could not be written to.
func (s *session) clientBroke(err error) {
	if !s.ended() {
		s.abandon("the client is gone", err)
	}
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
