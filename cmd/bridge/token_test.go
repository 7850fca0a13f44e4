package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/coder/websocket"

	"nbdbridge/bridge"
	"nbdbridge/bridge/ticket"
)

// newGuardedBridge is a bridge that wants a ticket for each session, once.
func newGuardedBridge(t *testing.T, v *ticket.Verifier, address string) string {
	t.Helper()
	h := &bridge.Handler{
		Targets: bridge.Targets{"lab": {Network: "tcp", Address: address}},
		Authorize: func(r *http.Request, target string) (bridge.Grant, error) {
			c, err := v.Admit(r, target)
			return bridge.Grant{Principal: c.Principal, MaxAge: c.MaxAge}, err
		},
	}
	mux := http.NewServeMux()
	mux.Handle("GET /nbd/{target}", h)
	server := httptest.NewServer(mux)
	h.PublicURL = []string{server.URL}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := h.Shutdown(ctx); err != nil {
			t.Errorf("shutting the bridge down: %v", err)
		}
		server.Close()
	})
	return "ws" + strings.TrimPrefix(server.URL, "http") + "/nbd/lab"
}

// Each connection takes the ticket that is in the file by then.
func TestConnectWithATicket(t *testing.T) {
	private, public := ticketKeys(t)
	file := newFile(t, "lab.ticket", "\n "+mintTicket(t, private, "--target", "lab")+" \r\n")
	log, book := newLog()
	e := endpointOf(t, newGuardedBridge(t, verifierOf(t, public), newTarget(t, echo)))
	if err := (&tokenFlags{TokenFile: file}).attach(e, log); err != nil {
		t.Fatal(err)
	}
	wantEcho(t, e)
	wantTunnelError(t, e, "4001", "--token-file with a fresh ticket", "one connection only")
	if err := os.WriteFile(file, []byte(mintTicket(t, private, "--target", "lab")), 0o600); err != nil {
		t.Fatal(err)
	}
	wantEcho(t, e)
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	wantTunnelError(t, e, "--token-file", file, "is no JWT")
	if text := book.rest(); text != "" {
		t.Errorf("it logs %s", text)
	}
}

