package bridge_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"

	"nbdbridge/bridge"
)

// A spy is a TargetSource that counts; none of its targets can be reached.
type spy struct{ lookups, dials atomic.Int32 }

func (s *spy) Target(string) (bridge.Target, bool) {
	s.lookups.Add(1)
	return bridge.Target{Network: "unix", Address: "/nowhere"}, true
}

func (s *spy) dial(ctx context.Context, target bridge.Target) (net.Conn, error) {
	s.dials.Add(1)
	return nil, net.ErrClosed
}

func TestOrigins(t *testing.T) {
	s := &spy{}
	h := &bridge.Handler{
		Targets: s, Dial: s.dial,
		PublicURL: []string{"https://Bridge.example:443", "http://[0:0::1]:8080"},
		Origins:   []string{"https://app.example", "http://app.example:8080", "HTTP://Plain.Example:80", "chrome-extension://abcdef", "https://kiosk.example"},
	}
	base := serve(t, h)
	for origin, allowed := range map[string]bool{
		base:                           true,
		strings.ToUpper(base):          true,
		"https://bridge.example":       true,
		"https://bridge.example:443":   true,
		"https://BRIDGE.example":       true,
		"http://bridge.example":        false,
		"https://bridge.example:444":   false,
		"http://[::1]:8080":            true,
		"https://app.example":          true,
		"https://app.example:443":      true,
		"https://app.example:8080":     false,
		"http://app.example":           false,
		"http://app.example:8080":      true,
		"http://plain.example":         true,
		"https://plain.example":        false,
		"https://sub.app.example":      false,
		"https://app.example.evil":     false,
		"https://evil-app.example":     false,
		"https://app.example.":         false,
		"https://app.example/":         false,
		"https://app.example@evil":     false,
		"https://user@app.example":     false,
		"https://app.example?":         false,
		"https://app.example:":         false,
		"https://app.example:0443":     false,
		"chrome-extension://abcdef":    true,
		"chrome-extension://other":     false,
		"https://plain.exampl\u0117":   false,
		"https://\u212aiosk.example":   false,
		"null":                         false,
		"":                             false,
		"*":                            false,
		"file://":                      false,
		"https://app.example https://": false,
	} {
		t.Run(origin, func(t *testing.T) {
			s.lookups.Store(0)
			s.dials.Store(0)
			c := dial(t, base, "lab", "Origin", origin)
			if allowed {
				wantClose(t, c, bridge.StatusTargetUnreachable)
			} else {
				wantClose(t, c, bridge.StatusForbiddenOrigin)
			}
			want := map[bool]int32{true: 1}[allowed]
			if s.lookups.Load() != want || s.dials.Load() != want {
				t.Errorf("%d lookups and %d dials, want %d of each", s.lookups.Load(), s.dials.Load(), want)
			}
		})
	}
	wantClose(t, dial(t, base, "lab", "Origin", base, "Origin", base), bridge.StatusForbiddenOrigin)
	wantClose(t, dial(t, base, "lab"), bridge.StatusTargetUnreachable) // a native client
}

// A page of evil.example whose name now leads here sends that name as its host
// and as its origin.
func TestDNSRebinding(t *testing.T) {
	s := &spy{}
	base := serve(t, &bridge.Handler{Targets: s, Dial: s.dial, Authorize: func(*http.Request, string) (bridge.Grant, error) {
		t.Error("authorisation was asked")
		return bridge.Grant{}, nil
	}})
	_, port, _ := net.SplitHostPort(strings.TrimPrefix(base, "http://"))
	for _, host := range []string{"evil.example", "evil.example:" + port} {
		_, answer, err := tryDial(t, base, "lab", "Host", host, "Origin", "http://"+host)
		if err == nil || answer == nil || answer.StatusCode != http.StatusMisdirectedRequest {
			t.Errorf("host %s: %v, %v; want 421", host, answer, err)
		}
	}
	if s.lookups.Load()+s.dials.Load() != 0 {
		t.Errorf("%d lookups and %d dials", s.lookups.Load(), s.dials.Load())
	}
}

func TestGuard(t *testing.T) {
	h := &bridge.Handler{
		Targets:   bridge.Targets{},
		PublicURL: []string{"http://127.0.0.1:8080", "https://bridge.example", "http://[::1]:8080", "http://plain.example", "https://kiosk.example"},
	}
	guarded := h.Guard(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, "page") }))
	for host, want := range map[string]int{
		"127.0.0.1:8080":         200,
		"127.0.0.1":              421,
		"127.0.0.1:80":           421,
		"localhost:8080":         421,
		"[::1]:8080":             200,
		"[::1]":                  421,
		"bridge.example":         200,
		"BRIDGE.Example:443":     200,
		"bridge.example:80":      421,
		"bridge.example.":        421,
		"bridge.example:8080":    421,
		"plain.example:80":       200,
		"plain.example:443":      421,
		"evil.example":           421,
		"bridge.example.evil":    421,
		"bridge.example,evil":    421,
		"kiosk.example":          200,
		"\u212aiosk.example":     421, // a Kelvin sign, k in lower case
		"br\u0131dge.example":    421, // a dotless i
		"":                       421,
		" bridge.example":        421,
		"bridge.example/../evil": 421,
	} {
		w := httptest.NewRecorder()
		r := httptest.NewRequest("GET", "/demo/", nil)
		r.Host = host
		guarded.ServeHTTP(w, r)
		if w.Code != want {
			t.Errorf("Host %q: %d, want %d", host, w.Code, want)
		}
		if want == 421 && !strings.Contains(w.Body.String(), "--public-url") {
			t.Errorf("Host %q: the answer names no remedy: %q", host, w.Body)
		}
	}
}

