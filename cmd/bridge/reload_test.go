package main

import (
	"bufio"
	"crypto/ed25519"
	"crypto/tls"
	"encoding/base64"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/coder/websocket"

	"nbdbridge/bridge"
	"nbdbridge/bridge/config"
	"nbdbridge/bridge/ticket"
)

// newReloadable is a bridge with the targets given, at one address, and what
// changes its file.
func newReloadable(t *testing.T) (b *running, write func(rest string, targets ...string)) {
	t.Helper()
	address, file := newTarget(t, echo), newConfigFile(t)
	write = func(rest string, targets ...string) {
		t.Helper()
		lines := []string{"listen: 127.0.0.1:0", rest, "targets:"}
		for _, name := range targets {
			lines = append(lines, "  "+name+": {address: 'tcp://"+address+"'}")
		}
		overwrite(t, file, strings.Join(lines, "\n"))
	}
	write("limits: {drain: 0s}", "a", "b")
	return startServe(t, "--config", file), write
}

func TestReload(t *testing.T) {
	b, write := newReloadable(t)
	running, err := visitor{}.visit(t, b.base, "a")
	if err != nil {
		t.Fatal(err)
	}
	targets := func(want map[string]string) {
		t.Helper()
		for name, code := range want {
			if got := b.becomes(t, visitor{}, name); got != code {
				t.Errorf("target %s: %q, want %q", name, got, code)
			}
		}
		if err := echoes(t.Context(), running); err != nil {
			t.Fatalf("the session that ran: %v", err)
		}
	}
	targets(map[string]string{"a": "", "b": "", "c": "4004"})

	write("limits: {drain: 0s}", "b", "c") // a goes, but not its session
	b.hangUp(t, "msg=reloaded", "targets=2")
	targets(map[string]string{"a": "4004", "b": "", "c": ""})

	for _, bad := range []string{
		"lisen: x", "limits: {pingInterval: 1h}", "auth: {tickets: {keys: /no/such/file, audience: x}}",
		"tls: {cert: /no/such/file, key: /no/such/file}",
	} {
		write(bad, "a")
		b.hangUp(t, "level=ERROR", "not reloaded")
		targets(map[string]string{"a": "4004", "b": "", "c": ""})
	}
	write("limits: {drain: 0s}")
	b.hangUp(t, "level=ERROR", "targets: want keys and values, not nothing")

	write("origins: https://app.example\nlimits: {sessions: 1, drain: 0s}", "a", "b")
	b.hangUp(t, "msg=reloaded")
	targets(map[string]string{"a": "4009"}) // the session of before is counted
}

// What a listener was opened with can't change: it is named, the rest counts.
func TestReloadNamesWhatWaits(t *testing.T) {
	b, write := newReloadable(t)
	write("limits: {drain: 0s, headerBytes: 32KiB, headerTimeout: 1s}\nui: true\nsplice: false\nsocketMode: 0600\n"+
		"proxies: {protocol: unix}\nadmin: {listen: '127.0.0.1:0'}\nlog: {format: json}", "c")
	b.hangUp(t, "level=WARN", "wait for a restart", "keys=\"ui, socketMode, proxies.protocol, limits.headerBytes, limits.headerTimeout, admin, log.format\"")
	session, err := visitor{}.visit(t, b.base, "c")
	if err != nil {
		t.Fatal(err)
	}
	_ = session.Close(websocket.StatusNormalClosure, "")
	b.log.await(t, "session ended", "path=copy")
}

// What a start would warn of, a reload warns of too.
func TestReloadWarns(t *testing.T) {
	b, write := newReloadable(t)
	write("limits: {drain: 0s}\nproxies: {forwarded: 0.0.0.0/0}", "a")
	b.hangUp(t, "level=WARN", "proxies.forwarded holds all addresses")
	b.log.await(t, "msg=reloaded")
}

