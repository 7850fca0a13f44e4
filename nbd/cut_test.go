package nbd_test

import (
	"context"
	"net"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"

	"nbdbridge/nbd"
)

// A cut connection is closed after so many bytes have come from the peer.
type cut struct {
	net.Conn
	mu   sync.Mutex
	left int
	read int // bytes so far
}

func (c *cut) Read(p []byte) (int, error) {
	c.mu.Lock()
	left := c.left
	c.mu.Unlock()
	if left == 0 {
		c.Conn.Close()
	}
	n, err := c.Conn.Read(p[:min(len(p), max(left, 1))])
	c.mu.Lock()
	defer c.mu.Unlock()
	c.left, c.read = c.left-n, c.read+n
	return n, err
}

// session uses everything once and tells the first error. It calls answered
// before the farewell.
func session(ctx context.Context, c net.Conn, cfg *nbd.Config, answered func()) error {
	client, err := nbd.NewClient(ctx, c, cfg)
	if err != nil {
		return err
	}
	if _, err := client.List(ctx); err != nil {
		return err
	}
	if _, err := client.Info(ctx, "iso"); err != nil {
		return err
	}
	disk, err := client.Open(ctx, "vda")
	if err != nil {
		return err
	}
	defer disk.Close()
	p := make([]byte, 40)
	if err := disk.Read(ctx, p, 3); err != nil {
		return err
	}
	if err := disk.Write(ctx, p, 4, nbd.FlagFUA); err != nil {
		return err
	}
	if err := disk.Flush(ctx); err != nil {
		return err
	}
	answered()
	return nil
}

// Whatever byte is the last that comes, in either role, there is an error and
// not a panic, a hang, a leak or a wait for a time limit.
func TestCutAfterEveryByte(t *testing.T) {
	steps := map[string]int{"plain": 1, "TLS": 7} // a handshake for each byte would take minutes
	if runtime.GOOS == "js" {
		steps["TLS"] = 101 // one thread
	}
	for _, sec := range securities[:2] {
		for _, role := range []string{"client", "server"} {
			t.Run(sec.name+"/"+role, func(t *testing.T) {
				whole, err := cutAt(t, sec, role, 1<<30)
				if err != nil {
					t.Fatalf("uncut: %v", err)
				}
				if sec.name == "TLS" {
					whole -= 8 // ECDSA signatures differ in length by a few bytes
				}
				for n := 0; n < whole; n += steps[sec.name] {
					if _, err := cutAt(t, sec, role, n); err == nil {
						t.Errorf("no error after byte %d of %d", n, whole)
					}
				}
			})
		}
	}
}

// cutAt runs a session whose client, or server, hears n bytes, and returns
// how many it heard of a session that went through, and its error. The
// farewell comes after the error is known, so it is not counted.
func cutAt(t *testing.T, sec security, role string, n int) (heard int, err error) {
	synctest.Test(t, func(t *testing.T) {
		defer promptly(t)()
		client, server := net.Pipe()
		near := &cut{Conn: client, left: 1 << 30}
		far := &cut{Conn: server, left: 1 << 30}
		it := near
		if role == "server" {
			it = far
		}
		it.left = n
		srv := testServer(pattern(1000))
		srv.TLS = sec.server()
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			_ = srv.ServeConn(context.Background(), far)
		}()
		err = session(t.Context(), near, sec.client(), func() {
			it.mu.Lock()
			defer it.mu.Unlock()
			heard = it.read
		})
		<-ended
	})
	return heard, err
}