func TestValidate(t *testing.T) {
	good := func() *bridge.Handler {
		return &bridge.Handler{Targets: bridge.Targets{}, PublicURL: []string{"http://127.0.0.1:8080"}, Origins: []string{"https://app.example"}}
	}
	if err := good().Validate(); err != nil {
		t.Errorf("good: %v", err)
	}
	for hint, spoil := range map[string]func(h *bridge.Handler){
		"no targets":          func(h *bridge.Handler) { h.Targets = nil },
		"no public URL":       func(h *bridge.Handler) { h.PublicURL = nil },
		"must be http":        func(h *bridge.Handler) { h.PublicURL = []string{"ws://bridge.example"} },
		"public URL":          func(h *bridge.Handler) { h.PublicURL = []string{"bridge.example"} },
		"not even a slash":    func(h *bridge.Handler) { h.PublicURL = []string{"https://bridge.example/"} },
		"nothing may follow":  func(h *bridge.Handler) { h.Origins = []string{"https://app.example/page"} },
		`origin "*"`:          func(h *bridge.Handler) { h.Origins = []string{"*"} },
		"no wildcards":        func(h *bridge.Handler) { h.Origins = []string{"https://*.example"} },
		`origin "null"`:       func(h *bridge.Handler) { h.Origins = []string{"null"} },
		`origin ""`:           func(h *bridge.Handler) { h.Origins = []string{""} },
		"nothing may follow ": func(h *bridge.Handler) { h.Origins = []string{"https://app.example?"} },
		"1 to 65535":          func(h *bridge.Handler) { h.Origins = []string{"https://app.example:70000"} },
		"xn--":                func(h *bridge.Handler) { h.Origins = []string{"https://b\u00fccher.example"} },
		"PingInterval (1m":    func(h *bridge.Handler) { h.Limits = bridge.Limits{PingInterval: time.Minute, PeerTimeout: time.Second} },
		"ConnectTimeout is":   func(h *bridge.Handler) { h.Limits.ConnectTimeout = -1 },
	} {
		h := good()
		spoil(h)
		if err := h.Validate(); err == nil || !strings.Contains(err.Error(), hint) {
			t.Errorf("%v, want an error with %q", err, hint)
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("GET", "http://127.0.0.1:8080/nbd/lab", nil))
		if w.Code != http.StatusInternalServerError {
			t.Errorf("%s: an invalid handler answers %d", hint, w.Code)
		}
	}
}

func TestNoUpgrade(t *testing.T) {
	base := serve(t, &bridge.Handler{})
	answer, err := client(nil).Get(base + "/nbd/lab")
	if err != nil {
		t.Fatal(err)
	}
	text, _ := io.ReadAll(answer.Body)
	answer.Body.Close()
	if answer.StatusCode != http.StatusUpgradeRequired || !strings.Contains(string(text), "WebSocket") || answer.Header.Get("Upgrade") != "websocket" {
		t.Errorf("plain GET: %s %q", answer.Status, text)
	}
}

func TestSubprotocols(t *testing.T) {
	base := serve(t, &bridge.Handler{})
	for _, test := range []struct {
		offer []string
		ok    bool
	}{
		{nil, false}, {[]string{"Binary"}, false}, {[]string{"NBD"}, false}, {[]string{"nbd.v2"}, false},
		{[]string{"nbd"}, true}, {[]string{"nbd.token.secret", "nbd"}, true}, {[]string{"nbd", "nbd.token.secret"}, true},
	} {
		c, answer, err := websocket.Dial(context.Background(), base+"/nbd/lab", &websocket.DialOptions{HTTPClient: client(nil), Subprotocols: test.offer})
		if test.ok && (err != nil || c.Subprotocol() != "nbd") {
			t.Errorf("%q: %v, %v", test.offer, c, err)
		}
		if !test.ok && (answer == nil || answer.StatusCode != http.StatusBadRequest) {
			t.Errorf("%q: %v, %v; want 400", test.offer, answer, err)
		}
		if err == nil {
			wantClose(t, c, bridge.StatusUnknownTarget)
		}
	}
}
