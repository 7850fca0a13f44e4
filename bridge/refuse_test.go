package bridge_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"nbdbridge/bridge"
)

// lab is a target that is never really dialled.
var lab = bridge.Targets{"lab": {Network: "tcp", Address: "192.0.2.1:10809"}}

func TestUnauthorised(t *testing.T) {
	var log logbook
	s := &spy{}
	base := serve(t, &bridge.Handler{Targets: s, Dial: s.dial, Log: log.logger(), Authorize: func(r *http.Request, target string) (bridge.Grant, error) {
		if target == "lab" && strings.Contains(r.Header.Get("Sec-WebSocket-Protocol"), "good") {
			return bridge.Grant{}, nil
		}
		return bridge.Grant{}, errors.New("no such ticket")
	}})
	c, _, err := websocket.Dial(context.Background(), base+"/nbd/lab", &websocket.DialOptions{HTTPClient: client(nil), Subprotocols: []string{"nbd", "good"}})
	if err != nil {
		t.Fatal(err)
	}
	wantClose(t, c, bridge.StatusTargetUnreachable)
	if got := wantClose(t, dial(t, base, "lab"), bridge.StatusUnauthorised); strings.Contains(got.Reason, "ticket") {
		t.Errorf("the client is told %q", got.Reason)
	}
	if s.lookups.Load() != 1 || s.dials.Load() != 1 {
		t.Errorf("%d lookups, %d dials, want 1 each", s.lookups.Load(), s.dials.Load())
	}
	waitFor(t, func() bool { return strings.Contains(log.String(), "no such ticket") })
}

func TestUnknownTarget(t *testing.T) {
	base := serve(t, &bridge.Handler{Targets: lab})
	for _, name := range []string{"other", "LAB", "lab%20", "tcp:%2F%2F127.0.0.1:22", "%2E%2E%2Flab", "127.0.0.1:22"} {
		if got := wantClose(t, dial(t, base, name), bridge.StatusUnknownTarget); got.Reason != "unknown target" {
			t.Errorf("%s: %q", name, got.Reason)
		}
	}
}

func TestTargetUnreachable(t *testing.T) {
	var log logbook
	socket := filepath.Join(t.TempDir(), "nobody")
	base := serve(t, &bridge.Handler{Targets: bridge.Targets{"lab": {Network: "unix", Address: socket}}, Log: log.logger()})
	if got := wantClose(t, dial(t, base, "lab"), bridge.StatusTargetUnreachable); strings.Contains(got.Reason, "nobody") {
		t.Errorf("the reason names the address: %q", got.Reason)
	}
	waitFor(t, func() bool { return strings.Contains(log.String(), socket) })
}

func TestTargetTimeout(t *testing.T) {
	base := serve(t, &bridge.Handler{
		Targets: lab, Limits: bridge.Limits{ConnectTimeout: 20 * time.Millisecond},
		Dial: func(ctx context.Context, _ bridge.Target) (net.Conn, error) {
			<-ctx.Done()
			return nil, errors.New("gave up")
		},
	})
	wantClose(t, dial(t, base, "lab"), bridge.StatusTargetTimeout)
}

func TestPanicInDial(t *testing.T) {
	var log logbook
	calls := 0
	base := serve(t, &bridge.Handler{Targets: lab, Log: log.logger(), Dial: func(context.Context, bridge.Target) (net.Conn, error) {
		if calls++; calls == 1 {
			panic("no route")
		}
		return nil, errors.New("refused")
	}})
	wantClose(t, dial(t, base, "lab"), websocket.StatusInternalError)
	wantClose(t, dial(t, base, "lab"), bridge.StatusTargetUnreachable) // life goes on
	if !strings.Contains(log.String(), "no route") {
		t.Error("the panic is not in the log")
	}
}

// A panicConn is a target whose reads panic, in a goroutine of the session.
type panicConn struct{ net.Conn }

func (panicConn) Read([]byte) (int, error) { panic("bad read") }

func TestPanicInSession(t *testing.T) {
	near, far := net.Pipe()
	defer far.Close()
	base := serve(t, &bridge.Handler{Targets: lab, Dial: func(context.Context, bridge.Target) (net.Conn, error) { return panicConn{near}, nil }})
	c := dial(t, base, "lab")
	if _, _, err := c.Read(context.Background()); err == nil {
		t.Error("the session lives on")
	}
	_ = far.SetReadDeadline(time.Now().Add(patience))
	if _, err := far.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the target's connection: %v", err)
	}
}

