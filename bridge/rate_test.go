package bridge_test

import (
	"context"
	"errors"
	"math"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"

	"nbdbridge/bridge"
)

// knock sends an upgrade from an address. It goes as far as it can without a
// connection to take over.
func knock(h *bridge.Handler, remote string) *httptest.ResponseRecorder {
	r := httptest.NewRequest("GET", "http://bridge.example/nbd/lab", nil)
	r.RemoteAddr = remote
	for name, value := range map[string]string{
		"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13",
		"Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==", "Sec-WebSocket-Protocol": "nbd",
	} {
		r.Header.Set(name, value)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func wantStatus(t *testing.T, h *bridge.Handler, remote string, status int) *httptest.ResponseRecorder {
	t.Helper()
	w := knock(h, remote)
	if w.Code != status {
		t.Errorf("%s: %d, want %d", remote, w.Code, status)
	}
	return w
}

const let, tooFast = http.StatusSwitchingProtocols, http.StatusTooManyRequests

func newKnocked(limits bridge.Limits) *bridge.Handler {
	return &bridge.Handler{Targets: lab, PublicURL: []string{"http://bridge.example"}, Limits: limits}
}

func TestAddressRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newKnocked(bridge.Limits{AddressRate: 0.4}) // two at once, one in 2.5 s
		for _, addresses := range [][]string{
			{"192.0.2.1:1", "192.0.2.1:2", "[::ffff:192.0.2.1]:3", "192.0.2.1"},
			{"192.0.2.2:1", "192.0.2.2:1", "192.0.2.2:1", "192.0.2.2:1"},
			{"[2001:db8::1]:1", "[2001:db8::ffff:0:0:1]:2", "[2001:db8::2%eth0]:3", "2001:db8::3"},
			{"[2001:db8:0:1::1]:1", "[2001:db8:0:1::2]:1", "[2001:db8:0:1::3]:1", "[2001:db8:0:1::4]:1"},
		} {
			wantStatus(t, h, addresses[0], let)
			wantStatus(t, h, addresses[1], let)
			w := wantStatus(t, h, addresses[2], tooFast)
			if got := w.Header().Get("Retry-After"); got != "3" {
				t.Errorf("%s: Retry-After is %q", addresses[2], got)
			}
			wantStatus(t, h, addresses[3], tooFast)
		}
		time.Sleep(2500 * time.Millisecond)
		wantStatus(t, h, "192.0.2.1:1", let)
		wantStatus(t, h, "192.0.2.1:1", tooFast)
		time.Sleep(time.Hour)
		wantStatus(t, h, "192.0.2.1:1", let)
		wantStatus(t, h, "192.0.2.1:1", let)
		wantStatus(t, h, "192.0.2.1:1", tooFast)
	})
}

// Those who have no address of their own share no limit.
func TestAddressRateExempts(t *testing.T) {
	h := newKnocked(bridge.Limits{AddressRate: 0.2})
	for range 10 {
		wantStatus(t, h, "@", let)
		wantStatus(t, h, "", let)
		wantStatus(t, h, "proxy.example:80", let)
	}
	h = newKnocked(bridge.Limits{AddressRate: -1})
	for range 200 {
		wantStatus(t, h, "192.0.2.1:1", let)
	}
}

func TestAddressRateDefault(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newKnocked(bridge.Limits{})
		for range 100 {
			wantStatus(t, h, "192.0.2.1:1", let)
		}
		w := wantStatus(t, h, "192.0.2.1:1", tooFast)
		if n, err := strconv.Atoi(w.Header().Get("Retry-After")); n != 1 || err != nil {
			t.Errorf("Retry-After is %q", w.Header().Get("Retry-After"))
		}
		time.Sleep(50 * time.Millisecond)
		wantStatus(t, h, "192.0.2.1:1", let)
		wantStatus(t, h, "192.0.2.1:1", tooFast)
	})
}