func TestNeedRestart(t *testing.T) {
	one, two := &config.Config{}, &config.Config{Listen: []config.Listener{"unix:/x"}, TLS: config.TLS{Cert: "x"}}
	if got := needRestart(one, two); strings.Join(got, "; ") != "listen; tls, on or off" {
		t.Error(got)
	}
	no := false
	if got := needRestart(one, &config.Config{UI: &no}); got != nil {
		t.Errorf("defaults that are written out: %v", got)
	}
}

// Flags stay above the file, also of one that is read again.
func TestFlagsOverruleFile(t *testing.T) {
	address, file := newTarget(t, echo), ""
	file = newConfigFile(t, "listen: 127.0.0.1:1", "limits: {sessions: 1, drain: 1h}", "targets:",
		"  a: {address: 'tcp://127.0.0.1:1'}", "  b: {address: 'tcp://"+address+"'}")
	b := startServe(t, "--config", file, "--listen", "127.0.0.1:0", "--target", "a=tcp://"+address, "--target", "c=tcp://"+address,
		"--sessions", "0", "--drain", "0")
	for range 2 {
		for _, name := range []string{"a", "b", "c"} {
			if c, err := (visitor{}).visit(t, b.base, name); err != nil {
				t.Errorf("target %s: %v", name, err)
			} else {
				defer c.CloseNow()
			}
		}
		b.hangUp(t, "msg=reloaded", "targets=3")
	}
}

// Keys that are read again no longer open what they did.
func TestReloadKeys(t *testing.T) {
	keys := newFile(t, "keys", testSecret)
	b := startServe(t, "--config", newConfigFile(t, "listen: 127.0.0.1:0", "limits: {drain: 0s}",
		"targets: {lab: {address: 'tcp://"+newTarget(t, echo)+"'}}", "auth: {tickets: {keys: "+keys+", audience: test}}"))
	const newSecret = testSecret + " of tomorrow"
	before, after := visitor{ticket: newTicket(t, testSecret, nil)}, visitor{ticket: newTicket(t, newSecret, nil)}
	for _, want := range [][2]string{{"alice", "4001"}, {"4001", "alice"}} {
		if got := [2]string{b.becomes(t, before, "lab"), b.becomes(t, after, "lab")}; got != want {
			t.Errorf("%v, want %v", got, want)
		}
		overwrite(t, keys, newSecret)
		b.hangUp(t, "msg=reloaded")
	}
	overwrite(t, keys, "short")
	b.hangUp(t, "level=ERROR", "auth.tickets.keys")
	if got := b.becomes(t, after, "lab"); got != "alice" {
		t.Error(got)
	}
}

// Keys behind a URL survive a reload while their source is down, and are asked
// for again by one.
func TestReloadPublishedKeys(t *testing.T) {
	private := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	var set atomic.Pointer[string] // nil while the source is down
	source := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if keys := set.Load(); keys != nil {
			_, _ = io.WriteString(w, *keys)
			return
		}
		w.WriteHeader(http.StatusServiceUnavailable)
	}))
	defer source.Close()
	publish := func(key []byte) {
		keys := `{"keys": [{"kty": "OKP", "crv": "Ed25519", "x": "` + base64.RawURLEncoding.EncodeToString(key) + `"}]}`
		set.Store(&keys)
	}
	publish(private.Public().(ed25519.PublicKey))
	b := startServe(t, "--config", newConfigFile(t, "listen: 127.0.0.1:0", "limits: {drain: 0s, addressRate: 0}",
		"targets: {lab: {address: 'tcp://"+newTarget(t, echo)+"'}}", "auth: {tickets: {keys: '"+source.URL+"', audience: test}}"))
	key, err := ticket.NewKey(private)
	if err != nil {
		t.Fatal(err)
	}
	token, err := ticket.Mint(key, ticket.Claims{Principal: "alice", Audience: "test", Targets: []string{"lab"}, Expires: time.Now().Add(time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	client := visitor{ticket: token}
	if got := b.becomes(t, client, "lab"); got != "alice" {
		t.Fatal(got)
	}
	set.Store(nil)
	b.hangUp(t, "msg=reloaded")
	if got := b.becomes(t, client, "lab"); got != "alice" {
		t.Errorf("while the source is down: %s", got)
	}
	publish(make([]byte, ed25519.PublicKeySize))
	b.hangUp(t, "msg=reloaded")
	await(t, func() bool { return b.becomes(t, client, "lab") == "4001" })
}

// systemd is told when a reload begins, and when it is over.
func TestNotify(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "notify")
	c, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Net: "unixgram", Name: socket})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	t.Setenv("NOTIFY_SOCKET", socket)
	b, _ := newReloadable(t)
	told := func(texts ...string) {
		t.Helper()
		p := make([]byte, 1024)
		n, err := c.Read(p)
		if lacks := missing(string(p[:n]), texts...); err != nil || lacks != "" {
			t.Errorf("%q without %q, error %v", p[:n], lacks, err)
		}
	}
	told("READY=1")
	b.hangUp(t, "msg=reloaded")
	told("RELOADING=1\nMONOTONIC_USEC=")
	told("READY=1")
	b.stop()
	told("STOPPING=1")
}

