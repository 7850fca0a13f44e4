package bridge

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/coder/websocket"
)

// Limits bound what clients may cost. A zero value means the default.
type Limits struct {
	Connections    int           // sessions at once; default 1000, below 0 no limit
	ConnectTimeout time.Duration // for the connection to a target; default 10 s
	PingInterval   time.Duration // between pings to the client; default 25 s, below the 60 s of common proxies
	PeerTimeout    time.Duration // without pong, bytes taken or bytes sent: the client is dead; default 75 s
	IdleTimeout    time.Duration // without data in either direction; default none
}

func (l Limits) withDefaults() Limits {
	if l.Connections == 0 {
		l.Connections = 1000
	}
	for field, d := range map[*time.Duration]time.Duration{
		&l.ConnectTimeout: 10 * time.Second, &l.PingInterval: 25 * time.Second, &l.PeerTimeout: 75 * time.Second,
	} {
		if *field <= 0 {
			*field = d
		}
	}
	return l
}

// tick is how often a session is looked at, and pinged.
func (l Limits) tick() time.Duration {
	every := min(l.PingInterval, l.PeerTimeout/3)
	if l.IdleTimeout > 0 {
		every = min(every, l.IdleTimeout/3)
	}
	return max(every, time.Millisecond)
}

// A Handler answers GET /nbd/{target} (or any pattern with {target} in it)
// with a WebSocket to that target. Set the fields before the first request.
type Handler struct {
	// Targets is required: what may be connected to.
	Targets TargetSource
	// PublicURL lists the base URLs by which browsers know this bridge, such
	// as http://127.0.0.1:8080. Their pages may connect, and their hosts are
	// the only ones that are answered.
	PublicURL []string
	// Origins lists further origins whose pages may connect: scheme, host and
	// port, exactly.
	Origins []string
	// Authorize admits a client to a target; nil admits everyone. Its error is
	// logged and not sent.
	Authorize func(r *http.Request, target string) error
	// Dial connects to a target; nil uses net.Dialer.
	Dial   func(context.Context, Target) (net.Conn, error)
	Limits Limits
	Log    *slog.Logger // nil is silent

	once     sync.Once
	cached   *policy
	cacheErr error

	registry registry
}

// Validate reports public URLs and origins that can't be meant.
func (h *Handler) Validate() error {
	_, err := h.policy()
	if err == nil && len(h.PublicURL) == 0 {
		err = errors.New("no public URL: no request could be answered")
	}
	return err
}

func (h *Handler) policy() (*policy, error) {
	h.once.Do(func() { h.cached, h.cacheErr = newPolicy(h.PublicURL, h.Origins) })
	return h.cached, h.cacheErr
}

func (h *Handler) log() *slog.Logger {
	if h.Log != nil {
		return h.Log
	}
	return slog.New(slog.DiscardHandler)
}

// ServeHTTP relays until either side ends the session.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !h.checkHost(w, r) || !checkUpgrade(w, r) {
		return
	}
	s := newSession(h, r)
	writer := &hijacked{ResponseWriter: w}
	ws, err := websocket.Accept(writer, r, &websocket.AcceptOptions{
		Subprotocols: []string{Subprotocol},
		// The library's check compares the origin with the request's Host,
		// which DNS rebinding makes equal. Ours has judged the Host already,
		// and judges the origin before anything else happens.
		InsecureSkipVerify: true,
		CompressionMode:    websocket.CompressionDisabled, // ciphertext does not shrink
		OnPingReceived:     s.pinged,
		OnPongReceived:     s.ponged,
	})
	if err != nil {
		return // Accept has answered
	}
	s.run(ws, writer.conn)
}

// checkUpgrade answers what is no WebSocket of ours in words.
func checkUpgrade(w http.ResponseWriter, r *http.Request) bool {
	if !strings.EqualFold(r.Header.Get("Upgrade"), "websocket") {
		w.Header().Set("Upgrade", "websocket")
		http.Error(w, "This is an NBD bridge: connect with a WebSocket of the subprotocol \""+Subprotocol+"\".", http.StatusUpgradeRequired)
		return false
	}
	if !slices.Contains(offered(r), Subprotocol) {
		http.Error(w, "Offer the WebSocket subprotocol \""+Subprotocol+"\".", http.StatusBadRequest)
		return false
	}
	return true
}

// offered lists the subprotocols of an upgrade.
func offered(r *http.Request) []string {
	var list []string
	for _, header := range r.Header.Values("Sec-WebSocket-Protocol") {
		for name := range strings.SplitSeq(header, ",") {
			list = append(list, strings.TrimSpace(name))
		}
	}
	return list
}

// A refusal ends a session before it begins. Its reason is for the client; the
// cause, for the log, may name addresses.
type refusal struct {
	code   websocket.StatusCode
	reason string
	cause  error
}

// admit judges a client and connects to its target. The origin comes first: a
// page that may not connect can't make us look anything up.
func (h *Handler) admit(r *http.Request, name string) (net.Conn, *refusal) {
	p, err := h.policy()
	if err != nil || !p.allowsOrigin(r.Header.Values("Origin")) {
		return nil, &refusal{StatusForbiddenOrigin, "this page's origin may not connect here", err}
	}
	if h.Authorize != nil {
		if err := h.Authorize(r, name); err != nil {
			return nil, &refusal{StatusUnauthorised, "not authorised", err}
		}
	}
	target, ok := h.Targets.Target(name)
	if !ok {
		return nil, &refusal{StatusUnknownTarget, "unknown target", nil}
	}
	return h.dial(target)
}

func (h *Handler) dial(target Target) (net.Conn, *refusal) {
	ctx, cancel := context.WithTimeout(context.Background(), h.Limits.withDefaults().ConnectTimeout)
	defer cancel()
	dial := h.Dial
	if dial == nil {
		dial = func(ctx context.Context, t Target) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, t.Network, t.Address)
		}
	}
	conn, err := dial(ctx, target)
	switch {
	case err == nil:
		return conn, nil
	case ctx.Err() != nil || errors.Is(err, os.ErrDeadlineExceeded):
		return nil, &refusal{StatusTargetTimeout, "the target does not answer", err}
	}
	return nil, &refusal{StatusTargetUnreachable, "the target is unreachable", err}
}
