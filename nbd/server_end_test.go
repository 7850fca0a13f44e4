package nbd_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// pipes is a listener over pipes, so that a test needs no port.
type pipes struct {
	conns chan net.Conn
	end   chan struct{}
	once  sync.Once
}

func newPipes() *pipes { return &pipes{conns: make(chan net.Conn), end: make(chan struct{})} }

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.end:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	p.once.Do(func() { close(p.end) })
	return nil
}

func (p *pipes) Addr() net.Addr { return nil }

func (p *pipes) dial() net.Conn {
	near, far := net.Pipe()
	p.conns <- far
	return near
}

// parked brings a client into a state and leaves it there.
var parked = map[string]func(t *testing.T, c net.Conn){
	"before the greeting":     func(*testing.T, net.Conn) {},
	"before the client flags": func(t *testing.T, c net.Conn) { expect(t, c, greeting(3)) },
	"amid the client flags":   func(t *testing.T, c net.Conn) { expect(t, c, greeting(3)); send(t, c, []byte{0}) },
	"before an option":        func(t *testing.T, c net.Conn) { expect(t, c, greeting(3)); send(t, c, u32(3)) },
	"amid an option":          func(t *testing.T, c net.Conn) { expect(t, c, greeting(3)); send(t, c, u32(3), []byte("IHAVE")) },
	"amid an option's data": func(t *testing.T, c net.Conn) {
		expect(t, c, greeting(3))
		send(t, c, u32(3), optionRequest(optInfo, exportRequest("vda"))[:20])
	},
	"amid data that is skipped": func(t *testing.T, c net.Conn) {
		expect(t, c, greeting(3))
		send(t, c, u32(3), []byte("IHAVEOPT"), u32(99), u32(1<<20), []byte("abc"))
	},
	"not reading a reply": func(t *testing.T, c net.Conn) {
		expect(t, c, greeting(3))
		send(t, c, u32(3), optionRequest(99, nil))
	},
	"amid the TLS handshake": func(t *testing.T, c net.Conn) {
		knock(t, c, optionRequest(optStartTLS, nil), optionReply(optStartTLS, repAck, nil))
	},
	"amid a TLS record": func(t *testing.T, c net.Conn) {
		knock(t, c, optionRequest(optStartTLS, nil), optionReply(optStartTLS, repAck, nil))
		send(t, c, []byte{22, 3, 1, 2, 0, 1})
	},
	"inside TLS": func(t *testing.T, c net.Conn) { intoTLS(t, c) },
	"after ABORT": func(t *testing.T, c net.Conn) {
		knock(t, c, optionRequest(optAbort, nil), optionReply(optAbort, repAck, nil))
	},
	"idle in transmission":       func(t *testing.T, c net.Conn) { transmitting(t, c) },
	"amid a request":             func(t *testing.T, c net.Conn) { send(t, transmitting(t, c), request(0, 0, 1, 0, 1)[:27]) },
	"amid the payload":           func(t *testing.T, c net.Conn) { send(t, transmitting(t, c), request(0, 1, 1, 0, 9), []byte("abc")) },
	"not reading a reply's data": func(t *testing.T, c net.Conn) { send(t, transmitting(t, c), request(0, 0, 1, 0, 50)) },
	"after DISC, not reading": func(t *testing.T, c net.Conn) {
		send(t, transmitting(t, c), request(0, 0, 1, 0, 50), request(0, cmdDisc, 2, 0, 0))
	},
}

func transmitting(t *testing.T, c net.Conn) net.Conn {
	session := intoTLS(t, c)
	if got, _ := ask(t, session, optGo, exportRequest("vda")); got != repAck {
		t.Errorf("GO: %#x", got)
	}
	return session
}

// Serve ends at once, and with it every session, wherever its client stands.
func TestServeEndsWithParkedClients(t *testing.T) {
	inBubble(t, func(t *testing.T, wait func()) {
		defer promptly(t)()
		srv := testServer(pattern(100))
		srv.TLS = serverTLS(serverCert())
		ctx, cancel := context.WithCancel(t.Context())
		l, ended := newPipes(), make(chan error)
		go func() { ended <- srv.Serve(ctx, l) }()
		var clients []net.Conn
		for _, park := range parked {
			c := l.dial()
			park(t, c)
			clients = append(clients, c)
		}
		wait()
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Serve: %v", err)
		}
		for _, c := range clients {
			c.Close()
		}
	})
}

