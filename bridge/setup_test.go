package bridge_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"

	"nbdbridge/bridge"
)

// patience bounds what must happen soon; nothing waits for it when all is well.
const patience = 30 * time.Second

// serve puts a handler on a loopback port of its own, and returns its URL.
func serve(t *testing.T, h *bridge.Handler) string {
	t.Helper()
	mux := http.NewServeMux()
	mux.Handle("/nbd/{target}", h)
	server := httptest.NewServer(h.Guard(mux))
	h.PublicURL = append(h.PublicURL, server.URL)
	if h.Targets == nil {
		h.Targets = bridge.Targets{}
	}
	if err := h.Validate(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = h.Shutdown(ctx)
		server.Close()
	})
	return server.URL
}

// newTarget listens as a native server does. Each connection comes out of the
// channel.
func newTarget(t *testing.T) (bridge.Targets, <-chan *net.TCPConn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	conns := make(chan *net.TCPConn, 16)
	var accepting sync.WaitGroup
	accepting.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			t.Cleanup(func() { c.Close() })
			conns <- c.(*net.TCPConn)
		}
	})
	t.Cleanup(func() { l.Close(); accepting.Wait() })
	return bridge.Targets{"lab": {Network: "tcp", Address: l.Addr().String()}}, conns
}

// client is an HTTP client that leaves nothing behind.
func client(dial func(context.Context, string, string) (net.Conn, error)) *http.Client {
	return &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: dial}}
}

// dial opens a WebSocket as a client does.
func dial(t *testing.T, base, target string, headers ...string) *websocket.Conn {
	t.Helper()
	c, answer, err := tryDial(t, base, target, headers...)
	if err != nil {
		t.Fatalf("dial: %v (%v)", err, answer)
	}
	return c
}

func tryDial(t *testing.T, base, target string, headers ...string) (*websocket.Conn, *http.Response, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	o := &websocket.DialOptions{HTTPClient: client(nil), Subprotocols: []string{"nbd"}, HTTPHeader: http.Header{}}
	for i := 0; i < len(headers); i += 2 {
		if headers[i] == "Host" {
			o.Host = headers[i+1]
			continue
		}
		o.HTTPHeader.Add(headers[i], headers[i+1])
	}
	c, answer, err := websocket.Dial(ctx, base+"/nbd/"+target, o)
	if err == nil {
		c.SetReadLimit(-1)
		t.Cleanup(func() { _ = c.CloseNow() })
	}
	return c, answer, err
}

// pair is a session with both its ends in hand.
func pair(t *testing.T, h *bridge.Handler) (*websocket.Conn, *net.TCPConn) {
	t.Helper()
	targets, conns := newTarget(t)
	h.Targets = targets
	ws := dial(t, serve(t, h), "lab")
	return ws, receive(t, conns)
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

// wantClose reads up to the end of a session and checks how it ended.
func wantClose(t *testing.T, c *websocket.Conn, code websocket.StatusCode) websocket.CloseError {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for {
		_, _, err := c.Read(ctx)
		var closed websocket.CloseError
		if errors.As(err, &closed) {
			if closed.Code != code {
				t.Fatalf("closed with %d %q, want %d", closed.Code, closed.Reason, code)
			}
			return closed
		}
		if err != nil {
			t.Fatalf("read: %v, want a close with %d", err, code)
		}
	}
}

// readAll gathers binary messages up to a close with code 1000.
func readAll(t *testing.T, c *websocket.Conn, to io.Writer) {
	t.Helper()
	for {
		kind, message, err := c.Reader(context.Background())
		if websocket.CloseStatus(err) == websocket.StatusNormalClosure {
			return
		}
		if err != nil {
			t.Errorf("read: %v", err)
			return
		}
		if kind != websocket.MessageBinary {
			t.Errorf("a message of kind %v", kind)
		}
		if _, err := io.Copy(to, message); err != nil {
			t.Errorf("message: %v", err)
			return
		}
	}
}

// A raw client speaks WebSocket by hand, so that it can misbehave.
type raw struct {
	net.Conn
	in *bufio.Reader
}

// upgrade makes a WebSocket of a connection.
func upgrade(t *testing.T, c net.Conn, host string) *raw {
	t.Helper()
	request := "GET /nbd/lab HTTP/1.1\r\nHost: " + host + "\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Protocol: nbd\r\n\r\n"
	if _, err := io.WriteString(c, request); err != nil {
		t.Fatal(err)
	}
	r := &raw{c, bufio.NewReader(c)}
	answer, err := http.ReadResponse(r.in, nil)
	if err != nil || answer.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("upgrade: %v, %v", answer, err)
	}
	return r
}

func dialRaw(t *testing.T, base string) *raw {
	t.Helper()
	host := strings.TrimPrefix(base, "http://")
	c, err := net.Dial("tcp", host)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return upgrade(t, c, host)
}

// send writes one short frame, masked with a key of zeros.
func (r *raw) send(t *testing.T, head byte, payload []byte) {
	t.Helper()
	f := append([]byte{head, 0x80 | byte(len(payload)), 0, 0, 0, 0}, payload...)
	if _, err := r.Write(f); err != nil {
		t.Errorf("send: %v", err)
	}
}

// next reads one frame.
func (r *raw) next() (head byte, payload []byte, err error) {
	var h [2]byte
	if _, err := io.ReadFull(r.in, h[:]); err != nil {
		return 0, nil, err
	}
	n := uint64(h[1])
	if size := map[byte]int{126: 2, 127: 8}[h[1]]; size > 0 {
		var b [8]byte
		if _, err := io.ReadFull(r.in, b[8-size:]); err != nil {
			return 0, nil, err
		}
		n = binary.BigEndian.Uint64(b[:])
	}
	payload = make([]byte, n)
	_, err = io.ReadFull(r.in, payload)
	return h[0], payload, err
}

// A logbook is a log to look into.
type logbook struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logbook) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logbook) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func (l *logbook) logger() *slog.Logger { return slog.New(slog.NewTextHandler(l, nil)) }

// readEnd reads up to the end of a connection.
func readEnd(c net.Conn) (int64, error) { return io.Copy(io.Discard, c) }
