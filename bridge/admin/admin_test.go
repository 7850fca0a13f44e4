package admin_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"nbdbridge/bridge"
	"nbdbridge/bridge/admin"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A Handler of the bridge is what this one asks.
var _ admin.Sessions = &bridge.Handler{}

// fake is a bridge with some sessions.
type fake struct {
	sessions []bridge.SessionInfo
	ended    []uint64
}

func (f *fake) Sessions() []bridge.SessionInfo { return f.sessions }

func (f *fake) EndSession(id uint64) bool {
	f.ended = append(f.ended, id)
	return slices.ContainsFunc(f.sessions, func(s bridge.SessionInfo) bool { return s.ID == id })
}

const host = "127.0.0.1:9090"

// send asks a handler, with headers in pairs.
func send(h *admin.Handler, method, path string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, nil)
	r.Host = host
	for i := 0; i < len(headers); i += 2 {
		if headers[i] == "Host" {
			r.Host = headers[i+1]
			continue
		}
		r.Header.Add(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func newHandler() (*admin.Handler, *fake) {
	f := &fake{sessions: []bridge.SessionInfo{{
		ID: 7, Target: "lab", Principal: "alice", Remote: "192.0.2.7:1", Path: "splice",
		Begin: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Age: 1500 * time.Millisecond, Up: 10, Down: 20,
	}}}
	counter := prometheus.NewCounter(prometheus.CounterOpts{Name: "nbd_test_total", Help: "A test."})
	metrics := prometheus.NewRegistry()
	metrics.MustRegister(counter)
	return &admin.Handler{Bridge: f, Metrics: metrics, Hosts: []string{"admin.example:9090", host}, Pprof: true}, f
}

func TestRoutes(t *testing.T) {
	for _, c := range []struct {
		method, path string
		code         int
		want         string
	}{
		{"GET", "/metrics", 200, "nbd_test_total 0"},
		{"GET", "/healthz", 200, "ok\n"},
		{"HEAD", "/healthz", 200, ""},
		{"GET", "/readyz", 200, "ok\n"},
		{"GET", "/sessions", 200, `"age": 1.5`},
		{"GET", "/debug/pprof/", 200, "goroutine"},
		{"GET", "/debug/pprof/goroutine?debug=1", 200, "goroutine profile"},
		{"GET", "/debug/pprof/cmdline", 404, "Unknown profile"},
		{"GET", "/debug/pprof/symbol", 200, "num_symbols"},
		{"POST", "/debug/pprof/symbol", 200, "num_symbols"},
		{"POST", "/sessions/7/end", 204, ""},
		{"POST", "/sessions/8/end", 404, "no session of this ID"},
		{"POST", "/sessions/-7/end", 404, "no session of this ID"},
		{"POST", "/sessions/18446744073709551616/end", 404, "no session of this ID"},
		{"POST", "/sessions/lab/end", 404, "no session of this ID"},
		{"GET", "/sessions/7/end", 405, "Method Not Allowed"},
		{"PUT", "/sessions/7/end", 405, "Method Not Allowed"},
		{"DELETE", "/sessions", 405, "Method Not Allowed"},
		{"POST", "/metrics", 405, "Method Not Allowed"},
		{"GET", "/", 404, "not found"},
		{"GET", "/nbd/lab", 404, "not found"},
	} {
		h, _ := newHandler()
		w := send(h, c.method, c.path)
		if w.Code != c.code || !strings.Contains(w.Body.String(), c.want) {
			t.Errorf("%s %s: %d %q, want %d with %q", c.method, c.path, w.Code, w.Body, c.code, c.want)
		}
		if got := w.Header().Get("Cache-Control"); got != "no-store" {
			t.Errorf("%s %s: Cache-Control is %q", c.method, c.path, got)
		}
	}
}

func TestEnd(t *testing.T) {
	h, f := newHandler()
	send(h, "GET", "/sessions/7/end")
	if len(f.ended) > 0 {
		t.Error("a GET has ended a session")
	}
	send(h, "POST", "/sessions/7/end")
	if !slices.Equal(f.ended, []uint64{7}) {
		t.Errorf("ended %v, want 7", f.ended)
	}
}

func TestSessions(t *testing.T) {
	h, f := newHandler()
	w := send(h, "GET", "/sessions")
	var got []map[string]any
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || len(got) != 1 {
		t.Fatalf("%s: %v", w.Body, err)
	}
	for key, want := range map[string]any{
		"id": 7.0, "target": "lab", "principal": "alice", "remote": "192.0.2.7:1", "path": "splice",
		"begin": "2026-01-02T03:04:05Z", "age": 1.5, "up": 10.0, "down": 20.0,
	} {
		if got[0][key] != want {
			t.Errorf("%s is %v, want %v", key, got[0][key], want)
		}
	}
	if kind := w.Header().Get("Content-Type"); kind != "application/json" {
		t.Errorf("Content-Type %q", kind)
	}
	f.sessions = nil
	if w := send(h, "GET", "/sessions"); w.Body.String() != "[]\n" {
		t.Errorf("no sessions are %q", w.Body)
	}
}

func TestReady(t *testing.T) {
	h, _ := newHandler()
	h.Ready = func(ctx context.Context) error {
		if _, ok := ctx.Deadline(); !ok {
			return errors.New("no deadline")
		}
		return errors.New("the bridge drains")
	}
	if w := send(h, "GET", "/readyz"); w.Code != 503 || w.Body.String() != "the bridge drains\n" {
		t.Errorf("%d %q", w.Code, w.Body)
	}
	h.Ready = func(context.Context) error { return nil }
	if w := send(h, "GET", "/readyz"); w.Code != 200 {
		t.Errorf("%d %q", w.Code, w.Body)
	}
}

func TestLess(t *testing.T) {
	h := &admin.Handler{Bridge: &fake{}, Hosts: []string{host}}
	for path, code := range map[string]int{"/debug/pprof/": 404, "/debug/pprof/heap": 404, "/metrics": 404, "/readyz": 200} {
		if w := send(h, "GET", path); w.Code != code {
			t.Errorf("%s: %d, want %d", path, w.Code, code)
		}
	}
}

// TestRefused sends what pages could: nothing is answered, and nothing ends.
func TestRefused(t *testing.T) {
	for _, c := range []struct {
		headers []string
		code    int
	}{
		{[]string{"Origin", "https://evil.example"}, 403},
		{[]string{"Origin", "http://" + host}, 403},
		{[]string{"Origin", "null"}, 403},
		{[]string{"Origin", ""}, 403},
		{[]string{"Sec-Fetch-Site", "cross-site"}, 403},
		{[]string{"Sec-Fetch-Site", "same-site"}, 403},
		{[]string{"Sec-Fetch-Site", "same-origin"}, 403},
		{[]string{"Sec-Fetch-Site", ""}, 403},
		{[]string{"Sec-Fetch-Site", "none", "Sec-Fetch-Site", "cross-site"}, 403},
		{[]string{"Sec-Fetch-Site", "none", "Origin", "https://evil.example"}, 403},
		{[]string{"Host", "evil.example"}, 421},
		{[]string{"Host", "evil.example:9090"}, 421},
		{[]string{"Host", "127.0.0.1"}, 421},
		{[]string{"Host", "127.0.0.1:9091"}, 421},
		{[]string{"Host", "admin.example"}, 421},
		{[]string{"Host", "ADMIN.example:9090"}, 421},
		{[]string{"Host", ""}, 421},
	} {
		for _, request := range [][2]string{{"GET", "/sessions"}, {"POST", "/sessions/7/end"}, {"GET", "/metrics"}, {"GET", "/debug/pprof/heap"}, {"GET", "/none"}} {
			h, f := newHandler()
			w := send(h, request[0], request[1], c.headers...)
			if w.Code != c.code || len(strings.Fields(w.Body.String())) < 10 {
				t.Errorf("%v with %q: %d %q, want %d in words", request, c.headers, w.Code, w.Body, c.code)
			}
			if len(f.ended) > 0 || w.Header().Get("Cache-Control") != "no-store" {
				t.Errorf("%v with %q: ended %v, %v", request, c.headers, f.ended, w.Header())
			}
		}
	}
}

func TestAdmitted(t *testing.T) {
	h, _ := newHandler()
	for _, headers := range [][]string{{"Sec-Fetch-Site", "none"}, {"Host", "admin.example:9090"}, nil} {
		if w := send(h, "GET", "/healthz", headers...); w.Code != 200 {
			t.Errorf("%q: %d %q", headers, w.Code, w.Body)
		}
	}
}

// Over a Unix socket any Host is answered, and no page.
func TestUnix(t *testing.T) {
	l, err := net.Listen("unix", filepath.Join(t.TempDir(), "socket"))
	if err != nil {
		t.Fatal(err)
	}
	h, _ := newHandler()
	h.Hosts = nil
	server := httptest.NewUnstartedServer(h)
	server.Listener.Close()
	server.Listener = l
	server.Start()
	defer server.Close()
	client := &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "unix", l.Addr().String())
		},
	}}
	for origin, code := range map[string]int{"": 200, "https://evil.example": 403} {
		r, _ := http.NewRequest("GET", "http://whatever/sessions", nil)
		if origin != "" {
			r.Header.Set("Origin", origin)
		}
		answer, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(answer.Body)
		answer.Body.Close()
		if answer.StatusCode != code {
			t.Errorf("origin %q: %d %q", origin, answer.StatusCode, body)
		}
	}
}
