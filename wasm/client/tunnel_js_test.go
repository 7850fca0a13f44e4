package main

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"syscall/js"
	"testing"

	"nbdbridge/nbd"
)

// messageSize is how the fake bridge cuts what the server says: across every
// boundary of NBD and TLS.
const messageSize = 97

// fakeTunnel lets every fake WebSocket end at the server, like a bridge does.
// cut breaks the latest connection, as seen by a browser whose bridge dies.
func fakeTunnel(t *testing.T, server *nbd.Server) (cut func(code int)) {
	t.Helper()
	return newFakeBridge(t, server).cut
}

// A fakeBridge is where fake WebSockets end.
type fakeBridge struct {
	refusal int // the close code that comes instead of a session; 0 for none
	dials   int
	tickets []string // what was offered, besides the subprotocol
	last    js.Value
}

func newFakeBridge(t *testing.T, server *nbd.Server) *fakeBridge {
	t.Helper()
	fakeWebSocket(t)
	b := &fakeBridge{}
	ctx, cancel := context.WithCancel(t.Context())
	var sessions sync.WaitGroup
	connect := newCallback(func(args []js.Value) any {
		if b.admits(args[0]) {
			sessions.Go(func() { relay(ctx, args[0], server) })
		}
		return nil
	})
	js.Global().Get("WebSocket").Set("onconnect", connect.Func)
	t.Cleanup(func() {
		cancel()
		sessions.Wait()
		connect.release()
	})
	return b
}

// admits tells whether a client is served; otherwise it has been sent away.
func (b *fakeBridge) admits(ws js.Value) bool {
	b.dials++
	b.last = ws
	b.tickets = append(b.tickets, ws.Get("protocols").Call("slice", 1).Call("join").String())
	refusal := b.refusal // a test may change it while the event is handled
	if refusal == 0 {
		return true
	}
	if refusal != closeBroken {
		ws.Call("open")
	}
	ws.Call("end", refusal)
	return false
}

func (b *fakeBridge) cut(code int) { b.last.Call("end", code) }

// relay serves one WebSocket until either side ends.
func relay(ctx context.Context, ws js.Value, server *nbd.Server) {
	near, far := net.Pipe()
	sent := make(chan []byte, 1<<16)
	onsend := newCallback(func(args []js.Value) any {
		p := make([]byte, args[0].Length())
		js.CopyBytesToGo(p, args[0])
		sent <- p
		return nil
	})
	var once sync.Once
	onclosed := newCallback(func([]js.Value) any { once.Do(func() { close(sent) }); return nil })
	ws.Set("onsend", onsend.Func)
	ws.Set("onclosed", onclosed.Func)
	ws.Call("open")

	var pumps sync.WaitGroup
	pumps.Go(func() { _ = server.ServeConn(ctx, far) })
	pumps.Go(func() { pumpDown(ws, near) })
	pumps.Go(func() {
		defer near.Close()
		for {
			select {
			case p, ok := <-sent:
				if !ok {
					return
				}
				if _, err := near.Write(p); err != nil {
					return
				}
			case <-ctx.Done():
				return
			}
		}
	})
	pumps.Wait()
	ws.Set("onsend", js.Undefined())
	ws.Set("onclosed", js.Undefined())
	onsend.release()
	onclosed.release()
}

func pumpDown(ws js.Value, near net.Conn) {
	p := make([]byte, 64<<10)
	for {
		n, err := near.Read(p)
		if n > 0 {
			ws.Call("deliver", bytesOf(p[:n]), messageSize)
		}
		if err != nil {
			ws.Call("end", closeNormal)
			return
		}
	}
}

// memory is a device for tests.
type memory struct {
	mu    sync.Mutex
	bytes []byte
	syncs int
}

func (m *memory) Size() int64 { return int64(len(m.bytes)) }

func (m *memory) ReadAt(p []byte, off int64) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := copy(p, m.bytes[off:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func (m *memory) WriteAt(p []byte, off int64) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return copy(m.bytes[off:], p), nil
}

func (m *memory) Sync() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.syncs++
	return nil
}

// broken is a device whose reads fail.
type broken struct{ *memory }

func (broken) ReadAt([]byte, int64) (int, error) { return 0, errors.New("bad sector") }
