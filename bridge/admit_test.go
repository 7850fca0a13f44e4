package bridge_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/coder/websocket"

	"nbdbridge/bridge"
)

// shops are targets, each of which demands something.
var shops = bridge.Targets{
	"open":     {Network: "unix", Address: "/nowhere"},
	"page":     {Network: "unix", Address: "/nowhere", Origins: []string{"https://app.example"}},
	"mine":     {Network: "unix", Address: "/nowhere", Principals: []string{"alice"}},
	"browsers": {Network: "unix", Address: "/nowhere", BrowsersOnly: true},
	"binary":   {Network: "unix", Address: "/nowhere", Binary: true},
	"foreign":  {Network: "unix", Address: "/nowhere", Origins: []string{"https://evil.example"}},
}

// A watch counts what is dialled, all of which fails.
type watch struct{ dials atomic.Int32 }

func (w *watch) dial(context.Context, bridge.Target) (net.Conn, error) {
	w.dials.Add(1)
	return nil, errors.New("there is nobody")
}

// offer opens a WebSocket with these subprotocols; origin may be "".
func offer(t *testing.T, base, target, origin string, names ...string) *websocket.Conn {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	o := &websocket.DialOptions{HTTPClient: client(nil), Subprotocols: names, HTTPHeader: http.Header{}}
	if origin != "" {
		o.HTTPHeader.Set("Origin", origin)
	}
	c, _, err := websocket.Dial(ctx, base+"/nbd/"+target, o)
	if err != nil {
		t.Fatalf("%s: %v", target, err)
	}
	t.Cleanup(func() { _ = c.CloseNow() })
	return c
}

func wantReason(t *testing.T, c *websocket.Conn, code websocket.StatusCode, reason string) {
	t.Helper()
	if got := wantClose(t, c, code); got.Reason != reason {
		t.Errorf("closed with %q, want %q", got.Reason, reason)
	}
}

// Where nobody is authenticated, a target that exists is no secret, and its
// clients are told what is wrong.
func TestTargetDemands(t *testing.T) {
	const app, other, native = "https://app.example", "https://other.example", ""
	open := bridge.Targets{}
	for name, target := range shops {
		if target.Principals == nil {
			open[name] = target
		}
	}
	dials := &watch{}
	base := serve(t, &bridge.Handler{Targets: open, Dial: dials.dial, Origins: []string{app, other}})
	in := bridge.StatusTargetUnreachable
	for _, c := range []struct {
		target, origin, offer string
		code                  websocket.StatusCode
		reason                string
	}{
		{"open", app, "nbd", in, "the target is unreachable"},
		{"open", native, "nbd", in, "the target is unreachable"},
		{"page", app, "nbd", in, "the target is unreachable"},
		{"page", native, "nbd", in, "the target is unreachable"},
		{"page", other, "nbd", bridge.StatusForbiddenOrigin, "pages of this origin may not connect to this target"},
		{"page", base, "nbd", bridge.StatusForbiddenOrigin, "pages of this origin may not connect to this target"},
		{"foreign", "https://evil.example", "nbd", bridge.StatusForbiddenOrigin, "pages of this origin may not connect"}, // a target adds no origin
		{"foreign", app, "nbd", bridge.StatusForbiddenOrigin, "pages of this origin may not connect to this target"},
		{"browsers", app, "nbd", in, "the target is unreachable"},
		{"browsers", native, "nbd", bridge.StatusForbiddenOrigin, "only pages may connect to this target"},
		{"binary", app, "binary", in, "the target is unreachable"},
		{"binary", app, "nbd", in, "the target is unreachable"},
		{"open", app, "binary", bridge.StatusUnknownTarget, "this target takes the subprotocol nbd only"},
		{"nothing", app, "binary", bridge.StatusUnknownTarget, "unknown target"},
		{"nothing", app, "nbd", bridge.StatusUnknownTarget, "unknown target"},
	} {
		dials.dials.Store(0)
		ws := offer(t, base, c.target, c.origin, c.offer)
		if ws.Subprotocol() != c.offer {
			t.Errorf("%v: the subprotocol is %q", c, ws.Subprotocol())
		}
		wantReason(t, ws, c.code, c.reason)
		if want := c.code == in; (dials.dials.Load() == 1) != want {
			t.Errorf("%v: %d dials", c, dials.dials.Load())
		}
	}
	if ws := offer(t, base, "binary", app, "binary", "nbd"); ws.Subprotocol() != "nbd" {
		t.Errorf("of nbd and binary, %q is taken", ws.Subprotocol())
	}
}