// A changed rate holds for those who are known already, and forgives nothing.
func TestReloadRates(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newKnocked(bridge.Limits{AddressRate: 1})
		for range 5 {
			wantStatus(t, h, "192.0.2.1:1", let)
		}
		if err := h.Reload(newKnocked(bridge.Limits{AddressRate: 2})); err != nil {
			t.Fatal(err)
		}
		wantStatus(t, h, "192.0.2.1:1", tooFast)
		time.Sleep(500 * time.Millisecond)
		wantStatus(t, h, "192.0.2.1:1", let)
		wantStatus(t, h, "192.0.2.1:1", tooFast)
		time.Sleep(time.Minute)
		for range 10 {
			wantStatus(t, h, "192.0.2.1:1", let)
		}
		wantStatus(t, h, "192.0.2.1:1", tooFast)
	})
}

func TestLimitChecks(t *testing.T) {
	for hint, limits := range map[string]bridge.Limits{
		"AddressRate is NaN":    {AddressRate: math.NaN()},
		"PrincipalRate is +Inf": {PrincipalRate: math.Inf(1)},
		"StallTimeout is -1ns":  {StallTimeout: -1},
	} {
		if err := newKnocked(limits).Validate(); err == nil || !strings.Contains(err.Error(), hint) {
			t.Errorf("%v, want an error with %q", err, hint)
		}
	}
	all := bridge.Limits{
		Connections: -1, SessionsPerAddress: -1, SessionsPerPrincipal: -1, Handshakes: -1, AddressRate: -1,
		PrincipalRate: -1, Message: -1, SessionAge: -1, IdleTimeout: -1,
	}
	if err := newKnocked(all).Validate(); err != nil {
		t.Errorf("no limits: %v", err)
	}
	if err := newKnocked(bridge.Limits{AddressRate: math.MaxFloat64}).Validate(); err != nil {
		t.Errorf("a large rate: %v", err)
	}
}

func TestPrincipalRate(t *testing.T) {
	dials := &watch{}
	base := serve(t, &bridge.Handler{Targets: shops, Dial: dials.dial, Authorize: alice, Limits: bridge.Limits{PrincipalRate: 0.001}})
	for _, user := range []string{"alice", "bob"} {
		dials.dials.Store(0)
		wantClose(t, dial(t, base, "open", "User", user), bridge.StatusTargetUnreachable)
		wantClose(t, dial(t, base, "open", "User", user), bridge.StatusLimit)
		wantClose(t, dial(t, base, "nothing", "User", user), bridge.StatusUnknownTarget)
		if n := dials.dials.Load(); n != 1 {
			t.Errorf("%s: %d dials", user, n)
		}
	}
}

// Who is not admitted takes a place among the handshakes, until it is gone.
func TestHandshakes(t *testing.T) {
	asked, answer := make(chan struct{}), make(chan error)
	var log logbook
	base := serve(t, &bridge.Handler{Targets: lab, Limits: bridge.Limits{Handshakes: 2}, Log: log.logger(), Authorize: func(*http.Request, string) (bridge.Grant, error) {
		asked <- struct{}{}
		return bridge.Grant{}, <-answer
	}})
	waiting := []*websocket.Conn{dial(t, base, "lab"), dial(t, base, "lab")}
	receive(t, asked)
	receive(t, asked)
	_, refused, err := tryDial(t, base, "lab")
	if err == nil || refused.StatusCode != http.StatusServiceUnavailable || refused.Header.Get("Retry-After") != "1" {
		t.Fatalf("a third one: %v, %v", refused, err)
	}
	answer <- bridge.ErrForbidden
	answer <- bridge.ErrForbidden
	for _, c := range waiting { // reading a Close answers it
		wantClose(t, c, bridge.StatusUnknownTarget)
	}
	waitFor(t, func() bool {
		c, _, err := tryDial(t, base, "lab")
		if err != nil {
			return false
		}
		receive(t, asked)
		answer <- bridge.ErrForbidden
		wantClose(t, c, bridge.StatusUnknownTarget)
		return true
	})
	wantWords(t, log.String(), "code=503", `reason="too many clients wait to be admitted"`)
}

