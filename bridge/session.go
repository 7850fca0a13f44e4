package bridge

import (
	"bufio"
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"
)

// A session is one WebSocket and, once admitted, one connection to a target.
// It has three goroutines: copyUp, the handler's own for copyDown, and
// keepalive; run waits for all of them.
type session struct {
	handler *Handler
	request *http.Request
	name    string // the target's
	limits  Limits
	begin   time.Time

	ws     *websocket.Conn
	raw    net.Conn // under ws: closing it ends everything at once
	target net.Conn
	ready  chan struct{} // closed when ws and target are settled

	relaying context.Context // ends when copyDown does

	up, down   atomic.Int64 // bytes carried
	life       atomic.Int64 // when the client last gave a sign of life, in Unix nanoseconds
	data       atomic.Int64 // when data last moved
	writing    atomic.Bool  // a message to the client is being written
	forwarding atomic.Bool  // the target is being written to, so the client is not read from

	endOnce sync.Once
	mu      sync.Mutex
	why     string
}

// hijacked keeps the connection that the library takes over.
type hijacked struct {
	http.ResponseWriter
	conn net.Conn
}

// Hijack is found before the one of the wrapped writer.
func (h *hijacked) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, buffers, err := http.NewResponseController(h.ResponseWriter).Hijack()
	h.conn = conn
	return conn, buffers, err
}

func newSession(h *Handler, r *http.Request) *session {
	s := &session{
		handler: h, request: r, name: r.PathValue("target"), limits: h.Limits.withDefaults(),
		begin: time.Now(), ready: make(chan struct{}),
	}
	s.moved()
	return s
}

// run admits, relays and reports. net/http no longer looks after a panic here.
func (s *session) run(ws *websocket.Conn, raw net.Conn) {
	s.ws, s.raw = ws, raw
	defer s.report()
	defer s.recover()
	defer ws.CloseNow()
	if refused := s.handler.registry.enter(s, s.limits.Connections); refused != nil {
		close(s.ready)
		s.refuse(refused)
		return
	}
	defer s.handler.registry.leave(s)
	target, refused := s.admit()
	if refused != nil {
		s.refuse(refused)
		return
	}
	defer target.Close()
	s.relay()
}

func (s *session) admit() (net.Conn, *refusal) {
	defer close(s.ready)
	target, refused := s.handler.admit(s.request, s.name)
	s.target = target
	return target, refused
}

func (s *session) refuse(r *refusal) {
	if r.cause != nil {
		s.handler.log().Warn("refused", "target", s.name, "reason", r.reason, "cause", r.cause)
	}
	s.end(r.code, r.reason)
}

func (s *session) recover() {
	if v := recover(); v != nil {
		s.note(fmt.Sprintf("panic: %v", v))
		s.handler.log().Error("panic in a session", "panic", v, "stack", string(debug.Stack()))
		_ = s.raw.Close()
		if s.target != nil {
			_ = s.target.Close()
		}
	}
}

// relay copies both ways until both are done.
func (s *session) relay() {
	var others sync.WaitGroup
	defer others.Wait()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	s.relaying = ctx
	others.Go(s.keepalive)
	others.Go(s.copyUp)
	s.copyDown()
}

// end closes the WebSocket with a code, once; the first reason stands. It
// waits some seconds for the client's answer, so that nothing that was sent
// before is lost.
func (s *session) end(code websocket.StatusCode, reason string) {
	s.endOnce.Do(func() {
		s.note(reason)
		_ = s.ws.Close(code, reason)
		s.cut()
	})
}

// cut ends both connections at once.
func (s *session) cut() {
	_ = s.raw.Close()
	<-s.ready
	if s.target != nil {
		_ = s.target.Close()
	}
}

// note keeps the first reason for the report.
func (s *session) note(why string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.why == "" {
		s.why = why
	}
}

// moved records that data moved, which is a sign of life too.
func (s *session) moved() {
	now := time.Now().UnixNano()
	s.life.Store(now)
	s.data.Store(now)
}

func (s *session) ponged(context.Context, []byte) { s.life.Store(time.Now().UnixNano()) }

// pinged answers a ping unless a data message is under way: the library would
// wait for it, and end the session after five seconds.
func (s *session) pinged(context.Context, []byte) bool { return !s.writing.Load() }

// keepalive pings, and ends the sessions of the dead and the idle. While a
// data message is being written no ping is sent: the client reads slowly,
// which is its right until PeerTimeout.
func (s *session) keepalive() {
	defer s.recover()
	every := s.limits.tick()
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-s.relaying.Done():
			return
		case now := <-tick.C:
			if s.expired(now) {
				return
			}
			s.ping(every)
		}
	}
}

func (s *session) expired(now time.Time) bool {
	if !s.forwarding.Load() && now.UnixNano()-s.life.Load() >= int64(s.limits.PeerTimeout) {
		s.note("the client is gone: no sign of life")
		s.cut()
		return true
	}
	if idle := s.limits.IdleTimeout; idle > 0 && now.UnixNano()-s.data.Load() >= int64(idle) {
		s.end(StatusIdle, "idle for too long")
		return true
	}
	return false
}

// ping waits for the pong no longer than until the next tick; that one came is
// ponged's business.
func (s *session) ping(patience time.Duration) {
	if s.writing.Load() {
		return
	}
	ctx, cancel := context.WithTimeout(s.relaying, patience)
	defer cancel()
	_ = s.ws.Ping(ctx)
}

func (s *session) report() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.handler.log().LogAttrs(context.Background(), slog.LevelInfo, "session ended",
		slog.String("target", s.name), slog.String("remote", s.request.RemoteAddr),
		slog.String("origin", s.request.Header.Get("Origin")), slog.Duration("duration", time.Since(s.begin)),
		slog.Int64("up", s.up.Load()), slog.Int64("down", s.down.Load()), slog.String("reason", s.why))
}
