package bridge

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"runtime/debug"

	"github.com/coder/websocket"
)

// admit judges a client and connects to its target; nil admits. The origin
// comes first, so that a page that may not connect can't cause anything else.
func (s *session) admit() (refused *verdict) {
	defer func() {
		if v := recover(); v != nil {
			refused = s.handler.panicked(v)
		}
	}()
	h := s.handler
	if !h.rules.allowsOrigin(s.request.Header.Values("Origin")) {
		return &verdict{code: StatusForbiddenOrigin, reason: "pages of this origin may not connect"}
	}
	if refused := h.registry.admit(s, s.limits.Connections); refused != nil {
		return refused
	}
	grant, err := h.authorize(s.request.WithContext(s.ctx), s.name)
	if err != nil {
		return &verdict{code: StatusUnauthorised, reason: "not authorised", cause: err}
	}
	s.grant = grant
	target, ok := h.Targets.Target(s.name)
	if !ok {
		return &verdict{code: StatusUnknownTarget, reason: "unknown target"}
	}
	return s.connect(target)
}

func (h *Handler) authorize(r *http.Request, target string) (Grant, error) {
	if h.Authorize == nil {
		return Grant{}, nil
	}
	return h.Authorize(r, target)
}

func (s *session) connect(target Target) *verdict {
	ctx, cancel := context.WithTimeout(s.ctx, s.limits.ConnectTimeout)
	defer cancel()
	conn, err := s.handler.dial(ctx, target)
	if err == nil {
		s.setTarget(conn)
		return nil
	}
	var network net.Error
	if errors.Is(ctx.Err(), context.DeadlineExceeded) || errors.As(err, &network) && network.Timeout() {
		return &verdict{code: StatusTargetTimeout, reason: "the target does not answer", cause: err}
	}
	return &verdict{code: StatusTargetUnreachable, reason: "the target is unreachable", cause: err}
}

func (h *Handler) dial(ctx context.Context, target Target) (net.Conn, error) {
	if h.Dial != nil {
		return h.Dial(ctx, target)
	}
	var d net.Dialer
	return d.DialContext(ctx, target.Network, target.Address)
}

// panicked reports a panic. net/http's own recovery no longer helps after the
// hijack, and never did in goroutines of ours.
func (h *Handler) panicked(v any) *verdict {
	h.log().Error("panic in a session", "panic", v, "stack", string(debug.Stack()))
	return &verdict{code: websocket.StatusInternalError, reason: "internal error", cause: fmt.Errorf("panic: %v", v)}
}