func wantEcho(t *testing.T, e *endpoint) {
	t.Helper()
	c, err := e.dial(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	b := []byte("x")
	_, _ = c.Write(b)
	if _, err := io.ReadFull(c, b); err != nil {
		t.Error(err)
	}
}

// wantTunnelError takes a refusal by either way: at the dial, or at the first
// read.
func wantTunnelError(t *testing.T, e *endpoint, texts ...string) {
	t.Helper()
	c, err := e.dial(t.Context())
	if err == nil {
		defer c.Close()
		_, err = c.Read(make([]byte, 1))
	}
	wantError(t, err, false, texts...)
}

func TestInfoWithATicket(t *testing.T) {
	private, public := ticketKeys(t)
	url := newGuardedBridge(t, verifierOf(t, public), newServer(t, serverOf(nil, newExport("a", 1, true))))
	file := newFile(t, "lab.ticket", mintTicket(t, private, "--target", "lab"))
	code, stdout, stderr := runWith(t, "info", url, "--tls", "off", "--export", "a", "--token-file", file)
	if code != 0 || stderr != "" || !strings.Contains(stdout, `export "a"`) {
		t.Errorf("code %d: %s %s", code, stdout, stderr)
	}
	code, stdout, stderr = runWith(t, "info", url, "--tls", "off", "--export", "a", "--token-file", file)
	if code != 1 || stdout != "" || missing(stderr, "4001", "a fresh ticket") != "" || holdsToken(t, stderr, file) {
		t.Errorf("again: code %d: %s %s", code, stdout, stderr)
	}
	code, _, stderr = runWith(t, "info", url, "--tls", "off")
	if code != 1 || missing(stderr, "4001", "--token-file") != "" {
		t.Errorf("without: code %d: %s", code, stderr)
	}
}

func holdsToken(t *testing.T, s, file string) bool {
	t.Helper()
	token, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Contains(s, string(token))
}

func TestTokenFileRefuses(t *testing.T) {
	folder := t.TempDir()
	socket, err := net.Listen("unix", filepath.Join(t.TempDir(), "s"))
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	for name, c := range map[string]struct{ url, file, want string }{
		"no file":      {"ws://127.0.0.1/nbd/x", folder + "/nobody", folder + "/nobody"},
		"a folder":     {"ws://127.0.0.1/nbd/x", folder, "no regular file"},
		"a socket":     {"ws://127.0.0.1/nbd/x", socket.Addr().String(), "no regular file"},
		"nothing":      {"ws://127.0.0.1/nbd/x", newFile(t, "t", ""), "is no JWT"},
		"no ticket":    {"ws://127.0.0.1/nbd/x", newFile(t, "t", "SECRET\r\nX-Header: SECRET"), "is no JWT"},
		"two tickets":  {"ws://127.0.0.1/nbd/x", newFile(t, "t", "SECRET.a.b SECRET.a.b"), "is no JWT"},
		"too much":     {"ws://127.0.0.1/nbd/x", newFile(t, "t", strings.Repeat(" ", 1<<20)), "more than 16384 bytes"},
		"a long one":   {"ws://127.0.0.1/nbd/x", newFile(t, "t", strings.Repeat("A", 9000)), "9000 bytes"},
		"not a bridge": {"nbd://127.0.0.1/x", newFile(t, "t", "SECRET.b.c"), "is reached directly"},
	} {
		t.Run(name, func(t *testing.T) {
			for _, err := range []error{
				(&connectCommand{URL: c.url, Listen: "tcp://127.0.0.1:0", tokenFlags: tokenFlags{c.file}}).Run(t.Context(), slog.New(slog.DiscardHandler)),
				(&infoCommand{URL: c.url, tokenFlags: tokenFlags{c.file}}).Run(t.Context(), slog.New(slog.DiscardHandler)),
			} {
				if err != nil && strings.Contains(err.Error(), "is no bridge") {
					continue // connect's own words for a direct URL
				}
				if wantError(t, err, true, "--token-file", c.want); strings.Contains(err.Error(), "SECRET") {
					t.Errorf("the error repeats the file: %v", err)
				}
			}
		})
	}
}

func TestTokenFileWarns(t *testing.T) {
	for _, c := range []struct {
		url  string
		mode os.FileMode
		want []string // nil: nothing
	}{
		{"ws://127.0.0.1/nbd/x", 0o600, nil},
		{"ws://localhost/nbd/x", 0o640, nil},
		{"ws://[::1]/nbd/x", 0o640, nil},
		{"wss://bridge.example/nbd/x", 0o644, []string{"every user", "chmod 600"}},
		{"ws://bridge.example/nbd/x?SECRET", 0o600, []string{"in the clear", "wss://"}},
	} {
		file := newFile(t, "t", "a.b.c")
		if err := os.Chmod(file, c.mode); err != nil {
			t.Fatal(err)
		}
		log, book := newLog()
		if err := (&tokenFlags{file}).attach(endpointOf(t, c.url), log); err != nil {
			t.Fatal(err)
		}
		if text := book.rest(); (text == "") != (c.want == nil) || missing(text, c.want...) != "" || strings.Contains(text, "SECRET") {
			t.Errorf("%s, mode %v: it logs %q", c.url, c.mode, text)
		}
	}
}

// A ticket goes where the URL says and nowhere else.
func TestTicketFollowsNoRedirect(t *testing.T) {
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the other host was asked") }))
	defer elsewhere.Close()
	server := httptest.NewServer(http.RedirectHandler(elsewhere.URL, http.StatusFound))
	defer server.Close()
	e := endpointOf(t, "ws"+strings.TrimPrefix(server.URL, "http")+"/nbd/x")
	e.token = func() (string, error) { return "a.b.c", nil }
	wantTunnelError(t, e, "answered 302 Found")
}

// What a bridge's URL has behind its path is for nobody else's eyes.
func TestQueriesStayHidden(t *testing.T) {
	closed := closedPort(t)
	dial, book, stop := startConnectAs(t, "ws://"+closed+"/nbd/x?t=SECRET", "ws://"+closed+"/nbd/x?…")
	_, _ = dial().Read(make([]byte, 1))
	if line := book.await(t, "session failed", "connection refused"); strings.Contains(line, "SECRET") {
		t.Errorf("the log says %s", line)
	}
	stop()
	answering := httptest.NewServer(http.NotFoundHandler())
	defer answering.Close()
	talking := newBridge(t, map[string]string{"lab": newServer(t, serverOf(nil, newExport("a", 1, true)))}) + "lab?t=SECRET"
	for url, code := range map[string]int{
		"ws://" + closed + "/nbd/x?t=SECRET":                                 1,
		"ws" + strings.TrimPrefix(answering.URL, "http") + "/nbd/x?t=SECRET": 1,
		noBridge(t, "") + "/x?t=SECRET":                                      1,
		noBridge(t, "nbd") + "/x?t=SECRET":                                   1,
		"ws://127.0.0.1/nbd/x?t=SECRET#":                                     2,
		"ws://127.0.0.1/nbd/x?t=SECRET&socket=/x":                            2,
		talking: 0,
		strings.Replace(talking, "lab?", "nobody?", 1):                                    1,
		"ws://" + strings.Repeat("x", 64) + ".invalid/nbd/x?t=SECRET&tls-hostname=SECRET": 2,
	} {
		got, stdout, stderr := runWith(t, "info", url, "--tls", "off", "--json")
		if got != code || strings.Contains(stdout+stderr, "SECRET") {
			t.Errorf("%s: code %d, want %d: %s %s", url, got, code, stdout, stderr)
		}
	}
	got, _, stderr := runWith(t, "info", "ws://127.0.0.1/nbd/x?t=SECRET") // trust is missing
	if got != 2 || strings.Contains(stderr, "SECRET") {
		t.Errorf("code %d: %s", got, stderr)
	}
}

func TestExplain(t *testing.T) {
	for code, want := range map[websocket.StatusCode]string{
		bridge.StatusUnauthorised: "--token-file", bridge.StatusUnknownTarget: "is for this target",
		bridge.StatusSessionAge: "connect again, with a fresh ticket", bridge.StatusEnded: "ask its operator",
	} {
		err := explain(fmt.Errorf("reading: %w", websocket.CloseError{Code: code, Reason: "because"}))
		wantError(t, err, false, "because", fmt.Sprintf("(code %d)", code), want)
	}
	err := explain(websocket.CloseError{Code: bridge.StatusDraining, Reason: "because"})
	if err.Error() != "the bridge ended the session: because (code 4503)" {
		t.Error(err)
	}
}