// Each cap on sessions, at its edge. Nobody beyond it is dialled for.
func TestSessionCaps(t *testing.T) {
	for name, c := range map[string]struct {
		limits bridge.Limits
		target bridge.Target
		other  func(base string) (target, user string) // a client that the cap leaves room for
		reason string
	}{
		"in all":     {limits: bridge.Limits{Connections: 2}, reason: "too many sessions; try again later"},
		"address":    {limits: bridge.Limits{SessionsPerAddress: 2}, reason: "too many sessions from this address; end one first"},
		"principal":  {limits: bridge.Limits{SessionsPerPrincipal: 2}, reason: "too many sessions of this principal; end one first", other: func(string) (string, string) { return "lab", "bob" }},
		"the target": {target: bridge.Target{Sessions: 2}, reason: "too many sessions of this target; try again later", other: func(string) (string, string) { return "spare", "alice" }},
	} {
		t.Run(name, func(t *testing.T) {
			targets, conns := newTarget(t)
			c.target.Network, c.target.Address = "tcp", targets["lab"].Address
			targets["spare"] = targets["lab"]
			targets["lab"] = c.target
			h := &bridge.Handler{Targets: targets, Authorize: alice, Limits: c.limits}
			base := serve(t, h)
			first := dial(t, base, "lab", "User", "alice")
			end := receive(t, conns)
			dial(t, base, "lab", "User", "alice")
			receive(t, conns)
			for range 3 {
				wantReason(t, dial(t, base, "lab", "User", "alice"), bridge.StatusLimit, c.reason)
			}
			if len(conns) != 0 {
				t.Error("the refused were dialled for")
			}
			if c.other != nil {
				target, user := c.other(base)
				dial(t, base, target, "User", user)
				receive(t, conns)
			}
			left := len(h.Sessions()) - 1
			end.Close()
			wantClose(t, first, websocket.StatusNormalClosure)
			waitFor(t, func() bool { return len(h.Sessions()) == left })
			dial(t, base, "lab", "User", "alice")
			receive(t, conns)
		})
	}
}

// What would refuse anyone is found out before a ticket is used up.
func TestFullBridgeAsksForNoTicket(t *testing.T) {
	var asked atomic.Int32
	targets, conns := newTarget(t)
	h := &bridge.Handler{Targets: targets, Limits: bridge.Limits{Connections: 1}, Authorize: func(*http.Request, string) (bridge.Grant, error) {
		asked.Add(1)
		return bridge.Grant{}, nil
	}}
	base := serve(t, h)
	c := dial(t, base, "lab")
	target := receive(t, conns)
	wantClose(t, dial(t, base, "lab"), bridge.StatusLimit)
	target.Close()
	wantClose(t, c, websocket.StatusNormalClosure)
	waitFor(t, func() bool { return len(h.Sessions()) == 0 })
	if err := h.Drain(context.Background()); err != nil {
		t.Fatal(err)
	}
	wantClose(t, dial(t, base, "lab"), bridge.StatusDraining)
	if asked.Load() != 1 {
		t.Errorf("%d tickets were asked for", asked.Load())
	}
}

// A message may be as long as the limit, in however many frames, and no longer.
func TestMessageLimit(t *testing.T) {
	for range 2 {
		c, target := pair(t, &bridge.Handler{Limits: bridge.Limits{Message: 100_000}})
		for range 3 {
			if err := c.Write(context.Background(), websocket.MessageBinary, make([]byte, 100_000)); err != nil {
				t.Fatal(err)
			}
		}
		w, _ := c.Writer(context.Background(), websocket.MessageBinary)
		for range 10 {
			_, _ = w.Write(make([]byte, 10_001))
		}
		_ = w.Close()
		var got atomic.Int64
		done := make(chan struct{})
		go func() {
			defer close(done)
			n, _ := readEnd(target)
			got.Store(n)
			target.Close()
		}()
		wantReason(t, c, websocket.StatusMessageTooBig, "the message is longer than this bridge takes")
		receive(t, done)
		if n := got.Load(); n > 400_000 || n < 300_000 {
			t.Errorf("the target got %d bytes", n)
		}
	}
}

