package bridge_test

import (
	"bytes"
	"context"
	"net"
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
