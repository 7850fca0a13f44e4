package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/coder/websocket"

	"nbdbridge/bridge"
	"nbdbridge/bridge/config"
)

func TestPublicURLs(t *testing.T) {
	for _, c := range []struct {
		listen []net.Addr
		secure bool
		want   []string
	}{
		{[]net.Addr{tcpAddr(t, "127.0.0.1:80")}, false, []string{"http://127.0.0.1:80", "http://localhost:80", "http://[::1]:80"}},
		{[]net.Addr{tcpAddr(t, "0.0.0.0:81")}, false, []string{"http://127.0.0.1:81", "http://localhost:81", "http://[::1]:81"}},
		{[]net.Addr{tcpAddr(t, "[::]:81")}, true, []string{"https://127.0.0.1:81", "https://localhost:81", "https://[::1]:81"}},
		{[]net.Addr{tcpAddr(t, "[::1]:82")}, false, []string{"http://[::1]:82", "http://127.0.0.1:82", "http://localhost:82"}},
		{[]net.Addr{tcpAddr(t, "127.0.0.2:83")}, false, []string{"http://127.0.0.2:83", "http://127.0.0.1:83", "http://localhost:83", "http://[::1]:83"}},
		{[]net.Addr{unixAddr, tcpAddr(t, "[::1]:82")}, false, []string{"http://localhost", "http://[::1]:82", "http://127.0.0.1:82", "http://localhost:82"}},
	} {
		if got := publicURLs(c.listen, c.secure); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", c.listen, got, c.want)
		}
	}
}

var unixAddr = &net.UnixAddr{Net: "unix", Name: "/run/x"}

