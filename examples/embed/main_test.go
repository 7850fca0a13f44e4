package main

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"nbdbridge/bridge"
)

const key = "key-of-alice"

// write puts a site into its file, in which one disk is alice's.
func write(t *testing.T, file, publicURL, server, hers string) {
	t.Helper()
	target := bridge.Target{Network: "tcp", Address: server, Principals: []string{"bob"}}
	s := site{PublicURL: publicURL, Disks: map[string]bridge.Target{"lab7": target, "lab8": target}, Logins: map[string]string{key: "alice"}}
	target.Principals = []string{"alice"}
	s.Disks[hers] = target
	text, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
}

// greeter is a native server that says hello and waits for the end.
func greeter(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				_, _ = io.WriteString(c, "hello")
				_, _ = io.Copy(io.Discard, c)
			}()
		}
	}()
	return l.Addr().String()
}

// An embedder is the example's program without its signals.
type embedder struct {
	h        *bridge.Handler
	server   *httptest.Server
	private  http.Handler
	url      string
	file     string
	greeting string
}

func start(t *testing.T) *embedder {
	t.Helper()
	server := httptest.NewUnstartedServer(nil)
	e := &embedder{server: server, file: filepath.Join(t.TempDir(), "site.json"), greeting: greeter(t)}
	e.url = "http://" + server.Listener.Addr().String()
	write(t, e.file, e.url, e.greeting, "lab7")
	h, err := load(e.file)
	if err != nil {
		t.Fatal(err)
	}
	e.h = h
	server.Config.Handler, e.private = routes(h, http.NotFoundHandler())
	server.Start()
	t.Cleanup(func() {
		if err := drain(server.Config, h, 0); err != nil {
			t.Error(err)
		}
	})
	return e
}

// attempt opens a disk and returns the greeting, or the code that refused it.
func (e *embedder) attempt(t *testing.T, disk, key string) (*websocket.Conn, string, websocket.StatusCode) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	c, _, err := websocket.Dial(ctx, e.url+"/nbd/"+disk, &websocket.DialOptions{Subprotocols: []string{"nbd", "bearer." + key}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.CloseNow() })
	_, text, err := c.Read(ctx)
	return c, string(text), websocket.CloseStatus(err)
}

func TestLogins(t *testing.T) {
	e := start(t)
	for _, c := range []struct {
		name, disk, key string
		want            websocket.StatusCode
	}{
		{"her disk", "lab7", key, -1},
		{"another's disk", "lab8", key, bridge.StatusUnknownTarget},
		{"no disk at all", "lab9", key, bridge.StatusUnknownTarget},
		{"a wrong key", "lab7", "key-of-eve", bridge.StatusUnauthorised},
		{"a wrong key and no disk", "lab9", "key-of-eve", bridge.StatusUnauthorised},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, text, code := e.attempt(t, c.disk, c.key)
			if code != c.want || (text == "hello") != (code == -1) {
				t.Errorf("%q and code %d, want code %d", text, code, c.want)
			}
		})
	}
}

func TestReload(t *testing.T) {
	e := start(t)
	early, text, _ := e.attempt(t, "lab7", key)
	write(t, e.file, e.url, e.greeting, "lab8")
	if err := reload(e.h, e.file); err != nil || text != "hello" {
		t.Fatal(err, text)
	}
	if _, _, code := e.attempt(t, "lab7", key); code != bridge.StatusUnknownTarget {
		t.Errorf("lab7 after the reload: %d", code)
	}
	if _, text, _ := e.attempt(t, "lab8", key); text != "hello" {
		t.Error("lab8 is closed after the reload")
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	alive := early.CloseRead(ctx)
	if err := early.Ping(ctx); err != nil || alive.Err() != nil {
		t.Errorf("the session from before the reload: %v", err)
	}
}

func TestReloadRefusesNonsense(t *testing.T) {
	e := start(t)
	write(t, e.file, "no URL", e.greeting, "lab8")
	if err := reload(e.h, e.file); err == nil {
		t.Error("a site without a URL was taken")
	}
	if _, text, _ := e.attempt(t, "lab7", key); text != "hello" {
		t.Error("the site from before does not go on")
	}
}

func TestDrain(t *testing.T) {
	e := start(t)
	c, text, _ := e.attempt(t, "lab7", key)
	if text != "hello" {
		t.Fatalf("%q", text)
	}
	ended := make(chan error, 1)
	go func() {
		_, _, err := c.Read(context.Background())
		ended <- err
	}()
	if err := drain(e.server.Config, e.h, 0); err != nil {
		t.Fatal(err)
	}
	if code := websocket.CloseStatus(<-ended); code != bridge.StatusDraining {
		t.Errorf("closed with %d", code)
	}
}

func TestMetrics(t *testing.T) {
	e := start(t)
	if _, text, _ := e.attempt(t, "lab7", key); text != "hello" {
		t.Fatalf("%q", text)
	}
	answer := httptest.NewRecorder()
	e.private.ServeHTTP(answer, httptest.NewRequest("GET", "/metrics", nil))
	if !strings.Contains(answer.Body.String(), `target="lab7"`) {
		t.Errorf("the metrics don't name the target:\n%s", answer.Body)
	}
	public, err := http.Get(e.url + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	public.Body.Close()
	if public.StatusCode != http.StatusNotFound {
		t.Errorf("/metrics for the world: %s", public.Status)
	}
}