// alice comes with her name in a header, and may not have "denied".
func alice(r *http.Request, target string) (bridge.Grant, error) {
	switch {
	case r.Header.Get("User") == "":
		return bridge.Grant{}, errors.New("no credential")
	case target == "denied" || target == "no":
		return bridge.Grant{}, fmt.Errorf("ticket: %w", bridge.ErrForbidden)
	}
	return bridge.Grant{Principal: r.Header.Get("User")}, nil
}

// exchange is all that a client sees of a session that is refused, but for the
// time of day.
func exchange(t *testing.T, base, target, offer, user, origin string) string {
	t.Helper()
	host := strings.TrimPrefix(base, "http://")
	c, err := net.Dial("tcp", host)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	request := "GET /nbd/" + target + " HTTP/1.1\r\nHost: " + host + "\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Protocol: " + offer + "\r\n"
	if user != "" {
		request += "User: " + user + "\r\n"
	}
	if origin != "" {
		request += "Origin: " + origin + "\r\n"
	}
	_, _ = io.WriteString(c, request+"\r\n")
	var seen bytes.Buffer
	frame := []byte{0x88, 0x80, 0, 0, 0, 0} // our Close, so that the bridge need not wait
	_, _ = c.Write(frame)
	if _, err := io.Copy(&seen, c); err != nil {
		t.Fatal(err)
	}
	return regexp.MustCompile("Date: [^\r]*\r\n").ReplaceAllString(seen.String(), "")
}

// With authentication, all that can be wrong between a client and a target is
// one answer, to the byte.
func TestOneAnswer(t *testing.T) {
	dials := &watch{}
	var log logbook
	base := serve(t, &bridge.Handler{
		Targets: shops, Dial: dials.dial, Authorize: alice, Log: log.logger(),
		Origins: []string{"https://app.example", "https://other.example"},
	})
	const app, other = "https://app.example", "https://other.example"
	for _, offer := range []string{"nbd", "binary", "bearer.x, nbd"} {
		want := exchange(t, base, "nothing", offer, "bob", "")
		if !strings.Contains(want, "\x0f\xa4unknown target, or not for this client") { // 4004
			t.Fatalf("%s: an unknown target is answered with %q", offer, want)
		}
		for _, c := range []struct{ target, user, origin string }{
			{"denied", "bob", ""}, {"denied", "bob", app}, {"no", "alice", ""}, {"mine", "bob", ""}, {"mine", "bob", app},
			{"page", "alice", other}, {"browsers", "alice", ""}, {"nothing", "alice", app}, {"%00", "alice", ""},
		} {
			if got := exchange(t, base, c.target, offer, c.user, c.origin); got != want {
				t.Errorf("%s, %v: %q\nwant %q", offer, c, got, want)
			}
		}
	}
	if got, want := exchange(t, base, "open", "binary", "bob", ""), exchange(t, base, "nothing", "binary", "bob", ""); got != want {
		t.Errorf("binary: %q\nwant %q", got, want)
	}
	unknown := exchange(t, base, "nothing", "nbd", "", "")
	if got := exchange(t, base, "open", "nbd", "", ""); got != unknown || !strings.Contains(got, "\x0f\xa1not authorised") { // 4001
		t.Errorf("without a credential: %q and %q", got, unknown)
	}
	if n := dials.dials.Load(); n != 0 {
		t.Errorf("%d dials", n)
	}
	waitFor(t, func() bool { return strings.Contains(log.String(), "this target is for others") }) // the operator is told
	exchange(t, base, "mine", "nbd", "alice", app)
	if n := dials.dials.Load(); n != 1 {
		t.Errorf("%d dials for her who may", n)
	}
}

