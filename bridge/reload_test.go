package bridge_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"

	"nbdbridge/bridge"
)

// echoes answers every connection with its own bytes.
func echoes(t *testing.T) bridge.Targets {
	targets, conns := newTarget(t)
	stop := make(chan struct{})
	var running sync.WaitGroup
	running.Go(func() {
		for {
			select {
			case c := <-conns:
				running.Go(func() { _, _ = io.Copy(c, c); c.Close() })
			case <-stop:
				return
			}
		}
	})
	t.Cleanup(func() { close(stop); running.Wait() })
	return targets
}

// wantEcho sends a message and waits until it is back.
func wantEcho(t *testing.T, c *websocket.Conn) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := c.Write(ctx, websocket.MessageBinary, []byte("hello")); err != nil {
		t.Errorf("write: %v", err)
	}
	for n := 0; n < 5; {
		_, got, err := c.Read(ctx)
		if err != nil {
			t.Errorf("read: %v", err)
			return
		}
		n += len(got)
	}
}

func TestReload(t *testing.T) {
	old, next := echoes(t), echoes(t)
	h := &bridge.Handler{Targets: old, Limits: bridge.Limits{Connections: 2}}
	base := serve(t, h)
	c := dial(t, base, "lab")
	wantEcho(t, c)
	err := h.Reload(&bridge.Handler{
		Targets: bridge.Targets{"new": next["lab"]}, PublicURL: []string{base}, Origins: []string{"https://app.example"},
		Authorize: alice, Limits: bridge.Limits{Connections: 2, Message: 4},
	})
	if err != nil {
		t.Fatal(err)
	}
	wantEcho(t, c) // under the old limits
	wantClose(t, dial(t, base, "new"), bridge.StatusUnauthorised)
	wantClose(t, dial(t, base, "lab", "User", "alice"), bridge.StatusUnknownTarget)
	second := dial(t, base, "new", "User", "alice", "Origin", "https://app.example")
	waitFor(t, func() bool { return len(h.Sessions()) == 2 })
	wantClose(t, dial(t, base, "new", "User", "alice"), bridge.StatusLimit) // the old one counts
	_ = second.Write(context.Background(), websocket.MessageBinary, []byte("hello"))
	wantClose(t, second, websocket.StatusMessageTooBig)
	if err := h.Validate(); err != nil {
		t.Error(err)
	}
}

func TestReloadRefusesWhatIsInvalid(t *testing.T) {
	h := &bridge.Handler{Targets: echoes(t)}
	base := serve(t, h)
	for hint, next := range map[string]*bridge.Handler{
		"no targets":    {PublicURL: []string{"http://other.example"}},
		"no public URL": {Targets: lab},
		"no wildcards":  {Targets: lab, PublicURL: []string{"http://other.example"}, Origins: []string{"https://*.example"}},
		"ConnectTime":   {Targets: lab, PublicURL: []string{"http://other.example"}, Limits: bridge.Limits{ConnectTimeout: -1}},
		"Sessions is":   {Targets: bridge.Targets{"lab": {Sessions: -1}}, PublicURL: []string{"http://other.example"}},
	} {
		if err := h.Reload(next); err == nil || !strings.Contains(err.Error(), hint) {
			t.Errorf("%v, want an error with %q", err, hint)
		}
		wantEcho(t, dial(t, base, "lab"))
	}
}

// A Handler may be reloaded before its first request, and out of a state in
// which it could not serve.
func TestReloadFirst(t *testing.T) {
	next := newKnocked(bridge.Limits{AddressRate: 0.1})
	for _, h := range []*bridge.Handler{newKnocked(bridge.Limits{}), {}} {
		if err := h.Reload(next); err != nil {
			t.Fatal(err)
		}
		wantStatus(t, h, "192.0.2.1:1", let)
		wantStatus(t, h, "192.0.2.1:1", tooFast)
	}
}

// What a Handler was made of may change afterwards without a Reload: it has its
// own.
func TestTargetsAreCopied(t *testing.T) {
	targets := echoes(t)
	base := serve(t, &bridge.Handler{Targets: targets})
	wantEcho(t, dial(t, base, "lab"))
	targets["other"] = targets["lab"]
	delete(targets, "lab")
	wantEcho(t, dial(t, base, "lab"))
	wantClose(t, dial(t, base, "other"), bridge.StatusUnknownTarget)
}

// load opens sessions from many goroutines until it is stopped; each is used,
// closed and told of. A session that does not come about ends as ends says.
func load(t *testing.T, base string, ends func(websocket.StatusCode) bool) (stop func() int) {
	var sessions atomic.Int64
	done := make(chan struct{})
	var running sync.WaitGroup
	for range 8 {
		running.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				if once(t, base, ends) {
					sessions.Add(1)
				}
			}
		})
	}
	return func() int { close(done); running.Wait(); return int(sessions.Load()) }
}

func once(t *testing.T, base string, ends func(websocket.StatusCode) bool) bool {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	c, _, err := websocket.Dial(ctx, base+"/nbd/lab", &websocket.DialOptions{HTTPClient: client(nil), Subprotocols: []string{"nbd"}})
	if err != nil {
		t.Errorf("dial: %v", err)
		return false
	}
	defer c.CloseNow()
	_ = c.Write(ctx, websocket.MessageBinary, []byte("x"))
	if _, got, err := c.Read(ctx); err != nil || string(got) != "x" {
		if !ends(websocket.CloseStatus(err)) {
			t.Errorf("read: %q, %v", got, err)
		}
		return false
	}
	_ = c.Close(websocket.StatusNormalClosure, "")
	return true
}