func TestConnectionLimit(t *testing.T) {
	targets, conns := newTarget(t)
	base := serve(t, &bridge.Handler{Targets: targets, Limits: bridge.Limits{Connections: 2, AddressRate: -1}})
	first, _ := dial(t, base, "lab"), dial(t, base, "lab")
	for range 2 {
		target := receive(t, conns)
		go func() { // as servers do
			_, _ = io.Copy(io.Discard, target)
			target.Close()
		}()
	}
	for range 3 { // the refused take no place
		wantClose(t, dial(t, base, "lab"), bridge.StatusLimit)
	}
	go first.Close(websocket.StatusNormalClosure, "")
	// A place is free once the session is over, the targets' side included.
	waitFor(t, func() bool {
		c := dial(t, base, "lab")
		ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
		defer cancel()
		_, _, err := c.Read(ctx)
		return websocket.CloseStatus(err) != bridge.StatusLimit
	})
}

// waitFor waits until a condition holds that another goroutine brings about.
func waitFor(t *testing.T, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("it never came true")
		}
	}
}

func TestShutdown(t *testing.T) {
	targets, conns := newTarget(t)
	h := &bridge.Handler{Targets: targets}
	base := serve(t, h)
	c := dial(t, base, "lab")
	target := receive(t, conns)
	closed := make(chan error, 1)
	go func() {
		_, _, err := c.Read(context.Background())
		closed <- err
		_, _ = target.Read(make([]byte, 1))
		target.Close()
	}()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := h.Shutdown(ctx); err != nil {
		t.Errorf("Shutdown: %v", err)
	}
	if err := receive(t, closed); websocket.CloseStatus(err) != bridge.StatusDraining {
		t.Errorf("the session ended with %v", err)
	}
	wantClose(t, dial(t, base, "lab"), bridge.StatusDraining)
	if err := h.Shutdown(ctx); err != nil {
		t.Errorf("again: %v", err)
	}
}

// A client that takes nothing holds Shutdown up until its context ends.
func TestShutdownCuts(t *testing.T) {
	h := &bridge.Handler{}
	c, target := pair(t, h)
	fill(target)
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if err := h.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Shutdown: %v", err)
	}
	for {
		if _, _, err := c.Read(context.Background()); err != nil {
			break
		}
	}
	_ = target.SetReadDeadline(time.Now().Add(patience))
	if _, err := target.Read(make([]byte, 1)); errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error("the target's connection is still open")
	}
	ctx, cancel = context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := h.Shutdown(ctx); err != nil { // now it waits for the goroutines
		t.Errorf("again: %v", err)
	}
}

func TestShutdownWhileDialling(t *testing.T) {
	dialling := make(chan struct{})
	h := &bridge.Handler{Targets: lab, Dial: func(ctx context.Context, _ bridge.Target) (net.Conn, error) {
		close(dialling)
		<-ctx.Done()
		return nil, ctx.Err()
	}}
	c := dial(t, serve(t, h), "lab")
	receive(t, dialling)
	done := make(chan error, 1)
	go func() { done <- h.Shutdown(context.Background()) }()
	wantClose(t, c, bridge.StatusDraining)
	if err := receive(t, done); err != nil {
		t.Errorf("Shutdown: %v", err)
	}
}

// One line for a session's begin and one for its end, and nothing in them that
// may be secret.
func TestLog(t *testing.T) {
	var log logbook
	targets, conns := newTarget(t)
	base := serve(t, &bridge.Handler{Targets: targets, Log: log.logger()})
	c, _, err := websocket.Dial(context.Background(), base+"/nbd/lab?token=SECRET", &websocket.DialOptions{
		HTTPClient: client(nil), Subprotocols: []string{"nbd", "nbd.token.SECRET"}, HTTPHeader: http.Header{"Origin": {base}},
	})
	if err != nil {
		t.Fatal(err)
	}
	target := receive(t, conns)
	_, _ = target.Write(make([]byte, 5))
	_, _, _ = c.Read(context.Background())
	_ = c.Write(context.Background(), websocket.MessageBinary, make([]byte, 3))
	_, _ = target.Read(make([]byte, 3))
	target.Close()
	wantClose(t, c, websocket.StatusNormalClosure)
	waitFor(t, func() bool { return strings.Contains(log.String(), "session ended") })
	begin, end, _ := strings.Cut(log.String(), "\n")
	wantWords(t, begin, `msg="session began"`, "id=1", "target=lab", "remote=127.0.0.1:", "origin="+base, "principal=", "subprotocol=nbd")
	wantWords(t, end, `msg="session ended"`, "id=1", "target=lab", "remote=127.0.0.1:", "origin="+base, "principal=", "duration=",
		"up=3", "down=5", "path=", "code=1000", `reason="target closed`)
	if strings.Contains(log.String(), "SECRET") || strings.Count(end, "\n") != 1 {
		t.Errorf("log: %s", log.String())
	}
}

func wantWords(t *testing.T, line string, words ...string) {
	t.Helper()
	for _, word := range words {
		if !strings.Contains(line, word) {
			t.Errorf("no %s in %s", word, line)
		}
	}
}
