package bridge

import (
	"context"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"
)

// A session is one WebSocket and, once admitted, one connection to a target.
// Up to three goroutines run under it: copyDown, copyUp and keepalive. Each of
// them may call end; only run closes, and waits for all of them.
type session struct {
	handler *Handler
	request *http.Request
	name    string // the target's
	limits  Limits
	grant   Grant
	begin   time.Time

	admission

	client *wire
	ws     *websocket.Conn // reads from client

	ctx    context.Context // done once there is a verdict
	cancel context.CancelFunc

	volume                 // bytes carried
	moved      stopwatch   // since data moved
	forwarding atomic.Bool // the target is being written to, so the client is not heard

	mu      sync.Mutex // guards what follows
	verdict *verdict
	target  net.Conn
	severed bool
}

func newSession(h *Handler, setup *setup, r *http.Request) *session {
	now, limits := time.Now(), setup.limits
	s := &session{
		handler: h, request: r, name: r.PathValue("target"), limits: limits, begin: now,
		admission: newAdmission(setup, r),
		client:    newWire(limits.PeerTimeout), moved: stopwatch{start: now},
	}
	// What the server knows of the connection is in the request's context.
	s.ctx, s.cancel = context.WithCancel(context.WithoutCancel(r.Context()))
	return s
}

// run takes a session from its upgrade to the end of its last goroutine.
func (s *session) run(ws *websocket.Conn) {
	s.ws = ws
	s.handler.registry.enter(s)
	defer s.handler.registry.leave(s)
	defer s.report()
	refused := s.admit()
	if refused != nil {
		s.end(*refused)
	}
	defer s.handler.metrics.follow(s, refused)()
	s.guarded(s.relay)()
}

// relay copies both ways until there is a verdict, and closes. Without a
// target there is one already.
func (s *session) relay() {
	var up, down, others sync.WaitGroup
	defer others.Wait()
	up.Go(s.guarded(s.copyUp))
	if s.target != nil {
		down.Go(s.guarded(s.copyDown))
		others.Go(s.guarded(s.keepalive))
	}
	<-s.ctx.Done()

	until := time.Now().Add(s.grace())
	_ = s.client.SetReadDeadline(until)
	s.interrupt()
	down.Wait()
	s.sendClose()
	if s.target != nil {
		_ = s.target.SetDeadline(until)
		others.Go(s.guarded(func() { linger(s.target) }))
	}
	up.Wait() // the client's own Close
	linger(s.client.Conn)
	_ = s.ws.CloseNow() // has no hold on the connection; for the library's own sake
}

// guarded makes a goroutine's panic the end of its session alone.
func (s *session) guarded(f func()) func() {
	return func() {
		defer func() {
			if v := recover(); v != nil {
				s.end(*s.handler.panicked(v))
				s.cut()
			}
		}()
		f()
	}
}

// end asks for the session's end. The first verdict stands.
func (s *session) end(v verdict) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.verdict == nil {
		s.verdict = &v
		s.cancel()
	}
}

// ended tells whether there is a verdict.
func (s *session) ended() bool { return s.ctx.Err() != nil }

// grace is how long a closing session may take to hand over its last bytes.
// Who was refused has none to come.
func (s *session) grace() time.Duration {
	if s.target == nil {
		return min(s.limits.PeerTimeout, 5*time.Second)
	}
	return s.limits.PeerTimeout
}

// interrupt makes the target's reads and writes return.
func (s *session) interrupt() {
	if s.target != nil {
		_ = s.target.SetDeadline(time.Unix(1, 0))
	}
}

// sendClose tells the client the verdict, as the last frame.
func (s *session) sendClose() {
	switch {
	case s.verdict.code != 0:
		_ = s.client.send(newClose(s.verdict.code, s.verdict.reason))
	case s.verdict.answer != nil:
		_ = s.client.send(s.verdict.answer)
	}
}

// linger closes a connection so that its peer gets everything that was
// written: a close with input unread makes the kernel reset the connection and
// throw away what is on its way. The connection's deadline bounds it.
func linger(c net.Conn) {
	defer sever(c)
	if half, ok := c.(interface{ CloseWrite() error }); ok && half.CloseWrite() == nil {
		_, _ = io.Copy(io.Discard, c)
	}
}

// sever closes at once: a TLS connection would wait to say goodbye.
func sever(c net.Conn) {
	if secure, ok := c.(interface{ NetConn() net.Conn }); ok {
		c = secure.NetConn()
	}
	_ = c.Close()
}

func (s *session) setTarget(c net.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.target, s.path = c, "copy"
	if s.severed {
		_ = c.Close()
	}
}

// cut ends both connections at once. The goroutines fail, and run cleans up.
func (s *session) cut() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.severed = true
	sever(s.client.Conn)
	if s.target != nil {
		_ = s.target.Close()
	}
}
