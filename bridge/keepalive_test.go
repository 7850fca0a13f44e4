package bridge_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"

	"nbdbridge/bridge"
)

// A pipeListener hands in-memory connections to an http.Server, so that a
// whole session runs by the clock of a synctest bubble.
type pipeListener struct {
	conns  chan net.Conn
	closed chan struct{}
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *pipeListener) Close() error   { close(l.closed); return nil }
func (l *pipeListener) Addr() net.Addr { return &net.UnixAddr{Name: "pipe", Net: "pipe"} }

// bubble runs a test on one session in memory. Neither side has a buffer: a
// client that does not read blocks every write to it.
func bubble(t *testing.T, limits bridge.Limits, test func(t *testing.T, client *raw, target net.Conn)) {
	bubbleOf(t, &bridge.Handler{Limits: limits}, test)
}

// bubbleOf is bubble for a handler that has more than limits.
func bubbleOf(t *testing.T, h *bridge.Handler, test func(t *testing.T, client *raw, target net.Conn)) {
	synctest.Test(t, func(t *testing.T) {
		near, target := net.Pipe()
		h.Targets, h.PublicURL = lab, []string{"http://bridge.example"}
		h.Dial = func(context.Context, bridge.Target) (net.Conn, error) { return near, nil }
		mux := http.NewServeMux()
		mux.Handle("/nbd/{target}", h)
		l := &pipeListener{make(chan net.Conn), make(chan struct{})}
		server := &http.Server{Handler: mux}
		go server.Serve(l)
		defer server.Close()
		defer h.Shutdown(context.Background())

		there, here := net.Pipe()
		l.conns <- there
		client := upgrade(t, here, "bridge.example")
		defer target.Close()
		defer client.Close()
		synctest.Wait()
		test(t, client, target)
	})
}

// wantEnd reads to the end of a connection and tells when it came.
func wantEnd(t *testing.T, c io.Reader, since time.Time, after, before time.Duration) {
	t.Helper()
	_, err := io.Copy(io.Discard, c)
	if took := time.Since(since); err != nil || took < after || took > before {
		t.Errorf("the end came after %s (%v), want it from %s to %s", took, err, after, before)
	}
}

// A client that takes pings and never answers is dead after PeerTimeout.
func TestDeadPeer(t *testing.T) {
	bubble(t, bridge.Limits{}, func(t *testing.T, client *raw, target net.Conn) {
		begin := time.Now()
		go io.Copy(io.Discard, client)
		wantEnd(t, target, begin, 75*time.Second, 100*time.Second)
	})
}

// Messages that fill nothing but a kernel's buffer are no sign of the client's
// life.
func TestDeadPeerWithBusyTarget(t *testing.T) {
	bubble(t, bridge.Limits{}, func(t *testing.T, client *raw, target net.Conn) {
		begin := time.Now()
		go io.Copy(io.Discard, client)
		var talking sync.WaitGroup
		talking.Go(func() {
			for ; ; time.Sleep(10 * time.Second) {
				if _, err := target.Write([]byte("still here")); err != nil {
					return
				}
			}
		})
		wantEnd(t, target, begin, 75*time.Second, 100*time.Second)
		talking.Wait()
	})
}

// A client that takes nothing at all, not even a ping.
func TestDeafPeer(t *testing.T) {
	bubble(t, bridge.Limits{}, func(t *testing.T, client *raw, target net.Conn) {
		begin := time.Now()
		wantEnd(t, target, begin, 75*time.Second, 101*time.Second)
	})
}

// A client that answers pings, every PingInterval, lives.
func TestPings(t *testing.T) {
	bubble(t, bridge.Limits{}, func(t *testing.T, client *raw, target net.Conn) {
		begin := time.Now()
		for i := range 100 {
			head, payload, err := client.next()
			if head != 0x89 || err != nil {
				t.Fatalf("ping %d: %x, %v", i, head, err)
			}
			if took, want := time.Since(begin), time.Duration(i+1)*25*time.Second; took != want {
				t.Errorf("ping %d came after %s, want %s", i, took, want)
			}
			client.send(t, 0x8a, payload)
		}
	})
}