// A native client can send whatever origin it likes. It gets in where nobody is
// authenticated, BrowsersOnly or not, and nowhere else.
func TestForgedOrigin(t *testing.T) {
	for name, c := range map[string]struct {
		authorize func(*http.Request, string) (bridge.Grant, error)
		code      websocket.StatusCode
	}{
		"open":          {nil, bridge.StatusTargetUnreachable},
		"authenticated": {alice, bridge.StatusUnauthorised},
	} {
		dials := &watch{}
		targets := bridge.Targets{"lab": {Network: "unix", Address: "/nowhere", BrowsersOnly: true}}
		base := serve(t, &bridge.Handler{Targets: targets, Dial: dials.dial, Authorize: c.authorize, Origins: []string{"https://app.example"}})
		wantClose(t, dial(t, base, "lab", "Origin", "https://app.example"), c.code)
		if want := c.authorize == nil; (dials.dials.Load() == 1) != want {
			t.Errorf("%s: %d dials", name, dials.dials.Load())
		}
	}
}

// What the server knows of a connection is there to judge it by.
func TestAuthorizeSeesTheConnection(t *testing.T) {
	base := serve(t, &bridge.Handler{Targets: lab, Authorize: func(r *http.Request, _ string) (bridge.Grant, error) {
		if r.Context().Value(http.LocalAddrContextKey) == nil || r.PathValue("target") != "lab" {
			return bridge.Grant{}, errors.New("nothing is known")
		}
		return bridge.Grant{}, bridge.ErrForbidden
	}})
	wantClose(t, dial(t, base, "lab"), bridge.StatusUnknownTarget)
}

func TestPanicInAuthorize(t *testing.T) {
	base := serve(t, &bridge.Handler{Targets: lab, Limits: bridge.Limits{Handshakes: 1}, Authorize: func(*http.Request, string) (bridge.Grant, error) {
		panic("no keys")
	}})
	for range 3 { // it leaves nothing behind that counts
		waitFor(t, func() bool {
			c, answer, err := tryDial(t, base, "lab")
			if err != nil && answer.StatusCode == http.StatusServiceUnavailable {
				return false // the last one is still leaving
			}
			wantClose(t, c, websocket.StatusInternalError)
			return true
		})
	}
}

func TestTargetChecks(t *testing.T) {
	for hint, c := range map[string]struct {
		target    bridge.Target
		authorize func(*http.Request, string) (bridge.Grant, error)
	}{
		`target "lab": origin "app.example"`:   {bridge.Target{Origins: []string{"app.example"}}, nil},
		`target "lab": Sessions is -1`:         {bridge.Target{Sessions: -1}, nil},
		`target "lab": ConnectTimeout is -1ns`: {bridge.Target{ConnectTimeout: -1}, nil},
		"no name":                              {bridge.Target{Principals: []string{""}}, alice},
		"set Authorize":                        {bridge.Target{Principals: []string{"alice"}}, nil},
	} {
		h := &bridge.Handler{Targets: bridge.Targets{"lab": c.target}, Authorize: c.authorize, PublicURL: []string{"http://b.example"}}
		if err := h.Validate(); err == nil || !strings.Contains(err.Error(), hint) {
			t.Errorf("%v, want an error with %q", err, hint)
		}
	}
}

// A source that is not fixed can't be checked before, and lets nobody in by a
// mistake in its origins.
type mistaken struct{}

func (mistaken) Target(string) (bridge.Target, bool) {
	return bridge.Target{Network: "unix", Address: "/nowhere", Origins: []string{"*"}}, true
}

func TestMistakenOrigins(t *testing.T) {
	dials := &watch{}
	var log logbook
	base := serve(t, &bridge.Handler{Targets: mistaken{}, Dial: dials.dial, Log: log.logger()})
	wantClose(t, dial(t, base, "lab", "Origin", base), bridge.StatusForbiddenOrigin)
	wantClose(t, dial(t, base, "lab"), bridge.StatusForbiddenOrigin)
	if dials.dials.Load() != 0 {
		t.Error("it was dialled")
	}
	waitFor(t, func() bool { return strings.Contains(log.String(), `origin \"*\"`) })
}

func TestMethod(t *testing.T) {
	base := serve(t, &bridge.Handler{})
	r, _ := http.NewRequest("POST", base+"/nbd/lab", nil)
	r.Header.Set("Upgrade", "websocket")
	answer, err := client(nil).Do(r)
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	if answer.StatusCode != http.StatusMethodNotAllowed || answer.Header.Get("Allow") != "GET" {
		t.Errorf("POST: %s", answer.Status)
	}
}
