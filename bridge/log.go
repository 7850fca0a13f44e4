package bridge

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"
)

// Lines in the log keep to what can't hold a secret: no query string, and no
// subprotocol but the chosen one. What clients can put there is clipped.

// reportBegin writes the line of a session that is admitted.
func (s *session) reportBegin() {
	attrs := append(s.attrs(), slog.String("origin", clip(s.origin)), slog.String("subprotocol", s.subprotocol))
	s.handler.log().LogAttrs(context.Background(), slog.LevelInfo, "session began", attrs...)
}

// report writes the line of a session that is over, or was refused.
func (s *session) report() {
	if !s.admitted {
		s.handler.reportRefusal(refusal{
			target: s.name, remote: s.remote, origin: s.origin, principal: s.grant.Principal,
			code: int(s.verdict.code), reason: s.verdict.reason, cause: s.verdict.cause,
		})
		return
	}
	up, down := s.carried()
	attrs := append(s.attrs(), slog.String("origin", clip(s.origin)), slog.Duration("duration", time.Since(s.begin)),
		slog.Int64("up", up), slog.Int64("down", down), slog.String("path", s.way()),
		slog.Int("code", int(s.verdict.code)), slog.String("reason", s.verdict.reason))
	s.handler.log().LogAttrs(context.Background(), slog.LevelInfo, "session ended", withCause(attrs, s.verdict.cause)...)
}

// attrs say which session it is.
func (s *session) attrs() []slog.Attr {
	return []slog.Attr{
		slog.Uint64("id", s.id), slog.String("target", clip(s.name)),
		slog.String("principal", clip(s.grant.Principal)), slog.String("remote", clip(s.remote)),
	}
}

// carried are the bytes from and to the client.
func (s *session) carried() (up, down int64) { return s.up.Load(), s.down.Load() }

// How bytes go to a client.
const (
	pathSplice = "splice" // from socket to socket, inside the kernel
	pathCopy   = "copy"   // through user space
)

// detour is for a kernel that can't splice after all.
func (s *session) detour() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.path = pathCopy
}

// way is how bytes go to the client, "" before there is a target.
func (s *session) way() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.path
}

// A refusal is a client that did not come to a session. Its code is that of the
// close, or the HTTP status in place of the upgrade.
type refusal struct {
	target, remote, origin, principal string

	code   int
	reason string
	cause  error
}

// reportRefusal writes a line, unless there were too many of its kind.
func (h *Handler) reportRefusal(r refusal) {
	omitted, ok := h.refusals.next()
	if !ok {
		return
	}
	attrs := []slog.Attr{
		slog.String("target", clip(r.target)), slog.String("principal", clip(r.principal)),
		slog.String("remote", clip(r.remote)), slog.String("origin", clip(r.origin)),
		slog.Int("code", r.code), slog.String("reason", r.reason),
	}
	if omitted > 0 {
		attrs = append(attrs, slog.Int64("omitted", omitted))
	}
	h.log().LogAttrs(context.Background(), slog.LevelInfo, "session refused", withCause(attrs, r.cause)...)
}

func withCause(attrs []slog.Attr, cause error) []slog.Attr {
	if cause == nil {
		return attrs
	}
	return append(attrs, slog.String("cause", shorten(cause.Error(), 512)))
}

// A throttle bounds the lines of which refused clients cause one each: 100 at
// once and 10 per second, so that a flood of them does not fill a disk. The
// first line after a gap says how many were left out.
type throttle struct {
	once    sync.Once
	lines   *rate.Limiter
	omitted atomic.Int64
}

func (t *throttle) next() (omitted int64, ok bool) {
	t.once.Do(func() { t.lines = rate.NewLimiter(10, 100) })
	if !t.lines.Allow() {
		t.omitted.Add(1)
		return 0, false
	}
	return t.omitted.Swap(0), true
}

// clip bounds what a client can put into the log, to 128 bytes a value.
func clip(s string) string { return shorten(s, 128) }

func shorten(s string, most int) string {
	if len(s) > most {
		return s[:most] + "…"
	}
	return s
}
