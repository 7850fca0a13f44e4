package main

import (
	"bytes"
	"context"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
)

func TestListenLocal(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "a b.sock")
	for _, addr := range []string{"unix://" + socket, "unix://" + strings.ReplaceAll(socket, " ", "%20"), "tcp://127.0.0.1:0", "tcp://localhost:0"} {
		l, err := listenLocal(addr)
		if err != nil {
			t.Errorf("%s: %v", addr, err)
			continue
		}
		if network, _, _ := strings.Cut(addr, ":"); l.Addr().Network() != network {
			t.Errorf("%s listens on %v", addr, l.Addr())
		}
		l.Close()
	}
}

func TestListenLocalRefuses(t *testing.T) {
	for _, addr := range []string{
		"", "127.0.0.1:1", "/run/a.sock", "unix://", "unix:a.sock", "unix://run/a.sock", "unix:///run/a?b.sock",
		"tcp://127.0.0.1", "tcp://:1", "tcp://127.0.0.1:1/x", "tcp://u@127.0.0.1:0", "http://127.0.0.1:1", "tcp://%zz:1",
	} {
		l, err := listenLocal(addr)
		if err == nil {
			l.Close()
			t.Errorf("%q was taken", addr)
			continue
		}
		wantError(t, err, true, "--listen", "unix:///PATH or tcp://HOST:PORT")
	}
}

func TestListenLocalInUse(t *testing.T) {
	taken, err := listenLocal("tcp://127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	_, err = listenLocal("tcp://" + taken.Addr().String())
	wantError(t, err, false, "address already in use", taken.Addr().String(), "another address with --listen")
}

func TestSocketIsForItsOwnerAlone(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "s")
	l, err := listenLocal("unix://" + socket)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if mode := stat(t, socket).Mode(); mode != fs.ModeSocket|0o600 {
		t.Errorf("the socket's mode is %v", mode)
	}
}

func TestStaleSocketIsTakenOver(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "s")
	dead, err := net.ListenUnix("unix", &net.UnixAddr{Name: socket, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	dead.SetUnlinkOnClose(false)
	dead.Close()
	stat(t, socket) // it is still there

	l, err := listenLocal("unix://" + socket)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c, err := net.Dial("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
}

// What is not the socket of a dead process stays, whatever it is.
func TestNothingElseIsTakenOver(t *testing.T) {
	for name, occupy := range map[string]func(t *testing.T, path string){
		"live socket": func(t *testing.T, path string) {
			l, err := net.Listen("unix", path)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { l.Close() })
		},
		"live datagram socket": func(t *testing.T, path string) {
			c, err := net.ListenPacket("unixgram", path)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { c.Close() })
		},
		"file": func(t *testing.T, path string) {
			if err := os.WriteFile(path, []byte("precious"), 0o600); err != nil {
				t.Fatal(err)
			}
		},
		"folder": func(t *testing.T, path string) {
			if err := os.Mkdir(path, 0o700); err != nil {
				t.Fatal(err)
			}
		},
		"link": func(t *testing.T, path string) {
			if err := os.Symlink("/nowhere", path); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "s")
			occupy(t, path)
			before := stat(t, path)
			_, err := listenLocal("unix://" + path)
			wantError(t, err, false, "address already in use", path)
			if !os.SameFile(before, stat(t, path)) {
				t.Error("it was replaced")
			}
		})
	}
}

func stat(t *testing.T, path string) fs.FileInfo {
	t.Helper()
	info, err := os.Lstat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info
}

func TestConnectWantsABridge(t *testing.T) {
	log, _ := newLog()
	for url, text := range map[string]string{
		"nbd://127.0.0.1/x": "is no bridge", "ws://127.0.0.1": "the target is missing", "x": "unknown scheme",
	} {
		c := &connectCommand{URL: url, Listen: "tcp://127.0.0.1:0"}
		wantError(t, c.Run(t.Context(), log), true, url, text)
	}
	c := &connectCommand{URL: "ws://127.0.0.1/nbd/x", Listen: "nowhere"}
	wantError(t, c.Run(t.Context(), log), true, "--listen")
}

// startConnect runs the command on a socket and returns a way to connect, to
// read its log, and to end it.
func startConnect(t *testing.T, url string) (dial func() net.Conn, book logBook, stop func()) {
	t.Helper()
	return startConnectAs(t, url, url)
}

// startConnectAs does so with a URL that is logged in another form.
func startConnectAs(t *testing.T, url, shown string) (dial func() net.Conn, book logBook, stop func()) {
	t.Helper()
	socket := filepath.Join(t.TempDir(), "s")
	log, book := newLog()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- (&connectCommand{URL: url, Listen: "unix://" + socket}).Run(ctx, log) }()
	stopped := false
	stop = func() {
		if cancel(); stopped {
			return
		}
		stopped = true
		if err := receive(t, ended); err != nil {
			t.Errorf("connect ended with %v", err)
		}
		if _, err := os.Lstat(socket); err == nil {
			t.Error("the socket is left")
		}
	}
	t.Cleanup(stop)
	book.await(t, "offering", socket, shown)
	return func() net.Conn { return dialLocal(t, socket) }, book, stop
}