// Reloading again and again drops no session and refuses none.
func TestReloadUnderLoad(t *testing.T) {
	one, other := echoes(t), echoes(t)
	h := &bridge.Handler{Targets: one, Limits: bridge.Limits{AddressRate: -1}}
	base := serve(t, h)
	lasting := dial(t, base, "lab")
	stop := load(t, base, func(websocket.StatusCode) bool { return false })
	for i := range 300 {
		next := &bridge.Handler{Targets: one, PublicURL: []string{base}, Limits: bridge.Limits{AddressRate: 1e6, SessionsPerAddress: 100 + i}}
		if i%2 == 0 {
			next.Targets = other
		}
		if err := h.Reload(next); err != nil {
			t.Fatal(err)
		}
		_ = h.Sessions()
		wantEcho(t, lasting)
	}
	if n := stop(); n < 8 {
		t.Errorf("%d sessions only", n)
	}
}

func TestDrain(t *testing.T) {
	targets, conns := newTarget(t)
	h := &bridge.Handler{Targets: targets}
	base := serve(t, h)
	c := dial(t, base, "lab")
	target := receive(t, conns)
	if h.Draining() {
		t.Error("it drains before it was asked to")
	}
	ctx, cancel := context.WithCancelCause(context.Background())
	late := errors.New("it takes too long")
	cancel(late)
	if err := h.Drain(ctx); !errors.Is(err, late) {
		t.Errorf("Drain: %v", err)
	}
	done := make(chan error, 1)
	go func() { done <- h.Drain(context.Background()) }()
	if !h.Draining() {
		t.Error("it does not say that it drains")
	}
	wantReason(t, dial(t, base, "lab"), bridge.StatusDraining, "the bridge is shutting down")
	_, _ = target.Write([]byte("going on"))
	if _, got, err := c.Read(context.Background()); string(got) != "going on" || err != nil {
		t.Errorf("the session: %q, %v", got, err)
	}
	select {
	case err := <-done:
		t.Errorf("Drain: %v, with a session under way", err)
	default:
	}
	target.Close()
	wantClose(t, c, websocket.StatusNormalClosure)
	if err := receive(t, done); err != nil {
		t.Errorf("Drain: %v", err)
	}
}

// A client that is refused again and again, and does not leave, is not waited
// for.
func TestDrainHeedsSessionsOnly(t *testing.T) {
	h := &bridge.Handler{Targets: echoes(t)}
	base := serve(t, h)
	if err := h.Drain(context.Background()); err != nil {
		t.Fatal(err)
	}
	r := dialRaw(t, base)
	if head, _, err := r.next(); head != 0x88 || err != nil {
		t.Errorf("%x, %v", head, err)
	}
	noPatience, cancel := context.WithCancel(context.Background())
	cancel()
	if err := h.Drain(noPatience); err != nil {
		t.Errorf("Drain waits: %v", err)
	}
}

func TestShutdownEndsDrain(t *testing.T) {
	h := &bridge.Handler{Targets: echoes(t)}
	c := dial(t, serve(t, h), "lab")
	wantEcho(t, c)
	done := make(chan error, 1)
	go func() { done <- h.Drain(context.Background()) }()
	waitFor(t, h.Draining)
	go h.Shutdown(context.Background())
	wantClose(t, c, bridge.StatusDraining)
	if err := receive(t, done); err != nil {
		t.Errorf("Drain: %v", err)
	}
}

// Under load, every session that began before the drain ends well, and every
// other one is told to come back.
func TestDrainUnderLoad(t *testing.T) {
	h := &bridge.Handler{Targets: echoes(t), Limits: bridge.Limits{AddressRate: -1}}
	base := serve(t, h)
	stop := load(t, base, func(code websocket.StatusCode) bool { return code == bridge.StatusDraining })
	waitFor(t, func() bool { return len(h.Sessions()) > 3 })
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := h.Drain(ctx); err != nil {
		t.Errorf("Drain: %v", err)
	}
	if n := len(h.Sessions()); n != 0 {
		t.Errorf("%d sessions are left", n)
	}
	once(t, base, func(code websocket.StatusCode) bool { return code == bridge.StatusDraining })
	stop()
}

// The end of the bridge and its reloading may meet.
func TestReloadMeetsShutdown(t *testing.T) {
	h := &bridge.Handler{Targets: echoes(t)}
	base := serve(t, h)
	c := dial(t, base, "lab")
	wantEcho(t, c)
	var both sync.WaitGroup
	both.Go(func() {
		_ = h.Reload(&bridge.Handler{Targets: lab, PublicURL: []string{base}, Authorize: func(*http.Request, string) (bridge.Grant, error) { return bridge.Grant{}, nil }})
	})
	both.Go(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		_ = h.Shutdown(ctx)
	})
	wantClose(t, c, bridge.StatusDraining)
	both.Wait()
	wantClose(t, dial(t, base, "lab"), bridge.StatusDraining)
}
