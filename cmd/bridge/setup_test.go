package main

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"

	"nbdbridge/bridge"
)

// patience bounds what must happen soon; nothing waits for it when all is well.
const patience = 30 * time.Second

// A logBook hands over what is logged, line by line.
type logBook chan string

func (b logBook) Write(p []byte) (int, error) {
	b <- string(p)
	return len(p), nil
}

func newLog() (*slog.Logger, logBook) {
	book := make(logBook, 256)
	return slog.New(slog.NewTextHandler(book, nil)), book
}

// await returns the first line that holds all the texts.
func (b logBook) await(t *testing.T, texts ...string) string {
	t.Helper()
	for {
		if line := receive(t, b); missing(line, texts...) == "" {
			return line
		}
	}
}

// rest is what was logged and not read so far.
func (b logBook) rest() string {
	var all strings.Builder
	for len(b) > 0 {
		all.WriteString(<-b)
	}
	return all.String()
}

func receive[T any](t *testing.T, from <-chan T) T {
	t.Helper()
	select {
	case v := <-from:
		return v
	case <-time.After(patience):
		t.Fatal("nothing came")
		panic("unreachable")
	}
}

// missing returns the first of the texts that s does not hold.
func missing(s string, texts ...string) string {
	for _, text := range texts {
		if !strings.Contains(s, text) {
			return text
		}
	}
	return ""
}

// wantError checks that err holds all the texts, and whether it is a usage error.
func wantError(t *testing.T, err error, usage bool, texts ...string) {
	t.Helper()
	if err == nil {
		t.Fatal("no error")
	}
	if lacks := missing(err.Error(), texts...); lacks != "" {
		t.Errorf("the error lacks %q: %v", lacks, err)
	}
	if errors.As(err, new(usageError)) != usage {
		t.Errorf("usage error: %t, want %t: %v", !usage, usage, err)
	}
}

// newTarget listens as a native server does, and serves each connection in a
// goroutine of its own.
func newTarget(t *testing.T, serve func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var running sync.WaitGroup
	running.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			running.Go(func() {
				defer c.Close()
				serve(c)
			})
		}
	})
	t.Cleanup(func() {
		l.Close()
		running.Wait()
	})
	return l.Addr().String()
}

func echo(c net.Conn) { _, _ = io.Copy(c, c) }

// newBridge serves TCP targets, name by name, and returns the WebSocket URL
// that target names are appended to.
func newBridge(t *testing.T, targets map[string]string) string {
	t.Helper()
	h := &bridge.Handler{Targets: bridge.Targets{}}
	for name, address := range targets {
		h.Targets.(bridge.Targets)[name] = bridge.Target{Network: "tcp", Address: address}
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
	return "ws" + strings.TrimPrefix(server.URL, "http") + "/nbd/"
}

// newFile writes a file in a folder of its own.
func newFile(t *testing.T, name, content string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// dialWebSocket connects as a client of the bridge does, under a Host.
func dialWebSocket(t *testing.T, url, host string) (*websocket.Conn, *http.Response, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	c, answer, err := websocket.Dial(ctx, url, &websocket.DialOptions{
		Subprotocols: []string{bridge.Subprotocol}, Host: host,
		HTTPClient: &http.Client{Transport: &http.Transport{DisableKeepAlives: true}},
	})
	if err == nil {
		t.Cleanup(func() { _ = c.CloseNow() })
	}
	return c, answer, err
}

// need skips a test whose foreign program is missing, and fails it in CI.
func need(t *testing.T, program, from string) {
	t.Helper()
	t.Setenv("PATH", os.Getenv("PATH")+":/usr/sbin:/sbin")
	if _, err := exec.LookPath(program); err == nil {
		return
	}
	text := program + " is missing: apt-get install " + from
	if os.Getenv("CI") != "" {
		t.Fatal(text)
	}
	t.Skip(text)
}