func tcpAddr(t *testing.T, s string) *net.TCPAddr {
	t.Helper()
	a, err := net.ResolveTCPAddr("tcp", s)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestWarnings(t *testing.T) {
	const clear, open, unanswered, everyone = "without TLS", "without authentication", "give --public-url", "holds all addresses"
	public, secure := []config.PublicURL{"https://b.example"}, config.TLS{Cert: "c", Key: "k", ClientCA: "a"}
	world := []config.Peer{{Network: netip.MustParsePrefix("::/0")}}
	for _, c := range []struct {
		listen net.Addr
		config config.Config
		want   []string
	}{
		{tcpAddr(t, "127.0.0.1:80"), config.Config{}, nil},
		{tcpAddr(t, "[::1]:80"), config.Config{}, nil},
		{tcpAddr(t, "127.9.9.9:80"), config.Config{}, nil},
		{unixAddr, config.Config{}, nil},
		{tcpAddr(t, "0.0.0.0:80"), config.Config{}, []string{clear, open, unanswered}},
		{tcpAddr(t, "[::]:80"), config.Config{}, []string{clear, open, unanswered}},
		{tcpAddr(t, "192.0.2.1:80"), config.Config{PublicURL: public}, []string{clear, open}},
		{tcpAddr(t, "192.0.2.1:80"), config.Config{PublicURL: public, TLS: secure}, []string{open}},
		{tcpAddr(t, "192.0.2.1:80"), config.Config{PublicURL: public, TLS: secure, Auth: config.Auth{Certificates: true}}, nil},
		{tcpAddr(t, "0.0.0.0:80"), config.Config{TLS: secure}, []string{open, unanswered}},
		{unixAddr, config.Config{Proxies: config.Proxies{Protocol: world}}, []string{everyone}},
		{unixAddr, config.Config{Proxies: config.Proxies{Forwarded: world}}, []string{everyone}},
		{unixAddr, config.Config{Auth: config.Auth{Header: config.Header{Name: "X", From: world}}}, []string{everyone}},
	} {
		got := warnings(&c.config, []net.Addr{c.listen})
		if len(got) != len(c.want) || missing(strings.Join(got, "\n"), c.want...) != "" {
			t.Errorf("%s: want %q, got %q", c.listen, c.want, got)
		}
	}
}

// What is planned is judged as what is listened at.
func TestAddressOf(t *testing.T) {
	for listener, inside := range map[config.Listener]bool{
		"127.0.0.1:80": true, "[::1]:80": true, "localhost:80": true, "unix:/run/x": true, "systemd:http": true,
		":80": false, "0.0.0.0:80": false, "[::]:80": false, "192.0.2.1:80": false, "bridge.example:80": false,
	} {
		if got := loopback(addressOf(listener)); got != inside {
			t.Errorf("%s: %t", listener, got)
		}
	}
}

const siteHost = "bridge.test:80"

// newRoutes is a site under http://bridge.test with the web files given.
func newRoutes(t *testing.T, ui http.Handler, origins ...string) (http.Handler, logBook) {
	t.Helper()
	log, book := newLog()
	s := &site{ui: ui, log: log}
	h := &bridge.Handler{Targets: bridge.Targets{}, PublicURL: []string{"http://bridge.test"}, Origins: origins, Log: log}
	if err := h.Validate(); err != nil {
		t.Fatal(err)
	}
	return s.routes(h, origins), book
}

func TestRoutes(t *testing.T) {
	with, _ := newRoutes(t, newWebFiles(t))
	without, _ := newRoutes(t, nil)
	for _, c := range []struct {
		method, path        string
		with, without       int
		location, allowWith string
	}{
		{"GET", "/", 302, 404, "/demo/", ""},
		{"GET", "/demo", 307, 404, "/demo/", ""},
		{"GET", "/demo/", 200, 404, "", ""},
		{"HEAD", "/demo/", 200, 404, "", ""},
		{"GET", "/demo/vm", 307, 404, "/demo/vm/", ""},
		{"GET", "/demo/vm/", 200, 404, "", ""},
		{"GET", "/client/index.js", 200, 404, "", ""},
		{"GET", "/client/nothing.js", 404, 404, "", ""},
		{"GET", "/client/../../go.mod", 307, 307, "/go.mod", ""},
		{"GET", "/go.mod", 404, 404, "", ""},
		{"POST", "/demo/", 405, 404, "", "GET, HEAD"},
		{"GET", "/nbd/lab", 426, 426, "", ""},
		{"GET", "/nbd/", 404, 404, "", ""},
		{"GET", "/nbd/lab/x", 404, 404, "", ""},
		{"POST", "/nbd/lab", 405, 405, "", "GET, HEAD"},
	} {
		r := ask(with, c.method, c.path, "Host", siteHost)
		if r.StatusCode != c.with || r.Header.Get("Location") != c.location || r.Header.Get("Allow") != c.allowWith {
			t.Errorf("%s %s with pages: %s, %v", c.method, c.path, r.Status, r.Header)
		}
		if r := ask(without, c.method, c.path, "Host", siteHost); r.StatusCode != c.without {
			t.Errorf("%s %s without pages: %s", c.method, c.path, r.Status)
		}
	}
}

// A page of another name that was pointed at this machine gets nothing at all.
func TestWrongHostGetsNothing(t *testing.T) {
	h, _ := newRoutes(t, newWebFiles(t), "https://app.example")
	for _, path := range []string{"/", "/demo/", "/client/index.js", "/nbd/lab", "/nothing", "/demo/local.json"} {
		for _, host := range []string{"evil.example", "bridge.test.evil.example", "bridge.test:81", "127.0.0.1", ""} {
			r := ask(h, "GET", path, "Host", host, "Origin", "https://app.example")
			if r.StatusCode != http.StatusMisdirectedRequest || r.Header.Get("Access-Control-Allow-Origin") != "" || missing(bodyOf(t, r), "--public-url") != "" {
				t.Errorf("%s under the host %q: %s", path, host, r.Status)
			}
		}
	}
}

func TestCORS(t *testing.T) {
	const listed, second, other = "https://app.example", "https://b.example:8443", "https://evil.example"
	for _, c := range []struct {
		origins      []string
		path, origin string
		want         string
	}{
		{[]string{listed}, "/client/nbd.wasm", listed, listed},
		{[]string{listed}, "/client/nbd.wasm", other, ""},
		{[]string{listed}, "/client/nbd.wasm", "null", ""},
		{[]string{listed}, "/client/nbd.wasm", listed + ".evil.example", ""},
		{[]string{listed, second}, "/client/nbd.wasm", second, second},
		{[]string{listed, second}, "/client/nbd.wasm", other, ""},
		{[]string{listed}, "/demo/", listed, ""},
		{[]string{listed}, "/nbd/lab", listed, ""},
		{nil, "/client/nbd.wasm", listed, ""},
	} {
		h, _ := newRoutes(t, newWebFiles(t), c.origins...)
		r := ask(h, "GET", c.path, "Host", siteHost, "Origin", c.origin, "Accept-Encoding", "gzip")
		if got := r.Header.Get("Access-Control-Allow-Origin"); got != c.want || r.Header.Get("Access-Control-Allow-Credentials") != "" {
			t.Errorf("%s from %s with %v allowed: %q", c.path, c.origin, c.origins, got)
		}
		vary := r.Header.Values("Vary")
		if c.origins != nil && c.path == "/client/nbd.wasm" && (!slices.Contains(vary, "Origin") || !slices.Contains(vary, "Accept-Encoding")) {
			t.Errorf("%s with %v allowed varies by %v", c.path, c.origins, vary)
		}
	}
}

func TestPanicIsAnsweredAndLogged(t *testing.T) {
	h, book := newRoutes(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("the disk is on fire") }))
	r := ask(h, "GET", "/demo/", "Host", siteHost)
	if body := bodyOf(t, r); r.StatusCode != 500 || strings.Contains(body, "fire") {
		t.Errorf("%s: %s", r.Status, body)
	}
	book.await(t, "level=ERROR", "panic in a request", "the disk is on fire")
}

