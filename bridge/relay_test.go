package bridge_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"

	"nbdbridge/bridge"
)

// noise is bytes that tell where they belong.
func noise(seed byte, n int) []byte {
	b := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{seed}).Read(b)
	return b
}

// A message goes on at once, whatever its size, with nothing after it.
func TestSmallMessage(t *testing.T) {
	c, target := pair(t, &bridge.Handler{})
	for n := range 28 {
		up, down := noise(1, n+1), noise(2, n+1)
		if err := c.Write(context.Background(), websocket.MessageBinary, up); err != nil {
			t.Fatal(err)
		}
		got := make([]byte, n+1)
		if _, err := io.ReadFull(target, got); err != nil || !bytes.Equal(got, up) {
			t.Fatalf("%d bytes up: %x, %v", n+1, got, err)
		}
		_, _ = target.Write(down)
		_, message, err := c.Read(context.Background())
		if err != nil || !bytes.Equal(message, down) {
			t.Fatalf("%d bytes down: %x, %v", n+1, message, err)
		}
	}
}

// Message sizes on both sides of every length that frames write differently,
// and of our buffers.
func TestMessageSizes(t *testing.T) {
	c, target := pair(t, &bridge.Handler{})
	for _, n := range []int{1, 125, 126, 127, 4095, 4096, 32767, 32768, 32769, 65535, 65536, 65537, 256<<10 - 1, 256 << 10, 256<<10 + 1, 1 << 20, 3<<20 + 7} {
		want := noise(byte(n), n)
		var both sync.WaitGroup
		both.Go(func() { _ = c.Write(context.Background(), websocket.MessageBinary, want) })
		got := make([]byte, n)
		if _, err := io.ReadFull(target, got); err != nil || !bytes.Equal(got, want) {
			t.Fatalf("%d bytes up: differ, %v", n, err)
		}
		both.Go(func() { _, _ = target.Write(want) })
		got = got[:0]
		for len(got) < n {
			_, message, err := c.Read(context.Background())
			if err != nil || len(message) == 0 || len(message) > 256<<10 {
				t.Fatalf("a message of %d bytes, %v", len(message), err)
			}
			got = append(got, message...)
		}
		if !bytes.Equal(got, want) {
			t.Fatalf("%d bytes down: differ", n)
		}
		both.Wait()
	}
}

// 64 MiB both ways at once arrive whole, up in messages of one byte, fragments
// and messages of many megabytes.
func TestBothDirections(t *testing.T) {
	const size = 64 << 20
	c, target := pair(t, &bridge.Handler{})
	up, down := noise(1, size), noise(2, size)
	gotUp, gotDown := sha256.New(), sha256.New()
	var server, both sync.WaitGroup
	server.Go(func() { _, _ = target.Write(down) })
	server.Go(func() {
		if n, err := io.CopyN(gotUp, target, size); err != nil {
			t.Errorf("up: %d bytes, %v", n, err)
		}
	})
	both.Go(func() { sendUneven(t, c, up) })
	both.Go(func() { readAll(t, c, gotDown) })
	server.Wait()
	target.CloseWrite()
	both.Wait()
	if sum := sha256.Sum256(up); !bytes.Equal(gotUp.Sum(nil), sum[:]) {
		t.Error("up: bytes differ")
	}
	if sum := sha256.Sum256(down); !bytes.Equal(gotDown.Sum(nil), sum[:]) {
		t.Error("down: bytes differ")
	}
}

func sendUneven(t *testing.T, c *websocket.Conn, b []byte) {
	ctx := context.Background()
	for i := range 1000 {
		if err := c.Write(ctx, websocket.MessageBinary, b[i:i+1]); err != nil {
			t.Error(err)
		}
	}
	w, err := c.Writer(ctx, websocket.MessageBinary) // one message of many frames
	if err != nil {
		t.Error(err)
		return
	}
	for rest := b[1000 : 1<<20]; len(rest) > 0; {
		n := min(7777, len(rest))
		_, _ = w.Write(rest[:n])
		rest = rest[n:]
	}
	_ = w.Close()
	for rest := b[1<<20:]; len(rest) > 0; {
		n := min(21<<20, len(rest))
		if err := c.Write(ctx, websocket.MessageBinary, rest[:n]); err != nil {
			t.Error(err)
		}
		rest = rest[n:]
	}
}