// startChild is a bridge in a process of its own, with one target, and the end
// of its standard error.
func startChild(t *testing.T, test string) (child *exec.Cmd, base string, book logBook, stderr io.Closer) {
	t.Helper()
	if file := os.Getenv("TEST_BRIDGE_CONFIG"); file != "" {
		os.Args = []string{"bridge", "serve", "--config", file}
		main()
	}
	lines := []string{"listen: 127.0.0.1:0", "limits: {drain: 1h}", "targets: {a: {address: 'tcp://" + newTarget(t, echo) + "'}}"}
	child = exec.Command(os.Args[0], "-test.run=^"+test+"$")
	child.Env = append(os.Environ(), "TEST_BRIDGE_CONFIG="+newConfigFile(t, lines...))
	pipe, err := child.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = child.Process.Kill() })
	book = make(logBook, 256)
	go func() {
		for lines := bufio.NewScanner(pipe); lines.Scan(); {
			book <- lines.Text()
		}
		close(book)
	}()
	line := book.await(t, "msg=serving")
	return child, strings.Fields(line[strings.Index(line, "url=")+4:])[0], book, pipe
}

// The real signals.
func TestSignals(t *testing.T) {
	child, base, book, _ := startChild(t, "TestSignals")
	session, err := visitor{}.visit(t, base, "a")
	if err != nil {
		t.Fatal(err)
	}
	_ = child.Process.Signal(syscall.SIGHUP)
	book.await(t, "msg=reloaded")
	if err := echoes(t.Context(), session); err != nil {
		t.Fatal(err)
	}
	_ = child.Process.Signal(syscall.SIGTERM)
	await(t, func() bool { // newcomers are refused, the session goes on
		_, err := visitor{}.visit(t, base, "a")
		return websocket.CloseStatus(err) == bridge.StatusDraining
	})
	if err := echoes(t.Context(), session); err != nil {
		t.Fatalf("the session was not left in peace: %v", err)
	}
	_ = child.Process.Signal(syscall.SIGTERM) // the second one waits for nobody
	for range book {
	}
	if err := child.Wait(); err == nil || child.ProcessState.Sys().(syscall.WaitStatus).Signal() != syscall.SIGTERM {
		t.Errorf("the end: %v", err)
	}
}

// Who collects the log may die; sessions don't die with it.
func TestLogThatNobodyReads(t *testing.T) {
	child, base, book, stderr := startChild(t, "TestLogThatNobodyReads")
	stderr.Close()
	for range book {
	}
	for range 2 { // each is logged
		if _, err := (visitor{}).visit(t, base, "a"); err != nil {
			t.Fatal(err)
		}
	}
	_ = child.Process.Kill()
	_ = child.Wait()
}