// startSite runs a site, and returns its base URL and what ends it.
func startSite(t *testing.T, s *site) (base string, stop func() error) {
	t.Helper()
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	ctx, cancel := context.WithCancel(context.Background())
	bases, ended := make(chan string, 1), make(chan error, 1)
	go func() {
		ended <- s.run(ctx, func(base string) { bases <- base })
		close(ended)
	}()
	stop = func() error {
		cancel()
		return receive(t, ended)
	}
	t.Cleanup(func() { _ = stop() })
	select {
	case base = <-bases:
	case err := <-ended:
		t.Fatalf("the site ended: %v", err)
	}
	return base, stop
}

// newConfig is a site on a port of its own with one target, that ends at once.
func newConfig(t *testing.T, serve func(net.Conn)) *config.Config {
	t.Helper()
	return &config.Config{
		Listen:  []config.Listener{"127.0.0.1:0"},
		Targets: map[string]config.Target{"lab": {Address: config.Address{Network: "tcp", Address: newTarget(t, serve)}}},
		Limits:  config.Limits{Drain: -1},
	}
}

func TestSiteRelaysAndDrains(t *testing.T) {
	log, book := newLog()
	base, stop := startSite(t, &site{config: newConfig(t, echo), log: log})
	ws, _, err := dialWebSocket(t, base+"/nbd/lab", "")
	if err != nil {
		t.Fatal(err)
	}
	if err := ws.Write(t.Context(), websocket.MessageBinary, []byte("hello")); err != nil {
		t.Fatal(err)
	}
	if _, got, err := ws.Read(t.Context()); err != nil || string(got) != "hello" {
		t.Fatalf("%q, error %v", got, err)
	}

	closed := make(chan error, 1)
	go func() {
		_, _, err := ws.Read(context.Background())
		closed <- err
	}()
	if err := stop(); err != nil {
		t.Errorf("the end: %v", err)
	}
	if err := receive(t, closed); websocket.CloseStatus(err) != bridge.StatusDraining {
		t.Errorf("the client was told %v", err)
	}
	book.await(t, "session ended", "target=lab", "code=4503")
	if _, err := net.Dial("tcp", strings.TrimPrefix(base, "http://")); err == nil {
		t.Error("the site still listens")
	}
}

func TestSiteUpgradesUnderItsOwnHostOnly(t *testing.T) {
	base, _ := startSite(t, &site{config: newConfig(t, echo)})
	for _, host := range []string{"", "localhost" + base[strings.LastIndex(base, ":"):]} {
		if _, _, err := dialWebSocket(t, base+"/nbd/lab", host); err != nil {
			t.Errorf("host %q: %v", host, err)
		}
	}
	_, answer, err := dialWebSocket(t, base+"/nbd/lab", "evil.example")
	if err == nil || answer == nil || answer.StatusCode != http.StatusMisdirectedRequest {
		t.Errorf("evil.example: %v, error %v", answer, err)
	}
}

func TestSiteAddressInUse(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	log, _ := newLog()
	c := &serveCommand{Listen: []config.Listener{config.Listener(taken.Addr().String())}, Target: map[string]string{"lab": "tcp://127.0.0.1:1"}}
	wantError(t, c.Run(t.Context(), log), false, taken.Addr().String(), "address already in use", "--listen")
}

