package main

import (
	"context"
	"net"
	"net/http"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// newAdmin starts a bridge with an admin listener, and returns its URL.
func newAdmin(t *testing.T, args ...string) (b *running, url string) {
	t.Helper()
	b = startServe(t, append([]string{"--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"}, args...)...)
	return b, "http://" + b.admin
}

func get(t *testing.T, client *http.Client, url string) (status int, body string) {
	t.Helper()
	answer, err := client.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	return answer.StatusCode, bodyOf(t, answer)
}

var oneRequest = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}

func TestAdmin(t *testing.T) {
	b, url := newAdmin(t, "--target", "a=tcp://"+newTarget(t, echo), "--drain", "1h", "--admin-host", "admin.example:1")
	session, err := visitor{}.visit(t, b.base, "a")
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		"/metrics": "go_goroutines", "/healthz": "", "/readyz": "", "/sessions": `"target": "a"`,
	} {
		if status, body := get(t, oneRequest, url+path); status != 200 || missing(body, want) != "" {
			t.Errorf("%s: %d without %q: %.500s", path, status, want, body)
		}
	}
	if status, _ := get(t, oneRequest, url+"/debug/pprof/"); status != 404 {
		t.Errorf("profiles: %d", status)
	}
	for host, want := range map[string]int{"admin.example:1": 200, "localhost:" + url[strings.LastIndex(url, ":")+1:]: 200, "evil.example": 421} {
		r, _ := http.NewRequestWithContext(t.Context(), "GET", url+"/healthz", nil)
		r.Host = host
		answer, err := oneRequest.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		if answer.StatusCode != want {
			t.Errorf("host %s: %s", host, answer.Status)
		}
	}
	// The operator's listener outlasts the drain, and says that it is one.
	stopped := make(chan int, 1)
	go func() { stopped <- b.stop() }()
	await(t, func() bool {
		status, body := get(t, oneRequest, url+"/readyz")
		return status == 503 && strings.Contains(body, "shutting down")
	})
	_ = session.CloseNow()
	receive(t, stopped)
	// Nobody may connect to what sessions are for over the admin listener.
	if _, err := net.Dial("tcp", strings.TrimPrefix(url, "http://")); err == nil {
		t.Error("the admin listener is still there")
	}
}

func TestReadyProbes(t *testing.T) {
	up, down := newTarget(t, echo), closedPort(t)
	_, url := newAdmin(t, "--target", "up=tcp://"+up, "--probe-targets", "--drain", "0")
	if status, body := get(t, oneRequest, url+"/readyz"); status != 200 {
		t.Errorf("all up: %d %s", status, body)
	}
	_, url = newAdmin(t, "--target", "up=tcp://"+up, "--target", "down=tcp://"+down, "--target", "gone=unix:///no/such", "--probe-targets", "--drain", "0")
	if status, body := get(t, oneRequest, url+"/readyz"); status != 503 || missing(body, "2 of 3", "down, gone") != "" {
		t.Errorf("two down: %d %s", status, body)
	}
}

// Who asks often costs the targets nothing.
func TestProbeIsKept(t *testing.T) {
	came := make(chan struct{}, 10)
	c := newConfig(t, func(net.Conn) { came <- struct{}{} })
	var p prober
	for range 3 {
		if err := p.probe(t.Context(), c); err != nil {
			t.Error(err)
		}
	}
	receive(t, came)
	other := *c
	if err := p.probe(t.Context(), &other); err != nil { // new targets are probed at once
		t.Error(err)
	}
	receive(t, came)
	if len(came) > 0 {
		t.Error("probed too often")
	}
}

func TestProbeGivesUp(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := probeAll(ctx, newConfig(t, echo).Targets); err == nil {
		t.Error("no time, and yet an answer")
	}
}