// The limit holds for short messages too, of which many come at once.
func TestMessageLimitAmongMany(t *testing.T) {
	targets, conns := newTarget(t)
	r := dialRaw(t, serve(t, &bridge.Handler{Targets: targets, Limits: bridge.Limits{Message: 50}}))
	target := receive(t, conns)
	var many []byte
	for range 100 {
		many = append(append(many, 0x82, 0x80|50, 0, 0, 0, 0), make([]byte, 50)...)
	}
	many = append(append(many, 0x82, 0x80|51, 0, 0, 0, 0), make([]byte, 51)...)
	if _, err := r.Write(many); err != nil {
		t.Fatal(err)
	}
	head, payload, err := r.next()
	if err != nil || head != 0x88 || websocket.StatusCode(payload[0])<<8|websocket.StatusCode(payload[1]) != websocket.StatusMessageTooBig {
		t.Errorf("%x %q, %v; want a close with 1009", head, payload, err)
	}
	r.Close()
	if n, _ := readEnd(target); n != 5000 {
		t.Errorf("the target got %d bytes, want the 5000 before", n)
	}
}

// What was fine when a client came need not be so once its ticket is read.
func TestLimitsReachedMeanwhile(t *testing.T) {
	asked, answer := make(chan struct{}), make(chan struct{})
	dials := &watch{}
	h := &bridge.Handler{Targets: lab, Dial: func(ctx context.Context, target bridge.Target) (net.Conn, error) {
		dials.dials.Add(1)
		<-ctx.Done()
		return nil, ctx.Err()
	}, Limits: bridge.Limits{SessionsPerAddress: 1}, Authorize: func(*http.Request, string) (bridge.Grant, error) {
		asked <- struct{}{}
		<-answer
		return bridge.Grant{}, nil
	}}
	base := serve(t, h)
	var waiting []*websocket.Conn
	for range 3 {
		waiting = append(waiting, dial(t, base, "lab"))
		receive(t, asked)
	}
	answer <- struct{}{}
	waitFor(t, func() bool { return len(h.Sessions()) == 1 })
	answer <- struct{}{}
	ended := make(chan websocket.StatusCode, len(waiting))
	for _, c := range waiting {
		go func() {
			_, _, err := c.Read(context.Background())
			ended <- websocket.CloseStatus(err)
		}()
	}
	if code := receive(t, ended); code != bridge.StatusLimit {
		t.Errorf("the second one ended with %d", code)
	}
	canceled, cancel := context.WithCancel(context.Background())
	cancel()
	_ = h.Drain(canceled)
	answer <- struct{}{}
	if code := receive(t, ended); code != bridge.StatusDraining {
		t.Errorf("the third one ended with %d", code)
	}
	go h.Shutdown(context.Background())
	if code := receive(t, ended); code != bridge.StatusDraining || dials.dials.Load() != 1 {
		t.Errorf("the first one ended with %d, %d dials", code, dials.dials.Load())
	}
}

// Whoever was refused and stays makes room for newcomers: two addresses would
// keep everybody else out.
func TestRefusedMakeRoom(t *testing.T) {
	h := &bridge.Handler{Targets: lab, Limits: bridge.Limits{Handshakes: 2}, Authorize: func(*http.Request, string) (bridge.Grant, error) {
		return bridge.Grant{}, errors.New("no")
	}}
	metrics := register(t, h)
	base := serve(t, h)
	var stubborn []*websocket.Conn // they don't answer the Close
	for i := range 6 {
		stubborn = append(stubborn, dial(t, base, "lab"))
		waitForSample(t, metrics, `bridge_refusals_total{reason="unauthorised"}`, float64(i+1))
	}
	for _, c := range stubborn[4:] { // the last two were not cut
		wantClose(t, c, bridge.StatusUnauthorised)
	}
	waitForSample(t, metrics, `bridge_closes_total{code="4001"}`, 6)
	stubborn = append(stubborn, dial(t, base, "lab"), dial(t, base, "lab")) // and all places are free again
	waitForSample(t, metrics, `bridge_refusals_total{reason="unauthorised"}`, 8)
	wantClose(t, stubborn[6], bridge.StatusUnauthorised)
}
