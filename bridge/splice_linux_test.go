package bridge_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"

	"nbdbridge/bridge"
)

// sockets are listeners of each kind that can be spliced from and to.
var sockets = map[string]func(t *testing.T) net.Listener{
	"tcp":  func(t *testing.T) net.Listener { return listenOn(t, "tcp", "127.0.0.1:0") },
	"unix": func(t *testing.T) net.Listener { return listenOn(t, "unix", filepath.Join(t.TempDir(), "s")) },
}

func listenOn(t *testing.T, network, address string) net.Listener {
	t.Helper()
	l, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

// joined is a session between two listeners' kinds of sockets.
func joined(t *testing.T, h *bridge.Handler, front, back net.Listener) (*websocket.Conn, net.Conn) {
	t.Helper()
	h.Targets = bridge.Targets{"lab": {Network: back.Addr().Network(), Address: back.Addr().String()}}
	h.PublicURL = []string{"http://bridge.example"}
	mux := http.NewServeMux()
	mux.Handle("/nbd/{target}", h)
	server := &http.Server{Handler: mux}
	go server.Serve(front)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = h.Shutdown(ctx)
		server.Close()
	})
	c, _, err := websocket.Dial(context.Background(), "http://bridge.example/nbd/lab", &websocket.DialOptions{
		Subprotocols: []string{"nbd"},
		HTTPClient: client(func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, front.Addr().Network(), front.Addr().String())
		}),
	})
	if err != nil {
		t.Fatal(err)
	}
	c.SetReadLimit(-1)
	target, err := back.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.CloseNow(); target.Close() })
	return c, target
}

// Between every two kinds of sockets bytes arrive whole, and of a lot that is
// sent at once most goes by splice.
func TestSplice(t *testing.T) {
	const size = 16 << 20
	for front, listenFront := range sockets {
		for back, listenBack := range sockets {
			t.Run(back+" to "+front, func(t *testing.T) {
				h := &bridge.Handler{}
				metrics := register(t, h)
				c, target := joined(t, h, listenFront(t), listenBack(t))
				want := noise(1, size)
				var sending sync.WaitGroup
				sending.Go(func() { _, _ = target.Write(want); target.Close() })
				if path := h.Sessions()[0].Path; path != "splice" {
					t.Errorf("the path is %q", path)
				}
				var got bytes.Buffer
				readAll(t, c, &got)
				sending.Wait()
				if !bytes.Equal(got.Bytes(), want) {
					t.Errorf("%d of %d bytes, or they differ", got.Len(), size)
				}
				if spliced := scrape(t, metrics)[`bridge_spliced_bytes_total{target="lab"}`]; spliced < size/2 {
					t.Errorf("%v of %d bytes were spliced", spliced, size)
				}
			})
		}
	}
}

func TestCopyOnly(t *testing.T) {
	h := &bridge.Handler{CopyOnly: true}
	metrics := register(t, h)
	c, target := pair(t, h)
	want := noise(1, 4<<20)
	var sending sync.WaitGroup
	sending.Go(func() { _, _ = target.Write(want); target.Close() })
	var got bytes.Buffer
	readAll(t, c, &got)
	sending.Wait()
	if spliced := scrape(t, metrics)[`bridge_spliced_bytes_total{target="lab"}`]; spliced != 0 || !bytes.Equal(got.Bytes(), want) {
		t.Errorf("%v bytes were spliced, %d arrived", spliced, got.Len())
	}
}

// A kernel that refuses to splice, or gives no pipes, costs nothing but the
// copying. The log says so where it is for good.
func TestNoSplice(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(t *testing.T)
		path  string
	}{
		"no splice": {bridge.RefuseSplice, "copy"},
		"no pipes":  {bridge.RefusePipes, "splice"},
	} {
		t.Run(name, func(t *testing.T) {
			c.spoil(t)
			h := &bridge.Handler{}
			metrics := register(t, h)
			ws, target := pair(t, h)
			want := noise(2, 8<<20)
			var sending sync.WaitGroup
			sending.Go(func() { _, _ = target.Write(want) })
			got := sha256.New()
			for n := 0; n < len(want); {
				_, message, err := ws.Read(context.Background())
				if err != nil {
					t.Fatal(err)
				}
				n += len(message)
				_, _ = got.Write(message)
			}
			sending.Wait()
			if sum := sha256.Sum256(want); !bytes.Equal(got.Sum(nil), sum[:]) {
				t.Error("bytes differ")
			}
			if path := h.Sessions()[0].Path; path != c.path {
				t.Errorf("the path is %q", path)
			}
			if spliced := scrape(t, metrics)[`bridge_spliced_bytes_total{target="lab"}`]; spliced != 0 {
				t.Errorf("%v bytes were spliced", spliced)
			}
		})
	}
}

