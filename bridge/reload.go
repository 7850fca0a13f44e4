package bridge

import (
	"context"
	"errors"
	"maps"
	"net"
	"net/http"
)

// A setup is what a Handler was told, checked, and never changed. A session
// keeps the one that it began under.
type setup struct {
	targets   TargetSource
	policy    *policy
	authorize func(*http.Request, string) (Grant, error)
	dialer    func(context.Context, Target) (net.Conn, error)
	limits    Limits
	copyOnly  bool
}

// Validate reports what can't be meant: no targets or public URL, a public URL
// or an origin that is none, limits that contradict each other, a target of a
// fixed Targets that nobody could use. A Handler that does not pass answers 500
// to everything.
func (h *Handler) Validate() error {
	_, err := h.compile()
	return err
}

// Reload gives h the Targets, PublicURL, Origins, Authorize, Dial, Limits and
// CopyOnly of next, if next is valid; else it changes nothing and returns the
// error of Validate. Sessions under way go on under what they were admitted by;
// their number still counts, and so does what clients have used of their rates.
// next serves nothing itself. Reload may be called at any time, from any
// goroutine.
func (h *Handler) Reload(next *Handler) error {
	s, err := next.compile()
	if err != nil {
		return err
	}
	_, _ = h.setup() // else the first request would bring the old one back
	h.current.Store(s)
	return nil
}

// setup is what holds for a request that comes now.
func (h *Handler) setup() (*setup, error) {
	h.once.Do(func() {
		var first *setup
		first, h.invalid = h.compile()
		h.current.Store(first)
	})
	if s := h.current.Load(); s != nil {
		return s, nil
	}
	return nil, h.invalid
}

func (h *Handler) compile() (*setup, error) {
	if h.Targets == nil {
		return nil, errors.New("no targets: there is nothing to connect to")
	}
	if len(h.PublicURL) == 0 {
		return nil, errors.New("no public URL: no request could be answered")
	}
	s := &setup{targets: h.Targets, authorize: h.Authorize, dialer: h.Dial, limits: h.Limits.withDefaults(), copyOnly: h.CopyOnly}
	if err := s.limits.check(); err != nil {
		return nil, err
	}
	if fixed, ok := h.Targets.(Targets); ok {
		if err := fixed.check(h.Authorize != nil); err != nil {
			return nil, err
		}
		s.targets = maps.Clone(fixed)
	}
	var err error
	s.policy, err = newPolicy(h.PublicURL, h.Origins)
	if err != nil {
		return nil, err
	}
	return s, nil
}

func (s *setup) dial(ctx context.Context, target Target) (net.Conn, error) {
	if s.dialer != nil {
		return s.dialer(ctx, target)
	}
	var d net.Dialer
	return d.DialContext(ctx, target.Network, target.Address)
}
