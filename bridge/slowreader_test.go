package bridge_test

import (
	"bytes"
	"context"
	"errors"
	"net"
	"os"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/coder/websocket"

	"nbdbridge/bridge"
)

// fill writes to a connection until nothing is taken any more, and tells how
// much was.
func fill(c net.Conn) (n int) {
	b := noise(5, 64<<10)
	for {
		_ = c.SetWriteDeadline(time.Now().Add(300 * time.Millisecond))
		m, err := c.Write(b)
		n += m
		if err != nil {
			_ = c.SetWriteDeadline(time.Time{})
			return n
		}
		b = noise(5, 64<<10)
	}
}

// A client that reads nothing stalls the target: what the bridge takes from it
// is what sockets hold, and all of it arrives in the end.
func TestSlowReader(t *testing.T) {
	const size, most = 64 << 20, 12 << 20
	targets, conns := newTarget(t)
	small := net.Dialer{Control: func(_, _ string, c syscall.RawConn) error {
		return c.Control(func(fd uintptr) { _ = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, 64<<10) })
	}}
	base := serve(t, &bridge.Handler{Targets: targets, Dial: func(ctx context.Context, target bridge.Target) (net.Conn, error) {
		return small.DialContext(ctx, target.Network, target.Address)
	}})
	c, _, err := websocket.Dial(context.Background(), base+"/nbd/lab", &websocket.DialOptions{HTTPClient: client(small.DialContext), Subprotocols: []string{"nbd"}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.CloseNow()
	c.SetReadLimit(-1)
	target := receive(t, conns)
	_ = target.SetWriteBuffer(64 << 10)

	want, taken := noise(6, size), 0
	for taken < size {
		_ = target.SetWriteDeadline(time.Now().Add(500 * time.Millisecond))
		n, err := target.Write(want[taken:min(taken+64<<10, size)])
		taken += n
		if errors.Is(err, os.ErrDeadlineExceeded) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("%d KiB were taken", taken>>10)
	if taken > most {
		t.Errorf("%d MiB were taken from the target while the client read nothing", taken>>20)
	}
	_ = target.SetWriteDeadline(time.Time{})
	var writing sync.WaitGroup
	writing.Go(func() { _, _ = target.Write(want[taken:]); target.CloseWrite() })
	var got bytes.Buffer
	readAll(t, c, &got)
	writing.Wait()
	if !bytes.Equal(got.Bytes(), want) {
		t.Errorf("%d of %d bytes arrived, or they differ", got.Len(), size)
	}
}