// What a target says before it closes arrives, though the client still sends
// and reads late.
func TestTailDown(t *testing.T) {
	const size = 3 << 20
	want := noise(3, size)
	for range 5 {
		c, target := pair(t, &bridge.Handler{})
		var sending sync.WaitGroup
		sending.Go(func() { // up to the end, against a target that reads nothing
			for c.Write(context.Background(), websocket.MessageBinary, make([]byte, 64<<10)) == nil {
			}
		})
		_, _ = target.Write(want)
		target.CloseWrite()
		var got bytes.Buffer
		readAll(t, c, &got)
		if !bytes.Equal(got.Bytes(), want) {
			t.Errorf("%d of %d bytes", got.Len(), size)
		}
		sending.Wait()
	}
}

// What a client says before it closes arrives, though the target never stops
// sending and reads only after the close.
func TestTailUp(t *testing.T) {
	const size = 128 << 10 // fits into the sockets' buffers, but not into the target's alone
	want := noise(4, size)
	for range 2 {
		c, target := pair(t, &bridge.Handler{Dial: func(ctx context.Context, target bridge.Target) (net.Conn, error) {
			conn, err := new(net.Dialer).DialContext(ctx, target.Network, target.Address)
			if err == nil {
				_ = conn.(*net.TCPConn).SetWriteBuffer(1 << 20)
			}
			return conn, err
		}})
		_ = target.SetReadBuffer(16 << 10)
		var sending sync.WaitGroup
		sending.Go(func() {
			for err := error(nil); err == nil; {
				_, err = target.Write(make([]byte, 64<<10))
			}
		})
		if err := c.Write(context.Background(), websocket.MessageBinary, want); err != nil {
			t.Error(err)
		}
		if err := c.Close(websocket.StatusNormalClosure, ""); err != nil { // waits for the answer
			t.Errorf("close: %v", err)
		}
		got, err := io.ReadAll(target)
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%d of %d bytes, %v", len(got), size, err)
		}
		target.Close()
		sending.Wait()
	}
}

