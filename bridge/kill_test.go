package bridge_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/coder/websocket"

	"nbdbridge/bridge"
)

// A stage is a bridge whose sessions stop at each phase until they are told to
// go on.
type stage struct {
	h              *bridge.Handler
	base           string
	conns          <-chan *net.TCPConn
	asked, dialled chan struct{}
	admit, connect chan struct{}
}

func newStage(t *testing.T, limits bridge.Limits) *stage {
	targets, conns := newTarget(t)
	s := &stage{
		conns: conns, asked: make(chan struct{}, 1), dialled: make(chan struct{}, 1),
		admit: make(chan struct{}, 1), connect: make(chan struct{}, 1),
	}
	s.h = &bridge.Handler{
		Targets: targets, Limits: limits,
		Authorize: func(r *http.Request, _ string) (bridge.Grant, error) {
			s.asked <- struct{}{}
			<-s.admit
			return bridge.Grant{}, nil
		},
		Dial: func(ctx context.Context, target bridge.Target) (net.Conn, error) {
			s.dialled <- struct{}{}
			<-s.connect
			return new(net.Dialer).DialContext(ctx, target.Network, target.Address)
		},
	}
	s.base = serve(t, s.h)
	return s
}

// over waits until nothing is left of the session.
func (s *stage) over(t *testing.T) {
	t.Helper()
	waitFor(t, func() bool { return len(s.h.Sessions()) == 0 })
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := s.h.Shutdown(ctx); err != nil {
		t.Errorf("the session stays: %v", err)
	}
}

// wantGone waits for the end of a target's connection, whatever kind it has.
func wantGone(t *testing.T, c net.Conn) {
	t.Helper()
	_ = c.SetReadDeadline(time.Now().Add(patience))
	_, err := io.Copy(io.Discard, c)
	if network, ok := err.(net.Error); ok && network.Timeout() {
		t.Error("the target's connection stays")
	}
}

// reset ends a connection as a killed process, or a machine that lost power and
// came back, does.
func reset(c net.Conn) {
	_ = c.(*net.TCPConn).SetLinger(0)
	_ = c.Close()
}

// The client's process is killed in each phase of its session.
func TestClientIsKilled(t *testing.T) {
	for name, kill := range map[string]func(t *testing.T, s *stage, client *raw){
		"before its admission": func(t *testing.T, s *stage, client *raw) {
			receive(t, s.asked)
			reset(client.Conn)
			close(s.admit)
			close(s.connect)
			wantGone(t, receive(t, s.conns))
		},
		"during the dial": func(t *testing.T, s *stage, client *raw) {
			close(s.admit)
			receive(t, s.dialled)
			reset(client.Conn)
			close(s.connect)
			wantGone(t, receive(t, s.conns))
		},
		"while idle": func(t *testing.T, s *stage, client *raw) {
			close(s.admit)
			close(s.connect)
			target := receive(t, s.conns)
			reset(client.Conn)
			wantGone(t, target)
		},
		"while it sends": func(t *testing.T, s *stage, client *raw) {
			close(s.admit)
			close(s.connect)
			target := receive(t, s.conns)
			_, _ = client.Write([]byte{0x82, 0xfe, 0x10, 0, 0, 0, 0, 0, 1, 2, 3}) // of 4096 bytes
			reset(client.Conn)
			wantGone(t, target)
		},
		"while it is sent to": func(t *testing.T, s *stage, client *raw) {
			close(s.admit)
			close(s.connect)
			target := receive(t, s.conns)
			go func() { _, _ = target.Write(make([]byte, 32<<20)) }()
			_, _, _ = client.next()
			reset(client.Conn)
			wantGone(t, target)
		},
		"while the target closes": func(t *testing.T, s *stage, client *raw) {
			close(s.admit)
			close(s.connect)
			target := receive(t, s.conns)
			_ = target.CloseWrite()
			if head, _, err := client.next(); head != 0x88 || err != nil {
				t.Errorf("%x, %v", head, err)
			}
			reset(client.Conn)
			wantGone(t, target)
		},
		"while it closes": func(t *testing.T, s *stage, client *raw) {
			close(s.admit)
			close(s.connect)
			target := receive(t, s.conns)
			client.send(t, 0x88, nil)
			reset(client.Conn)
			wantGone(t, target)
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStage(t, bridge.Limits{PeerTimeout: 200 * time.Millisecond})
			kill(t, s, dialRaw(t, s.base))
			s.over(t)
		})
	}
}

