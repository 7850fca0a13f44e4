package bridge_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/coder/websocket"
	"golang.org/x/sys/unix"

	"nbdbridge/bridge"
)

// Urgent data, which NBD has not, neither stops what stands around it nor keeps
// a session from its end.
func TestUrgentData(t *testing.T) {
	for name, size := range map[string]int{"copied": 1000, "spliced": 100 << 10} {
		t.Run(name, func(t *testing.T) {
			h := &bridge.Handler{}
			c, target := pair(t, h)
			want := noise(5, size)
			for range 3 {
				sendUrgent(t, target)
				if _, err := target.Write(want); err != nil {
					t.Fatal(err)
				}
				ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
				defer cancel()
				for got := 0; got < size; {
					_, message, err := c.Read(ctx)
					if err != nil {
						t.Fatal(err)
					}
					if !bytes.Equal(message, want[got:got+len(message)]) {
						t.Fatalf("bytes differ at %d", got)
					}
					got += len(message)
				}
			}
		})
	}
}

// A Unix socket counts an urgent byte that can't be read. That breaks the
// connection to the target, and the client hears so.
func TestUrgentDataOfUnix(t *testing.T) {
	for _, copyOnly := range []bool{false, true} {
		c, target := joined(t, &bridge.Handler{CopyOnly: copyOnly}, sockets["tcp"](t), sockets["unix"](t))
		sendUrgent(t, target.(*net.UnixConn))
		wantClose(t, c, websocket.StatusBadGateway)
	}
}

func sendUrgent(t *testing.T, c syscall.Conn) {
	t.Helper()
	raw, err := c.SyscallConn()
	if err == nil {
		_ = raw.Control(func(fd uintptr) { err = unix.Sendto(int(fd), []byte("!"), unix.MSG_OOB, nil) })
	}
	if err != nil {
		t.Fatal(err)
	}
}

// A client on a slow line lives while its kernel acknowledges what waits for
// it, though all that it was sent stands before the next ping, and though our
// kernel takes no more for long.
func TestSlowLineLives(t *testing.T) {
	const timeout = time.Second
	for name, size := range map[string]int{"all of it in our kernel": 2 << 20, "more than our kernel takes": 64 << 20} {
		for _, copyOnly := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, copy only %t", name, copyOnly), func(t *testing.T) {
				t.Parallel()
				targets, conns := newTarget(t)
				h := &bridge.Handler{Targets: targets, CopyOnly: copyOnly, Limits: bridge.Limits{PeerTimeout: timeout}}
				r := dialRaw(t, serve(t, h))
				target := receive(t, conns)
				_ = r.Conn.(*net.TCPConn).SetReadBuffer(16 << 10)
				var sending sync.WaitGroup
				sending.Go(func() { _, _ = target.Write(make([]byte, size)) })
				tick := time.NewTicker(timeout / 10)
				defer tick.Stop()
				for begin := time.Now(); time.Since(begin) < 4*timeout; <-tick.C {
					if _, err := io.ReadFull(r.Conn, make([]byte, 10<<10)); err != nil || len(h.Sessions()) == 0 {
						t.Fatalf("after %s: %v", time.Since(begin), err)
					}
				}
				reset(r.Conn)
				target.Close()
				sending.Wait()
			})
		}
	}
}

// A client that sends all the time and takes nothing is ended, and so is what
// waits for it.
func TestDeafTalker(t *testing.T) {
	for _, copyOnly := range []bool{false, true} {
		targets, conns := newTarget(t)
		h := &bridge.Handler{Targets: targets, CopyOnly: copyOnly, Limits: bridge.Limits{PeerTimeout: 500 * time.Millisecond}}
		r := dialRaw(t, serve(t, h))
		target := receive(t, conns)
		var others sync.WaitGroup
		others.Go(func() { _, _ = target.Write(make([]byte, 64<<20)) })
		others.Go(func() {
			for err := error(nil); err == nil; time.Sleep(10 * time.Millisecond) {
				_, err = r.Write([]byte{0x82, 0x80, 0, 0, 0, 0})
			}
		})
		waitFor(t, func() bool { return len(h.Sessions()) == 0 })
		reset(r.Conn)
		target.Close()
		others.Wait()
	}
}

// A session that ends while half a frame is out sends the other half, once the
// client goes on, and then says why.
func TestEndInsideFrame(t *testing.T) {
	for _, copyOnly := range []bool{false, true} {
		targets, conns := newTarget(t)
		h := &bridge.Handler{Targets: targets, CopyOnly: copyOnly}
		r := dialRaw(t, serve(t, h))
		target := receive(t, conns)
		want := noise(6, 64<<20)
		var sending sync.WaitGroup
		sending.Go(func() { _, _ = target.Write(want) })
		last := int64(-1)
		waitFor(t, func() bool { // the client stalls
			time.Sleep(50 * time.Millisecond)
			down := h.Sessions()[0].Down
			defer func() { last = down }()
			return down > 0 && down == last
		})
		h.EndSession(h.Sessions()[0].ID)
		for got := 0; ; {
			head, payload, err := r.next()
			if err != nil {
				t.Fatalf("after %d bytes: %v", got, err)
			}
			if head == 0x88 {
				if code := websocket.StatusCode(payload[0])<<8 | websocket.StatusCode(payload[1]); code != bridge.StatusEnded {
					t.Errorf("closed with %d", code)
				}
				break
			}
			if head != 0x82 || !bytes.Equal(payload, want[got:got+len(payload)]) {
				t.Fatalf("a frame %x at %d", head, got)
			}
			got += len(payload)
		}
		r.Close()
		target.Close()
		sending.Wait()
	}
}

// A client that takes its last bytes slowly does not keep a session that has
// ended for longer than PeerTimeout.
func TestEndOfSlowClient(t *testing.T) {
	const timeout = time.Second
	front := sockets["unix"](t)
	h := &bridge.Handler{Limits: bridge.Limits{PeerTimeout: timeout}}
	targets, conns := newTarget(t)
	h.Targets, h.PublicURL = targets, []string{"http://bridge.example"}
	mux := http.NewServeMux()
	mux.Handle("/nbd/{target}", h)
	server := &http.Server{Handler: mux}
	go server.Serve(front)
	defer server.Close()
	conn, err := net.Dial("unix", front.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	r := upgrade(t, conn, "bridge.example")
	defer r.Close()
	target := receive(t, conns)
	var others sync.WaitGroup
	others.Go(func() { _, _ = target.Write(make([]byte, 16<<20)) })
	others.Go(func() {
		for err := error(nil); err == nil; time.Sleep(20 * time.Millisecond) {
			_, err = io.ReadFull(r.Conn, make([]byte, 8<<10))
		}
	})
	waitFor(t, func() bool { return h.Sessions()[0].Down >= 256<<10 })
	h.EndSession(h.Sessions()[0].ID)
	begin := time.Now()
	waitFor(t, func() bool { return len(h.Sessions()) == 0 })
	if took := time.Since(begin); took > 2*timeout {
		t.Errorf("the session went on for %s", took)
	}
	target.Close()
	r.Close()
	others.Wait()
}