// No client can hold the negotiation for longer than its limit, or the server
// for longer than it lives.
func TestNegotiationLimit(t *testing.T) {
	for name, park := range parked {
		for _, leaves := range []bool{false, true} {
			t.Run(name, func(t *testing.T) {
				inBubble(t, func(t *testing.T, wait func()) {
					srv := testServer(pattern(100))
					srv.TLS = serverTLS(serverCert())
					c, verdict := serve(t, srv)
					begin := time.Now()
					park(t, c)
					wait()
					serving := strings.Contains(name, "transmission") || strings.Contains(name, "request") || strings.Contains(name, "payload") || strings.Contains(name, "reply's data")
					if leaves || serving { // a transmission may rest for as long as it likes
						c.Close()
					}
					_ = verdict()
					if d := time.Since(begin); d > 31*time.Second || leaves && d > 0 {
						t.Errorf("the session lived for %v", d)
					}
				})
			})
		}
	}
}

func TestServeFails(t *testing.T) {
	l := newPipes()
	l.Close()
	if err := testServer(nil).Serve(t.Context(), l); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Serve: %v", err)
	}
}

// One bad client is nothing to the others.
func TestServeManySessions(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	srv := testServer(pattern(10_000))
	srv.TLS = serverTLS(serverCert())
	var lines bytes.Buffer
	srv.Log = slog.New(slog.NewTextHandler(&lines, nil))
	l, ended := newPipes(), make(chan error)
	go func() { ended <- srv.Serve(ctx, l) }()
	var group sync.WaitGroup
	for i := range 10 {
		group.Go(func() {
			c := l.dial()
			if i%2 == 0 {
				expect(t, c, greeting(3))
				send(t, c, []byte("nonsense")[:4])
				c.Close()
				return
			}
			if err := session(t.Context(), c, trusting(), func() {}); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	log := lines.String()
	if strings.Count(log, "nbd session ended") != 10 || strings.Count(log, "export=vda tls=true") != 5 {
		t.Errorf("the log says:\n%s", log)
	}
}

// ServeConn with a handshake that fails says so.
func TestServerTLSFails(t *testing.T) {
	srv := testServer(nil)
	srv.TLS = mutualTLS()
	c, verdict := serve(t, srv)
	c = slack(t, c)
	knock(t, c, optionRequest(optStartTLS, nil), optionReply(optStartTLS, repAck, nil))
	session := tls.Client(c, &tls.Config{RootCAs: ours().pool(), ServerName: serverName})
	_ = session.Handshake()
	_, _ = session.Read(make([]byte, 1))
	c.Close()
	if err := verdict(); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("verdict: %v", err)
	}
}

// short is a listener of a process that is out of descriptors for a while.
type short struct {
	*pipes
	failures int
}

func (s *short) Accept() (net.Conn, error) {
	if s.failures > 0 {
		s.failures--
		return nil, &net.OpError{Op: "accept", Err: syscall.EMFILE}
	}
	return s.pipes.Accept()
}

// Too many connections for the process are no reason to end those that are
// served, nor one to spin, nor to miss the end.
func TestServeOutlastsAShortage(t *testing.T) {
	for _, failures := range []int{20, 1 << 30} {
		inBubble(t, func(t *testing.T, wait func()) {
			ctx, cancel := context.WithCancel(t.Context())
			l, ended := &short{newPipes(), failures}, make(chan error, 1)
			go func() { ended <- testServer(nil).Serve(ctx, l) }()
			if failures == 20 {
				near, far := net.Pipe()
				select {
				case l.conns <- far:
					expect(t, near, greeting(3))
				case err := <-ended:
					t.Fatalf("Serve: %v", err)
				}
				near.Close()
			}
			time.Sleep(time.Minute)
			cancel()
			if err := <-ended; err != nil {
				t.Errorf("Serve: %v", err)
			}
			if left := l.failures; failures != 20 && failures-left > 10_000 {
				t.Errorf("%d attempts in a minute", failures-left)
			}
		})
	}
}