// The target's process is killed in each phase of a session.
func TestTargetIsKilled(t *testing.T) {
	for name, kill := range map[string]func(t *testing.T, s *stage, c *websocket.Conn){
		"right after it took the connection": func(t *testing.T, s *stage, c *websocket.Conn) {
			reset(receive(t, s.conns))
			wantCloseAmong(t, c, websocket.StatusBadGateway, bridge.StatusTargetUnreachable)
		},
		"while idle": func(t *testing.T, s *stage, c *websocket.Conn) {
			target := receive(t, s.conns)
			_, _ = target.Write([]byte("x"))
			_, _, _ = c.Read(context.Background())
			reset(target)
			wantCloseAmong(t, c, websocket.StatusBadGateway)
		},
		"while it sends": func(t *testing.T, s *stage, c *websocket.Conn) {
			target := receive(t, s.conns)
			_, _ = target.Write(make([]byte, 1<<10))
			_, _, _ = c.Read(context.Background())
			go func() { _, _ = target.Write(make([]byte, 32<<20)) }()
			_, _, _ = c.Read(context.Background())
			reset(target)
			wantCloseAmong(t, c, websocket.StatusBadGateway)
		},
		"while it is sent to": func(t *testing.T, s *stage, c *websocket.Conn) {
			target := receive(t, s.conns)
			sending := make(chan struct{})
			go func() {
				defer close(sending)
				for c.Write(context.Background(), websocket.MessageBinary, make([]byte, 1<<20)) == nil {
				}
			}()
			_, _ = io.ReadFull(target, make([]byte, 2<<20))
			reset(target)
			// The kernel tells of a reset once: the writer, or the reader.
			wantCloseAmong(t, c, websocket.StatusBadGateway)
			receive(t, sending)
		},
		"while the client closes": func(t *testing.T, s *stage, c *websocket.Conn) {
			target := receive(t, s.conns)
			closed := make(chan struct{})
			go func() { defer close(closed); _ = c.Close(websocket.StatusNormalClosure, "") }()
			_, _ = target.Read(make([]byte, 1))
			reset(target)
			receive(t, closed)
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStage(t, bridge.Limits{})
			close(s.admit)
			close(s.connect)
			c := dial(t, s.base, "lab")
			kill(t, s, c)
			s.over(t)
		})
	}
}

// wantCloseAmong reads up to the end of a session.
func wantCloseAmong(t *testing.T, c *websocket.Conn, codes ...websocket.StatusCode) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for {
		_, _, err := c.Read(ctx)
		if err == nil {
			continue
		}
		for _, code := range codes {
			if websocket.CloseStatus(err) == code {
				return
			}
		}
		t.Errorf("the session ended with %v, want one of %v", err, codes)
		return
	}
}

// A target that is not there yet, and one that goes while it is dialled.
func TestTargetIsKilledDuringTheDial(t *testing.T) {
	targets, conns := newTarget(t)
	dialled, gone := make(chan struct{}), make(chan struct{})
	h := &bridge.Handler{Targets: targets, Dial: func(ctx context.Context, target bridge.Target) (net.Conn, error) {
		close(dialled)
		c, err := new(net.Dialer).DialContext(ctx, target.Network, target.Address)
		<-gone
		return c, err
	}}
	c := dial(t, serve(t, h), "lab")
	receive(t, dialled)
	reset(receive(t, conns))
	close(gone)
	wantCloseAmong(t, c, websocket.StatusBadGateway, bridge.StatusTargetUnreachable)
}