// A target that stays open after the client has left is not waited for for
// ever.
func TestTargetThatStays(t *testing.T) {
	h := &bridge.Handler{Limits: bridge.Limits{PeerTimeout: 100 * time.Millisecond}}
	c, target := pair(t, h)
	_ = c.Close(websocket.StatusNormalClosure, "")
	if _, err := target.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("the target reads %v", err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := h.Shutdown(ctx); err != nil {
		t.Errorf("the session stays: %v", err)
	}
}

// Over TLS, what is sent last arrives before the close as well.
func TestTLS(t *testing.T) {
	targets, conns := newTarget(t)
	h := &bridge.Handler{Targets: targets}
	mux := http.NewServeMux()
	mux.Handle("/nbd/{target}", h)
	server := httptest.NewTLSServer(mux)
	defer server.Close()
	h.PublicURL = []string{server.URL}
	c, _, err := websocket.Dial(context.Background(), server.URL+"/nbd/lab", &websocket.DialOptions{HTTPClient: server.Client(), Subprotocols: []string{"nbd"}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.CloseNow()
	c.SetReadLimit(-1)
	target := receive(t, conns)
	up, down := noise(8, 300<<10), noise(9, 300<<10)
	var both sync.WaitGroup
	both.Go(func() { _ = c.Write(context.Background(), websocket.MessageBinary, up) })
	got := make([]byte, len(up))
	if _, err := io.ReadFull(target, got); err != nil || !bytes.Equal(got, up) {
		t.Errorf("up: differ, %v", err)
	}
	both.Go(func() { _, _ = target.Write(down); target.Close() })
	var tail bytes.Buffer
	readAll(t, c, &tail)
	if !bytes.Equal(tail.Bytes(), down) {
		t.Errorf("down: %d of %d bytes, or they differ", tail.Len(), len(down))
	}
	both.Wait()
	if err := h.Shutdown(context.Background()); err != nil {
		t.Error(err)
	}
}

// The client's own close is answered with its code.
func TestCloseIsAnswered(t *testing.T) {
	h := &bridge.Handler{}
	targets, conns := newTarget(t)
	h.Targets = targets
	base := serve(t, h)
	for name, payload := range map[string][]byte{"with a code": {4321 >> 8, 4321 & 255}, "without": {}} {
		r := dialRaw(t, base)
		receive(t, conns).CloseWrite()
		if head, answer, err := r.next(); head != 0x88 || err != nil || len(answer) < 2 {
			t.Errorf("%s: %x %q %v", name, head, answer, err)
		}
		r.send(t, 0x88, payload)
		if _, _, err := r.next(); err != io.EOF {
			t.Errorf("%s: after the close: %v", name, err)
		}

		r = dialRaw(t, base)
		target := receive(t, conns)
		r.send(t, 0x88, payload)
		if head, answer, err := r.next(); head != 0x88 || err != nil || !bytes.Equal(answer, payload) {
			t.Errorf("%s: answered with %x %x, %v", name, head, answer, err)
		}
		if _, err := target.Read(make([]byte, 1)); err != io.EOF {
			t.Errorf("%s: the target reads %v", name, err)
		}
		target.Close()
		if _, _, err := r.next(); err != io.EOF {
			t.Errorf("%s: after the close: %v", name, err)
		}
	}
}

func TestTextIsRefused(t *testing.T) {
	c, target := pair(t, &bridge.Handler{})
	if err := c.Write(context.Background(), websocket.MessageText, []byte("hello")); err != nil {
		t.Fatal(err)
	}
	wantClose(t, c, websocket.StatusUnsupportedData)
	if got, err := io.ReadAll(target); len(got) != 0 || err != nil {
		t.Errorf("the target got %q, %v", got, err)
	}
}

func TestProtocolErrors(t *testing.T) {
	targets, conns := newTarget(t)
	base := serve(t, &bridge.Handler{Targets: targets})
	for name, bytes := range map[string][]byte{
		"reserved bits":     {0xf2, 0x80, 0, 0, 0, 0},
		"unknown opcode":    {0x83, 0x80, 0, 0, 0, 0},
		"unmasked":          {0x82, 0x00},
		"lone continuation": {0x80, 0x80, 0, 0, 0, 0},
		"long ping":         {0x89, 0xfe, 0, 126, 0, 0, 0, 0},
	} {
		r := dialRaw(t, base)
		target := receive(t, conns)
		_, _ = r.Write(bytes)
		head, payload, err := r.next()
		if err != nil || head != 0x88 || len(payload) < 2 || int(payload[0])<<8+int(payload[1]) != int(websocket.StatusProtocolError) {
			t.Errorf("%s: %x %q %v, want a close with 1002", name, head, payload, err)
		}
		if got, err := io.ReadAll(target); len(got) > 0 || err != nil {
			t.Errorf("%s: the target got %x, %v", name, got, err)
		}
		target.Close()
		r.Close()
	}
}

// A frame that breaks off brings nothing that isn't unmasked.
func TestBrokenFrame(t *testing.T) {
	targets, conns := newTarget(t)
	r := dialRaw(t, serve(t, &bridge.Handler{Targets: targets}))
	target := receive(t, conns)
	_, _ = r.Write([]byte{0x82, 0x83, 1, 1, 1, 1, 'a' ^ 1, 'b' ^ 1, 'c' ^ 1})
	_, _ = r.Write([]byte{0x82, 0xff, 0, 0, 0, 0, 0, 0, 0x80, 0, 1, 1, 1, 1, 'd' ^ 1, 'e' ^ 1})
	r.Close()
	if got, err := io.ReadAll(target); string(got) != "abc" || err != nil {
		t.Errorf("the target got %q, %v", got, err)
	}
}

func TestPingIsAnswered(t *testing.T) {
	targets, conns := newTarget(t)
	r := dialRaw(t, serve(t, &bridge.Handler{Targets: targets}))
	receive(t, conns)
	r.send(t, 0x89, []byte("are you there"))
	if head, payload, err := r.next(); head != 0x8a || string(payload) != "are you there" || err != nil {
		t.Errorf("%x %q %v", head, payload, err)
	}
}

func TestTargetReset(t *testing.T) {
	c, target := pair(t, &bridge.Handler{})
	_, _ = target.Write([]byte("x"))
	if _, _, err := c.Read(context.Background()); err != nil { // else the reset could meet the connecting
		t.Fatal(err)
	}
	_ = target.SetLinger(0)
	target.Close()
	wantClose(t, c, websocket.StatusBadGateway)
}
