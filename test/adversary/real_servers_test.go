package adversary

import (
	"context"
	"errors"
	"net"
	"strconv"
	"sync"
	"testing"
	"time"

	"nbdbridge/nbd"
)

// realLimit is how long a session with a real server may take until an attack
// is found out; the clock is the real one here.
const realLimit = 10 * time.Second

// A limited connection is closed after so many bytes from the server.
type limited struct {
	net.Conn
	left, read int
}

func (c *limited) Read(p []byte) (int, error) {
	if c.left == 0 {
		c.Conn.Close()
	}
	n, err := c.Conn.Read(p[:min(len(p), max(c.left, 1))])
	c.left, c.read = c.left-n, c.read+n
	return n, err
}

// A session inside TLS with a real server is cut all along its length.
func TestRealServersCut(t *testing.T) {
	for name, start := range foreignServers {
		t.Run(name, func(t *testing.T) {
			addr := start(t, certificates(t))
			c := &limited{Conn: connect(t, addr), left: 1 << 30}
			if err := tour(t.Context(), c, withCertificate(requiring())); err != nil {
				t.Fatalf("uncut: %v", err)
			}
			var work sync.WaitGroup
			slots := make(chan struct{}, 8)
			for n := 0; n < c.read-100; n += 61 { // signatures differ in length, and the farewell is in it
				slots <- struct{}{}
				work.Go(func() {
					defer func() { <-slots }()
					cutReal(t, addr, n)
				})
			}
			work.Wait()
		})
	}
}

func cutReal(t *testing.T, addr string, n int) {
	ctx, cancel := context.WithTimeout(t.Context(), realLimit)
	defer cancel()
	err := tour(ctx, &limited{Conn: connect(t, addr), left: n}, withCertificate(requiring()))
	if err == nil || ctx.Err() != nil {
		t.Errorf("cut after %d bytes: %v", n, err)
	}
}

func connect(t *testing.T, addr string) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// realAttacks are done by a bridge in front of real servers that force TLS.
var realAttacks = []struct {
	name  string
	alter rule
	found func(err error) bool // nil: any error
}{
	{"A1_flags", instead(false, kindGreeting, greeting(0)), isDowngrade},
	{"A2_oldstyle", instead(false, kindGreeting, oldstyle(diskSize)), isDowngrade},
	{"A3_refusal", answers(reply(optStartTLS, errPolicy, nil)), isDowngrade},
	{"A7_behind_ACK", behindAck(reply(optGo, repAck, nil)), isProtocolError},
	{"A7_behind_STARTTLS", on(true, kindOption, func(_ *bridge, m message) []byte { return cat(m.data, option(optList, nil)) }), nil},
	{"A12_handshake", flipReal(false, 1), nil},
	{"A12_data", flipReal(false, 6), nil},
	{"A12_data_to_the_server", flipReal(true, 5), nil},
	{"A14_versions", edits(func(h *hello) { h.drop(extSupportedVersions) }), isTLSError},
}

func isDowngrade(err error) bool { return errors.Is(err, nbd.ErrDowngrade) }

func flipReal(up bool, nth int) rule {
	return on(up, kindRecord, func(_ *bridge, m message) []byte {
		if m.nth == nth {
			m.data[len(m.data)-1] ^= 1
		}
		return m.data
	})
}

func TestRealServersAttacked(t *testing.T) {
	for name, start := range foreignServers {
		t.Run(name, func(t *testing.T) {
			addr := start(t, certificates(t))
			if err := throughBridge(t, addr, nil); err != nil {
				t.Fatalf("through an honest bridge: %v", err)
			}
			for _, a := range realAttacks {
				t.Run(a.name, func(t *testing.T) {
					err := throughBridge(t, addr, a.alter)
					if err == nil || errors.Is(err, context.DeadlineExceeded) || a.found != nil && !a.found(err) {
						t.Errorf("error: %v", err)
					}
				})
			}
		})
	}
}

// nbdkit offers TLS and demands it for nothing: it forgets injected state, and
// our client asks for everything again.
func TestRealStateInjection(t *testing.T) {
	need(t, "nbdkit")
	port := freePort(t)
	start(t, "nbdkit", "--foreground", "--ipaddr=127.0.0.1", "--exit-with-parent", "--port="+port,
		"--tls=on", "--tls-certificates="+certificates(t), "memory", strconv.Itoa(diskSize))
	addr, taken := awaited(t, port), 0
	inject := injects(option(optStructured, nil), option(optSetMeta, metaRequest("vda", "base:allocation")))
	err := throughBridge(t, addr, func(b *bridge, m message) []byte {
		if m.kind == kindReply && m.opt != optStartTLS && m.typ == repAck {
			taken++
		}
		return inject(b, m)
	})
	if err != nil || taken != 2 {
		t.Errorf("error: %v; nbdkit took %d options", err, taken)
	}
}

func throughBridge(t *testing.T, addr string, alter rule) error {
	ctx, cancel := context.WithTimeout(t.Context(), realLimit)
	defer cancel()
	user, near := newPipe()
	b := newBridge(near, connect(t, addr), alter)
	defer b.work.Wait()
	defer user.Close()
	return session(ctx, user, withCertificate(requiring()))
}