// All kinds of listeners at once; the peer of a Unix socket may set the header.
func TestListeners(t *testing.T) {
	socket, adminSocket := filepath.Join(t.TempDir(), "s"), filepath.Join(t.TempDir(), "a")
	b := startServe(t, "--listen", "127.0.0.1:0,unix:"+socket, "--admin-listen", "unix:"+adminSocket, "--drain", "0",
		"--target", "a=tcp://"+newTarget(t, echo), "--auth-header", "X-User", "--auth-header-from", "unix")
	header := http.Header{"X-User": {"alice"}}
	if got := b.becomes(t, visitor{header: header}, "a"); got != "4001" {
		t.Errorf("over TCP: %q", got)
	}
	over := func(path string) *http.Transport {
		return &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", path)
		}}
	}
	if got := b.becomes(t, visitor{header: header, transport: over(socket)}, "a"); got != "alice" {
		t.Errorf("over the socket: %q", got)
	}
	transport := over(adminSocket)
	transport.DisableKeepAlives = true
	if status, _ := get(t, &http.Client{Transport: transport}, "http://whatever/healthz"); status != 200 {
		t.Errorf("the admin socket: %d", status)
	}
}

// What a proxy tells counts for limits and logs, and only from where it may.
func TestProxiesOfTheConfiguration(t *testing.T) {
	b := startServe(t, "--listen", "127.0.0.1:0", "--target", "a=tcp://"+newTarget(t, echo), "--forwarded", "127.0.0.1", "--drain", "0")
	c, err := visitor{header: http.Header{"X-Forwarded-For": {"192.0.2.7"}}}.visit(t, b.base, "a")
	if err != nil {
		t.Fatal(err)
	}
	b.log.await(t, "session began", "remote=192.0.2.7:0")
	_ = c.CloseNow()

	b = startServe(t, "--listen", "127.0.0.1:0", "--target", "a=tcp://"+newTarget(t, echo), "--proxy-protocol", "127.0.0.0/8", "--drain", "0")
	told := &http.Transport{DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
		c, err := (&net.Dialer{}).DialContext(ctx, network, address)
		if err == nil {
			_, err = c.Write([]byte("PROXY TCP4 192.0.2.8 192.0.2.9 1000 2000\r\n"))
		}
		return c, err
	}}
	if _, err = (visitor{transport: told}).visit(t, b.base, "a"); err != nil {
		t.Fatal(err)
	}
	b.log.await(t, "session began", "remote=192.0.2.8:1000")
	if _, err = (visitor{}).visit(t, b.base, "a"); err == nil {
		t.Error("a proxy without a header is served")
	}
}

func TestHostsOf(t *testing.T) {
	if got := hostsOf(tcpAddr(t, "127.0.0.1:9")); strings.Join(got, " ") != "127.0.0.1:9 localhost:9 [::1]:9" {
		t.Error(got)
	}
	if got := hostsOf(unixAddr); got != nil {
		t.Error(got)
	}
}

func TestJSONLog(t *testing.T) {
	b := startServeWith(t, regexp.MustCompile(`"msg":"serving","url":"([^"]+)"`), "--listen", "127.0.0.1:0", "--target", "a=tcp://"+newTarget(t, echo),
		"--log-format", "json", "--log-level", "debug", "--drain", "0")
	if _, err := (visitor{}).visit(t, b.base, "a"); err != nil {
		t.Fatal(err)
	}
	b.log.await(t, `"msg":"session began"`, `"target":"a"`)
}

// The level can change while it serves: what happens under "error" is not told
// of once it is "info" again.
func TestLogLevel(t *testing.T) {
	b, write := newReloadable(t)
	for _, target := range []string{"first", "second"} { // once the second is there, the first's level is too
		write("limits: {drain: 0s, addressRate: 0}\nlog: {level: error}", target)
		b.signal(t)
		await(t, func() bool {
			_, err := visitor{}.visit(t, b.base, target)
			return err == nil
		})
	}
	write("limits: {drain: 0s}", "third", "fourth")
	b.signal(t)
	for line := ""; !strings.Contains(line, "msg=reloaded targets=2"); {
		if line = receive(t, b.log); strings.Contains(line, "session began") && strings.Contains(line, "target=second") {
			t.Error(line)
		}
	}
}