// Data is a sign of life too, pongs or not.
func TestDataIsLife(t *testing.T) {
	bubble(t, bridge.Limits{}, func(t *testing.T, client *raw, target net.Conn) {
		go io.Copy(io.Discard, client)
		for range 100 {
			time.Sleep(20 * time.Second)
			client.send(t, 0x82, []byte("x"))
			if _, err := target.Read(make([]byte, 1)); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// A client that stalls in the middle of a message for longer than the five
// seconds that the library gives a control frame, pinged and asked for a pong
// meanwhile, goes on where it was.
func TestStalledReader(t *testing.T) {
	bubble(t, bridge.Limits{PingInterval: time.Second}, func(t *testing.T, client *raw, target net.Conn) {
		for range 3 {
			message := noise(7, 60<<10)
			go target.Write(message)
			synctest.Wait() // the bridge is in the middle of the message
			client.send(t, 0x89, []byte("?"))
			time.Sleep(70 * time.Second)
			seen := map[byte]int{}
			for seen[0x82] < len(message) || seen[0x8a] == 0 || seen[0x89] == 0 {
				head, payload, err := client.next()
				if err != nil {
					t.Fatalf("after %v: %v", seen, err)
				}
				seen[head] += max(1, len(payload))
			}
		}
	})
}

// A client that takes a message now and then, and says nothing, lives.
func TestSlowTakerLives(t *testing.T) {
	bubble(t, bridge.Limits{}, func(t *testing.T, client *raw, target net.Conn) {
		go func() {
			for err := error(nil); err == nil; {
				_, err = target.Write(make([]byte, 60<<10))
			}
		}()
		for range 20 {
			time.Sleep(50 * time.Second)
			if _, _, err := client.next(); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// A target that takes nothing for long must not be held against the client,
// whose pongs wait behind the data.
func TestStalledTarget(t *testing.T) {
	bubble(t, bridge.Limits{}, func(t *testing.T, client *raw, target net.Conn) {
		go io.Copy(io.Discard, client)
		client.send(t, 0x82, []byte("slow"))
		time.Sleep(10 * time.Minute)
		if got, err := io.ReadAll(io.LimitReader(target, 4)); string(got) != "slow" || err != nil {
			t.Errorf("%q, %v", got, err)
		}
	})
}

func TestIdleTimeout(t *testing.T) {
	bubble(t, bridge.Limits{IdleTimeout: time.Minute}, func(t *testing.T, client *raw, target net.Conn) {
		time.Sleep(20 * time.Second)
		client.send(t, 0x82, []byte("x"))
		_, _ = target.Read(make([]byte, 1))
		begin := time.Now()
		for {
			head, payload, err := client.next()
			if err != nil {
				t.Fatal(err)
			}
			if head == 0x89 { // pongs don't count
				client.send(t, 0x8a, payload)
				continue
			}
			if code := websocket.StatusCode(payload[0])<<8 | websocket.StatusCode(payload[1]); head != 0x88 || code != bridge.StatusIdle {
				t.Errorf("frame %x, code %d", head, code)
			}
			break
		}
		if took := time.Since(begin); took < time.Minute || took > 80*time.Second {
			t.Errorf("idle after %s", took)
		}
		client.send(t, 0x88, nil)
		wantEnd(t, target, time.Now(), 0, 0)
	})
}

// A client that never answers a Close is waited for, and not for ever.
func TestCloseWithoutAnswer(t *testing.T) {
	bubble(t, bridge.Limits{}, func(t *testing.T, client *raw, target net.Conn) {
		begin := time.Now()
		target.Close()
		wantEnd(t, client, begin, 75*time.Second, 76*time.Second)
	})
}

// Who is refused and does not leave is gone in seconds.
func TestRefusedLingerer(t *testing.T) {
	base := serve(t, &bridge.Handler{Limits: bridge.Limits{PeerTimeout: 30 * time.Millisecond}})
	r := dialRaw(t, base)
	_ = r.SetReadDeadline(time.Now().Add(patience))
	if _, err := io.Copy(io.Discard, r); err != nil {
		t.Errorf("the connection stays: %v", err)
	}
}

// The same over TCP, where a client's kernel takes the pings.
func TestDeadPeerOverTCP(t *testing.T) {
	targets, conns := newTarget(t)
	base := serve(t, &bridge.Handler{Targets: targets, Limits: bridge.Limits{PingInterval: 20 * time.Millisecond, PeerTimeout: 100 * time.Millisecond}})
	dialRaw(t, base)
	target := receive(t, conns)
	_ = target.SetReadDeadline(time.Now().Add(patience))
	if _, err := target.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the target's connection: %v", err)
	}
}
