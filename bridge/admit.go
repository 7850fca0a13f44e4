package bridge

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"runtime/debug"
	"slices"
	"time"

	"github.com/coder/websocket"
)

// An admission is what a session is admitted by.
type admission struct {
	setup       *setup
	address     netip.Prefix // what limits count it by; invalid if it has no IP address
	subprotocol string
	expiry      *time.Timer   // ends the session for its age; nil if nothing does
	done        chan struct{} // closed once the session is over

	id       uint64 // given by the registry
	admitted bool   // guarded by the registry

	path string // how bytes go to the client; guarded by the session
}

func newAdmission(setup *setup, r *http.Request) admission {
	return admission{setup: setup, address: addressOf(r.RemoteAddr), subprotocol: chosen(r), done: make(chan struct{})}
}

// admit judges a client and connects to its target; nil admits. The origin
// comes first, so that a page that may not connect can't cause anything else;
// what would refuse everyone comes before the question who it is, which may use
// a ticket up.
func (s *session) admit() (refused *verdict) {
	defer func() {
		if v := recover(); v != nil {
			refused = s.handler.panicked(v)
		}
	}()
	if !s.setup.policy.allowsOrigin(s.origins()) {
		return &verdict{code: StatusForbiddenOrigin, reason: "pages of this origin may not connect"}
	}
	if refused := s.handler.registry.room(s); refused != nil {
		return refused
	}
	if refused := s.authorize(); refused != nil {
		return refused
	}
	target, refused := s.find()
	if refused != nil {
		return refused
	}
	if refused := s.count(target); refused != nil {
		return refused
	}
	s.reportBegin()
	s.limitAge()
	return s.connect(target)
}

// origins are the session's Origin headers: one from a browser, none from an
// honest native client.
func (s *session) origins() []string { return s.request.Header.Values("Origin") }

func (s *session) authorize() *verdict {
	if s.setup.authorize == nil {
		return nil
	}
	grant, err := s.setup.authorize(s.request.WithContext(s.ctx), s.name)
	s.grant = grant
	if errors.Is(err, ErrForbidden) {
		return notForThisClient(err)
	}
	if err != nil {
		return &verdict{code: StatusUnauthorised, reason: "not authorised", cause: err}
	}
	return nil
}

// notForThisClient is the one answer to all that can be wrong between a client
// that has proved who it is and a target: it tells nothing about which targets
// there are.
func notForThisClient(cause error) *verdict {
	return &verdict{code: StatusUnknownTarget, reason: "unknown target, or not for this client", cause: cause}
}

// find looks the target up, if this client may connect to it.
func (s *session) find() (Target, *verdict) {
	target, ok := s.setup.targets.Target(s.name)
	refused := &verdict{code: StatusUnknownTarget, reason: "unknown target"}
	if ok {
		refused = s.suits(target)
	}
	if refused != nil && s.setup.authorize != nil {
		refused = notForThisClient(errors.Join(errors.New(refused.reason), refused.cause))
	}
	return target, refused
}

// suits judges the client by what a target demands.
func (s *session) suits(target Target) *verdict {
	origins, err := parseOrigins(target.Origins)
	sent := s.origins()
	switch {
	case err != nil:
		return &verdict{code: StatusForbiddenOrigin, reason: "pages of this origin may not connect to this target", cause: err}
	case len(target.Principals) > 0 && !slices.Contains(target.Principals, s.grant.Principal):
		return &verdict{code: StatusUnknownTarget, reason: "this target is for others"}
	case len(sent) > 0 && len(target.Origins) > 0 && !isAmong(origins, sent):
		return &verdict{code: StatusForbiddenOrigin, reason: "pages of this origin may not connect to this target"}
	case len(sent) == 0 && target.BrowsersOnly:
		return &verdict{code: StatusForbiddenOrigin, reason: "only pages may connect to this target"}
	case s.subprotocol == SubprotocolBinary && !target.Binary:
		return &verdict{code: StatusUnknownTarget, reason: "this target takes the subprotocol nbd only"}
	}
	return nil
}

// count takes the session in, if no limit speaks against it.
func (s *session) count(target Target) *verdict {
	if principal := s.grant.Principal; principal != "" {
		if _, ok := s.handler.principals.allow(principal, s.limits.PrincipalRate); !ok {
			return limitReached("this principal begins sessions too fast; try again later")
		}
	}
	return s.handler.registry.admit(s, target.Sessions)
}

// limitAge ends the session when it is too old. A grant that is over before it
// begins ends it at once.
func (s *session) limitAge() {
	age := s.limits.SessionAge
	if s.grant.MaxAge != 0 && (age <= 0 || s.grant.MaxAge < age) {
		age = s.grant.MaxAge
	} else if age <= 0 {
		return
	}
	s.expiry = time.AfterFunc(age-time.Since(s.begin), func() {
		s.end(verdict{code: StatusSessionAge, reason: "the session has reached its age; connect again"})
	})
}

func (s *session) connect(target Target) *verdict {
	timeout := s.limits.ConnectTimeout
	if target.ConnectTimeout > 0 {
		timeout = target.ConnectTimeout
	}
	ctx, cancel := context.WithTimeout(s.ctx, timeout)
	defer cancel()
	begin := time.Now()
	conn, err := s.setup.dial(ctx, target)
	s.handler.metrics.dialled(s.name, dialResult(ctx, err), time.Since(begin))
	if err == nil && target.ProxyProtocol {
		err = introduce(ctx, conn, s.request)
	}
	if err == nil {
		s.setTarget(conn)
		return nil
	}
	if timedOut(ctx, err) {
		return &verdict{code: StatusTargetTimeout, reason: "the target does not answer", cause: err}
	}
	return &verdict{code: StatusTargetUnreachable, reason: "the target is unreachable", cause: err}
}

func timedOut(ctx context.Context, err error) bool {
	var network net.Error
	return errors.Is(ctx.Err(), context.DeadlineExceeded) || errors.As(err, &network) && network.Timeout()
}

// panicked reports a panic. net/http's own recovery no longer helps after the
// hijack, and never did in goroutines of ours.
func (h *Handler) panicked(v any) *verdict {
	h.log().Error("panic in a session", "panic", v, "stack", string(debug.Stack()))
	return &verdict{code: websocket.StatusInternalError, reason: "internal error", cause: fmt.Errorf("panic: %v", v)}
}