func TestServeRefuses(t *testing.T) {
	cert, key := newFile(t, "cert.pem", pki().clientCert), newFile(t, "key.pem", pki().clientKey)
	for _, c := range []struct {
		name, line string
		code       int
		texts      []string
	}{
		{"target without port", "--target lab=tcp://h", 2, []string{"--target lab=tcp://h", "no port"}},
		{"target that is none", "--target lab=h:1", 2, []string{"--target lab=h:1", "tcp://HOST:PORT"}},
		{"no target", "", 2, []string{"--target NAME=tcp://HOST:PORT", "--config"}},
		{"certificate without key", "--target lab=tcp://h:1 --tls-cert " + cert, 2, []string{"--tls-cert and --tls-key belong together"}},
		{"key without certificate", "--target lab=tcp://h:1 --tls-key " + key, 2, []string{"--tls-cert and --tls-key belong together"}},
		{"certificate that is none", "--target lab=tcp://h:1 --tls-cert " + key + " --tls-key " + key, 1, []string{"tls: cert and key"}},
		{"public URL with a path", "--target lab=tcp://h:1 --public-url https://b.example/", 2, []string{"--public-url", "public URL", "nothing may follow"}},
		{"public URL of a WebSocket", "--target lab=tcp://h:1 --public-url wss://b.example", 2, []string{"public URL", "http or https"}},
		{"any origin", "--target lab=tcp://h:1 --origin https://*.example", 2, []string{"--origin", "no wildcards"}},
		{"listening nowhere", "--target lab=tcp://h:1 --listen nowhere", 2, []string{"missing port", "--listen"}},
		{"a limit that is none", "--target lab=tcp://h:1 --drain soon", 2, []string{"--drain", "want a duration"}},
		{"a header of everyone", "--target lab=tcp://h:1 --auth-header X-User", 1, []string{"auth.header", "needs from"}},
		{"no such file", "--config /no/such/file", 1, []string{"/no/such/file"}},
		{"two systemd sockets that are none", "--target lab=tcp://h:1 --listen systemd:x", 1, []string{"systemd:x", "--listen"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			code, _, stderr := runWith(t, append([]string{"serve"}, strings.Fields(c.line)...)...)
			if lacks := missing(stderr, c.texts...); code != c.code || lacks != "" {
				t.Errorf("code %d, without %q: %s", code, lacks, stderr)
			}
		})
	}
}

func TestServeSaysWhereItServes(t *testing.T) {
	log, book := newLog()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	c := &serveCommand{Listen: []config.Listener{"127.0.0.1:0"}, Target: map[string]string{"lab": "tcp://127.0.0.1:1", "x": "unix:///x"}}
	go func() { ended <- c.Run(ctx, log) }()
	var base string
	line := book.await(t, "msg=serving", "targets=2", "ui=false")
	if _, err := fmt.Sscanf(line[strings.Index(line, "url="):], "url=%s", &base); err != nil {
		t.Error(err)
	}
	answer, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Get(base + "/")
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, answer.Body)
	answer.Body.Close()
	if answer.StatusCode != 404 {
		t.Error(answer.Status)
	}
	cancel()
	if err := receive(t, ended); err != nil {
		t.Error(err)
	}
}

// A flag moves a target of the file elsewhere, and opens it for nobody else.
func TestTargetFlagKeepsWhatTheFileDemands(t *testing.T) {
	file := newConfigFile(t, "auth: {header: {name: X-User, from: unix}}",
		"targets: {lab: {address: 'tcp://127.0.0.1:1', principals: [alice], browsersOnly: true}}")
	cfg, err := (&serveCommand{Config: file, Target: map[string]string{"lab": "tcp://127.0.0.1:2", "new": "tcp://127.0.0.1:3"}}).load()
	if err != nil {
		t.Fatal(err)
	}
	lab, fresh := cfg.Targets["lab"], cfg.Targets["new"]
	if lab.Address.Address != "127.0.0.1:2" || len(lab.Principals) != 1 || !lab.BrowsersOnly {
		t.Errorf("%+v", lab)
	}
	if fresh.Address.Address != "127.0.0.1:3" || fresh.BrowsersOnly {
		t.Errorf("%+v", fresh)
	}
}