// Pings at a high rate, in the middle of a download: every pong stands between
// two frames, and no byte of the data is lost or moved.
func TestPongsBetweenFrames(t *testing.T) {
	const size = 64 << 20
	targets, conns := newTarget(t)
	r := dialRaw(t, serve(t, &bridge.Handler{Targets: targets}))
	target := receive(t, conns)
	want := noise(3, size)
	done := make(chan struct{})
	var others sync.WaitGroup
	others.Go(func() { _, _ = target.Write(want) })
	others.Go(func() {
		tick := time.NewTicker(time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-done:
				return
			case <-tick.C:
				r.send(t, 0x89, []byte("pingpong"))
			}
		}
	})
	pongs := 0
	for got := 0; got < size || pongs == 0; {
		head, payload, err := r.next()
		switch {
		case err != nil:
			t.Fatal(err)
		case head == 0x8a && string(payload) == "pingpong":
			pongs++
		case head != 0x82 || !bytes.Equal(payload, want[got:got+len(payload)]):
			t.Fatalf("frame %x of %d bytes at %d", head, len(payload), got)
		default:
			got += len(payload)
		}
	}
	close(done)
	others.Wait()
	t.Logf("%d pongs", pongs)
}

// A client that takes nothing for longer than the five seconds that the library
// gives a control frame, pinged and asked for pongs meanwhile, goes on where it
// was. So do a target's last words and the close behind them.
func TestStalledOverTCP(t *testing.T) {
	h := &bridge.Handler{Limits: bridge.Limits{PingInterval: 500 * time.Millisecond, PeerTimeout: patience}}
	targets, conns := newTarget(t)
	h.Targets = targets
	r := dialRaw(t, serve(t, h))
	target := receive(t, conns)
	want := noise(4, 64<<20)
	var sending sync.WaitGroup
	sending.Go(func() { _, _ = target.Write(want); target.Close() })
	for range 12 {
		time.Sleep(500 * time.Millisecond)
		r.send(t, 0x89, []byte("?"))
	}
	seen := map[byte]int{}
	for got := 0; ; {
		head, payload, err := r.next()
		if err != nil {
			t.Fatalf("after %v: %v", seen, err)
		}
		seen[head]++
		if head == 0x88 {
			if got != len(want) || !bytes.Equal(payload[:2], []byte{1000 >> 8, 1000 & 0xff}) {
				t.Errorf("closed with %x after %d of %d bytes", payload, got, len(want))
			}
			break
		}
		if head == 0x82 {
			if !bytes.Equal(payload, want[got:got+len(payload)]) {
				t.Fatalf("a frame differs at %d", got)
			}
			got += len(payload)
		}
	}
	sending.Wait()
	if seen[0x89] == 0 || seen[0x8a] == 0 {
		t.Errorf("pings and pongs: %v", seen)
	}
}

// A session that is cut in the middle of a frame says nothing more: a Close
// there would be read as data.
func TestNoCloseInsideFrame(t *testing.T) {
	targets, conns := newTarget(t)
	h := &bridge.Handler{Targets: targets}
	r := dialRaw(t, serve(t, h))
	target := receive(t, conns)
	fill(target)
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	_ = h.Shutdown(ctx)
	for {
		head, _, err := r.next()
		if err != nil {
			return
		}
		if head != 0x82 {
			t.Fatalf("a frame %x", head)
		}
	}
}

// What one session leaves behind when it is killed in the middle of a frame
// never comes to another.
func TestNoBytesOfOthers(t *testing.T) {
	targets, conns := newTarget(t)
	base := serve(t, &bridge.Handler{Targets: targets})
	secret, own := bytes.Repeat([]byte("S"), 4<<20), bytes.Repeat([]byte("o"), 4<<20)
	for range 20 {
		victim := dialRaw(t, base)
		target := receive(t, conns)
		var sending sync.WaitGroup
		sending.Go(func() { _, _ = target.Write(secret) })
		_, _ = io.CopyN(io.Discard, victim, 100<<10)
		reset(victim.Conn)

		r := dialRaw(t, base)
		other := receive(t, conns)
		sending.Go(func() { _, _ = other.Write(own) })
		for got := 0; got < len(own); {
			head, payload, err := r.next()
			if head != 0x82 || err != nil || bytes.ContainsAny(payload, "S") {
				t.Fatalf("frame %x, %v, or another's bytes", head, err)
			}
			got += len(payload)
		}
		r.Close()
		other.Close()
		target.Close()
		sending.Wait()
	}
}

// No session leaves a file descriptor open, however it ends.
func TestNoDescriptorsLeft(t *testing.T) {
	targets, conns := newTarget(t)
	h := &bridge.Handler{Targets: targets}
	base := serve(t, h)
	open := func() int {
		entries, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for _, e := range entries {
			if to, _ := os.Readlink("/proc/self/fd/" + e.Name()); strings.HasPrefix(to, "pipe:") || strings.HasPrefix(to, "socket:") {
				n++
			}
		}
		return n
	}
	round := func(n int) {
		for i := range n {
			r := dialRaw(t, base)
			target := receive(t, conns)
			var sending sync.WaitGroup
			sending.Go(func() { _, _ = target.Write(make([]byte, 2<<20)); target.Close() })
			_, _ = io.CopyN(io.Discard, r, 300<<10)
			if i%2 == 0 {
				_, _ = io.Copy(io.Discard, io.LimitReader(r, 1<<20))
			}
			reset(r.Conn)
			sending.Wait()
			target.Close()
		}
		waitFor(t, func() bool { return len(h.Sessions()) == 0 })
	}
	round(20)
	before := open()
	round(60)
	waitFor(t, func() bool { return open() <= before+4 })
}