// Sessions that end in time are not cut, and the bridge ends with the last.
func TestDrain(t *testing.T) {
	b := startServe(t, "--listen", "127.0.0.1:0", "--target", "a=tcp://"+newTarget(t, echo), "--drain", "1h")
	session, err := visitor{}.visit(t, b.base, "a")
	if err != nil {
		t.Fatal(err)
	}
	stopped := make(chan int, 1)
	go func() { stopped <- b.stop() }()
	await(t, func() bool {
		early, err := visitor{}.visit(t, b.base, "a")
		if err == nil { // it would be waited for
			_ = early.CloseNow()
		}
		return websocket.CloseStatus(err) == bridge.StatusDraining
	})
	if err := echoes(t.Context(), session); err != nil {
		t.Error(err)
	}
	_ = session.Close(websocket.StatusNormalClosure, "")
	if code := receive(t, stopped); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

// A certificate that is changed on disk is served without a signal; a broken
// pair is not.
func TestCertificateReload(t *testing.T) {
	first, second := newTestCA(t, "one"), newTestCA(t, "two")
	cert, key := first.server(t)
	certFile, keyFile := newFile(t, "cert", cert), newFile(t, "key", key)
	b := startServe(t, "--listen", "127.0.0.1:0", "--target", "a=tcp://"+newTarget(t, echo), "--tls-cert", certFile, "--tls-key", keyFile, "--drain", "0", "--address-rate", "0")
	session, err := visitor{tls: first.trust()}.visit(t, b.base, "a")
	if err != nil {
		t.Fatal(err)
	}
	cert, key = second.server(t)
	overwrite(t, certFile, cert) // does not belong to the key that is there
	await(t, func() bool {
		if _, err := (visitor{tls: first.trust()}).visit(t, b.base, "a"); err != nil {
			t.Fatalf("the old certificate is not served: %v", err)
		}
		return strings.Contains(b.log.rest(), "the old ones stay")
	})
	overwrite(t, keyFile, key)
	await(t, func() bool {
		_, err := visitor{tls: second.trust()}.visit(t, b.base, "a")
		return err == nil
	})
	if err := echoes(t.Context(), session); err != nil {
		t.Errorf("the session that ran: %v", err)
	}
	cert, key = first.server(t) // and by a signal, at once
	overwrite(t, keyFile, key)
	overwrite(t, certFile, cert)
	b.hangUp(t, "msg=reloaded")
	if _, err := (visitor{tls: first.trust()}).visit(t, b.base, "a"); err != nil {
		t.Error(err)
	}
}

// Nothing but HTTP/1.1 is offered, and nothing below TLS 1.2.
func TestOuterTLS(t *testing.T) {
	ca := newTestCA(t, "one")
	b := newGuarded(t, ca, "TICKETS")
	address := strings.TrimPrefix(b.base, "https://")
	trust := ca.trust()
	trust.NextProtos = []string{"h2", "http/1.1"}
	c, err := tls.Dial("tcp", address, trust)
	if err != nil {
		t.Fatal(err)
	}
	if got := c.ConnectionState().NegotiatedProtocol; got != "http/1.1" {
		t.Errorf("protocol %q", got)
	}
	c.Close()
	trust.MinVersion, trust.MaxVersion = tls.VersionTLS10, tls.VersionTLS11
	if c, err := tls.Dial("tcp", address, trust); err == nil {
		c.Close()
		t.Error("TLS 1.1 is spoken")
	}
	answer, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: ca.trust()}}).Get(b.base + "/nbd/lab")
	if err != nil || answer.StatusCode != http.StatusUpgradeRequired {
		t.Errorf("%v, error %v", answer, err)
	}
	answer.Body.Close()
}

// await waits until something is so.
func await(t *testing.T, so func() bool) {
	t.Helper()
	for tick := newTicks(t); !so(); {
		tick()
	}
}
