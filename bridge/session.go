package bridge

import (
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"
)

// A session is one WebSocket and, once admitted, one connection to a target.
// Its own goroutine carries down and closes; under it one carries up, and now
// and then its heart beats. Each of them may call end; none outlives live.
type session struct {
	handler *Handler
	request *http.Request // until it is admitted or refused
	remote  string
	origin  string
	name    string // the target's
	limits  Limits
	grant   Grant
	begin   time.Time

	admission

	client *wire
	ws     *websocket.Conn // reads from client

	ctx    context.Context // done once there is a verdict
	cancel context.CancelFunc
	until  time.Time // when a session that has its verdict must be over

	heart heart

	volume                 // bytes carried
	moved      stopwatch   // since data moved
	forwarding atomic.Bool // the target is being written to, so the client is not heard
	forwarded  stopwatch   // since then
	reset      atomic.Bool // the target's connection broke while it was written to

	mu      sync.Mutex // guards what follows
	verdict *verdict
	target  net.Conn
	source  *socket // beneath target; nil if there is none to be had
	severed bool
}

func newSession(h *Handler, setup *setup, r *http.Request) *session {
	now, limits := time.Now(), setup.limits
	s := &session{
		handler: h, request: r, name: r.PathValue("target"), limits: limits, begin: now,
		remote: r.RemoteAddr, origin: strings.Clone(r.Header.Get("Origin")),
		admission: newAdmission(setup, r), client: newWire(&h.metrics),
		moved: stopwatch{start: now}, forwarded: stopwatch{start: now},
	}
	s.client.broken = s.clientBroke
	// What the server knows of the connection is in the request's context.
	s.ctx, s.cancel = context.WithCancel(context.WithoutCancel(r.Context()))
	return s
}

// run admits a client, and leaves its session to a goroutine of its own: what
// net/http and the embedder's handlers hold for a request is worth more than
// all that an idle session needs.
func (s *session) run(ws *websocket.Conn) {
	s.ws = ws
	s.handler.registry.enter(s)
	refused := s.admit()
	if refused != nil {
		s.end(*refused)
		s.handler.registry.refuse(s)
	}
	s.request = nil
	left := s.handler.metrics.follow(s, refused)
	go s.live(left)
}

// live lasts to the end of the session's last goroutine, and tells left.
func (s *session) live(left func()) {
	defer s.handler.registry.leave(s)
	defer s.report()
	defer left()
	defer s.cancel()
	s.guarded(s.relay)()
}

// relay copies both ways until there is a verdict, and closes. Without a
// target there is one already.
func (s *session) relay() {
	var up, others sync.WaitGroup
	defer others.Wait()
	up.Go(s.guarded(s.copyUp))
	windingUp := make(chan struct{})
	context.AfterFunc(s.ctx, func() { defer close(windingUp); s.windUp() })
	if s.target != nil {
		s.keepalive()
		s.guarded(s.copyDown)()
	}
	<-windingUp
	s.sendClose()
	if s.target != nil {
		_ = s.target.SetDeadline(s.until)
		others.Go(s.guarded(func() { linger(s.target) }))
	}
	up.Wait() // the client's own Close
	s.client.flushers.Wait()
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

// windUp gives a session that has its verdict a time to end in, and makes the
// target's reads and writes return.
func (s *session) windUp() {
	s.until = time.Now().Add(s.grace())
	_ = s.client.SetDeadline(s.until)
	s.heart.stop()
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
	s.target, s.source = c, newSocket(c)
	s.path = pathCopy
	if s.source != nil && s.client.socket != nil && !s.setup.copyOnly {
		s.path = pathSplice
	}
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
