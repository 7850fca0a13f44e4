package bridge_test

import (
	"bytes"
	"io"
	"net"
	"testing"
	"time"

	"nbdbridge/bridge"
)

// masked is a frame of a client, masked with zeros.
func masked(head byte, payload string) []byte {
	n := len(payload)
	f := []byte{head, 0x80 | byte(n)}
	if n > 125 {
		f = []byte{head, 0x80 | 126, byte(n >> 8), byte(n)}
	}
	return append(append(f, 0, 0, 0, 0), payload...)
}

// Frames that come together, of every kind and cut anywhere, reach the target
// as the bytes that they carry; what is whole never waits for what is not.
func TestFramesTogether(t *testing.T) {
	long := string(noise(1, 1000))
	together := bytes.Join([][]byte{
		masked(0x82, "one"), masked(0x82, ""), masked(0x82, "two"), masked(0x89, "ping"), masked(0x82, long),
		masked(0x02, "frag"), masked(0x89, "ping"), masked(0x80, "ment"), masked(0x82, "three"), masked(0x8a, "pong"), masked(0x82, "four"),
	}, nil)
	want := "onetwo" + long + "fragment" + "threefour"
	targets, conns := newTarget(t)
	base := serve(t, &bridge.Handler{Targets: targets, Limits: bridge.Limits{AddressRate: -1}})
	for cut := 0; cut <= len(together); cut += 1 + cut/40 {
		r := dialRaw(t, base)
		target := receive(t, conns)
		_, _ = r.Write(together[:cut])
		_, _ = r.Write(together[cut:])
		rest := masked(0x82, "late")
		_, _ = r.Write(rest[:8])
		wantRead(t, target, want)
		_, _ = r.Write(rest[8:])
		wantRead(t, target, "late")
		r.Close()
		target.Close()
	}
}

func wantRead(t *testing.T, c net.Conn, want string) {
	t.Helper()
	_ = c.SetReadDeadline(time.Now().Add(patience))
	got := make([]byte, len(want))
	if _, err := io.ReadFull(c, got); err != nil || string(got) != want {
		t.Fatalf("%q, %v", got, err)
	}
}