func dialLocal(t *testing.T, socket string) net.Conn {
	t.Helper()
	c, err := net.Dial("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	_ = c.SetDeadline(time.Now().Add(patience))
	return c
}

func TestTunnelCarriesBothWays(t *testing.T) {
	dial, book, stop := startConnect(t, newBridge(t, map[string]string{"lab": newTarget(t, echo)})+"lab")
	c := dial()
	sent := bytes.Repeat([]byte("0123456789abcdef"), 1<<14) // several messages
	go func() { _, _ = c.Write(sent) }()
	got := make([]byte, len(sent))
	if _, err := io.ReadFull(c, got); err != nil || !bytes.Equal(got, sent) {
		t.Fatalf("what came back differs, error %v", err)
	}
	c.Close()
	stop()
	if log := book.rest(); log != "" {
		t.Errorf("a good session logs %s", log)
	}
}

// All that the local client said arrives, though it says nothing more.
func TestTunnelEndsWithTheLocalClient(t *testing.T) {
	heard := make(chan string, 1)
	target := newTarget(t, func(c net.Conn) {
		b, _ := io.ReadAll(c)
		heard <- string(b)
	})
	dial, book, stop := startConnect(t, newBridge(t, map[string]string{"lab": target})+"lab")
	c := dial()
	if _, err := c.Write([]byte("last words")); err != nil {
		t.Fatal(err)
	}
	c.Close()
	if got := receive(t, heard); got != "last words" {
		t.Errorf("the target heard %q", got)
	}
	stop()
	if log := book.rest(); log != "" {
		t.Errorf("a good session logs %s", log)
	}
}

func TestTunnelEndsWithTheTarget(t *testing.T) {
	target := newTarget(t, func(c net.Conn) { _, _ = c.Write([]byte("last words")) })
	dial, book, stop := startConnect(t, newBridge(t, map[string]string{"lab": target})+"lab")
	if got, err := io.ReadAll(dial()); err != nil || string(got) != "last words" {
		t.Errorf("got %q, error %v", got, err)
	}
	stop()
	if log := book.rest(); log != "" {
		t.Errorf("a good session logs %s", log)
	}
}

func TestTunnelSaysWhyItFailed(t *testing.T) {
	// A target that resets before the bridge has noticed that it is connected
	// is one that can't be reached.
	reset := func(c net.Conn) {
		_, _ = c.Read(make([]byte, 1))
		_ = c.(*net.TCPConn).SetLinger(0)
	}
	base := newBridge(t, map[string]string{"resets": newTarget(t, reset), "closed": closedPort(t)})
	for url, texts := range map[string][]string{
		base + "nobody":                {"the bridge ended the session", "unknown target", "4004"},
		base + "closed":                {"the bridge ended the session", "unreachable", "4502"},
		base + "resets":                {"the bridge ended the session", "broke the connection", "1014"},
		base + "a/b":                   {"404 Not Found", "is the URL right", "--public-url"},
		"ws://" + closedPort(t) + "/x": {"no bridge at ws://", "connection refused"},
		noBridge(t, "") + "/x":         {"is a WebSocket, but no bridge", "subprotocol"},
		noBridge(t, "nbd") + "/x":      {"the connection to the bridge broke"},
	} {
		dial, book, stop := startConnect(t, url)
		local := dial()
		_, _ = local.Write([]byte{0})
		if n, err := local.Read(make([]byte, 1)); err == nil {
			t.Errorf("%s: the local connection got %d bytes", url, n)
		}
		book.await(t, append(texts, "level=ERROR", "session failed")...)
		stop()
	}
}

// closedPort is an address that refuses connections. A client's connection
// holds it, so that no listener of another test gets it meanwhile.
func closedPort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c.LocalAddr().String()
}

// noBridge is the URL of a WebSocket server that cuts every connection.
func noBridge(t *testing.T, subprotocol string) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ws, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{subprotocol}})
		if err == nil {
			_ = ws.CloseNow()
		}
	}))
	t.Cleanup(server.Close)
	return "ws" + strings.TrimPrefix(server.URL, "http")
}

func TestConnectEndsItsSessions(t *testing.T) {
	dial, book, stop := startConnect(t, newBridge(t, map[string]string{"lab": newTarget(t, echo)})+"lab")
	c := dial()
	if _, err := c.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(c, make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	stop()
	if n, err := c.Read(make([]byte, 1)); err == nil {
		t.Errorf("the local connection is open, and says %d bytes", n)
	}
	if log := book.rest(); log != "" {
		t.Errorf("a session that was ended on purpose logs %s", log)
	}
}
