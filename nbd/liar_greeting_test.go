package nbd_test

import (
	"bytes"
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"nbdbridge/nbd"
)

// Nothing is ever sent to a server whose greeting is not the one we want.
func TestGreetingLies(t *testing.T) {
	oldstyle := cat([]byte("NBDMAGIC"), u64(0x0000420281861253), u64(1<<20), u32(1), make([]byte, 124))
	for _, c := range []struct {
		name      string
		greeting  []byte
		downgrade bool // under require
		text      string
	}{
		{"HTTP", []byte("HTTP/1.1 400 Bad Request\r\n\r\n"), false, `"HTTP/1.1"`},
		{"SSH", []byte("SSH-2.0-OpenSSH_9.2\r\n"), false, `"SSH-2.0-"`},
		{"SMTP with control bytes", []byte("220 \x1b[2J\x00 ready"), false, "no NBD server"},
		{"oldstyle", oldstyle, true, "oldstyle"},
		{"not fixed", greeting(2), true, "fixed newstyle"},
		{"no flags", greeting(0), true, "fixed newstyle"},
		{"nonsense after NBDMAGIC", cat([]byte("NBDMAGIC"), u64(0xdeadbeef), u16(3)), false, "0xdeadbeef"},
	} {
		for _, cfg := range []*nbd.Config{plain(), trusting()} {
			t.Run(c.name+"/"+cfg.TLSMode.String(), func(t *testing.T) {
				sent := against(t, func(l *liar) { l.send(c.greeting) }, func(t *testing.T, ctx context.Context, conn net.Conn) {
					defer promptly(t)()
					_, err := nbd.NewClient(ctx, conn, cfg)
					if err == nil || !strings.Contains(err.Error(), c.text) {
						t.Errorf("error: %v", err)
					}
					wantDowngrade := c.downgrade && cfg.TLSMode == nbd.TLSRequire
					if errors.Is(err, nbd.ErrDowngrade) != wantDowngrade {
						t.Errorf("downgrade or not: %v", err)
					}
					if broken := (*nbd.ProtocolError)(nil); !wantDowngrade && !errors.As(err, &broken) {
						t.Errorf("no protocol error: %v", err)
					}
					if strings.ContainsAny(err.Error(), "\x1b\x00") {
						t.Errorf("control bytes in %q", err)
					}
				})
				if len(sent) != 0 {
					t.Errorf("the client sent %x", sent)
				}
			})
		}
	}
}

// The client echoes only the flags that it knows and that were offered.
func TestClientFlags(t *testing.T) {
	for offered, want := range map[uint16]uint32{1: 1, 3: 3, 0xffff: 3, 0x8005: 1} {
		sent := against(t, func(l *liar) { l.send(greeting(offered)) }, func(t *testing.T, ctx context.Context, c net.Conn) {
			if _, err := nbd.NewClient(ctx, c, plain()); err != nil {
				t.Error(err)
			}
		})
		if !bytes.Equal(sent, u32(want)) {
			t.Errorf("flags %#x were answered with %x", offered, sent)
		}
	}
}

// A silent server is given up after the time limit, and at once when the
// caller cancels.
func TestSilentServer(t *testing.T) {
	for name, play := range map[string]func(*liar){
		"no greeting":            func(*liar) {},
		"short greeting":         func(l *liar) { l.send(greeting(3)[:17]) },
		"no answer to LIST":      func(l *liar) { l.greet() },
		"half a reply":           func(l *liar) { l.greet(); l.option(); l.send(optionReply(optList, repAck, nil)[:19]) },
		"reply without its data": func(l *liar) { l.greet(); l.option(); l.send(claim(optList, repServer, 100)) },
		"a list without an end":  func(l *liar) { l.greet(); l.option(); l.send(optionReply(optList, repServer, serverEntry("a", ""))) },
	} {
		t.Run(name, func(t *testing.T) {
			against(t, play, func(t *testing.T, ctx context.Context, c net.Conn) {
				begin := time.Now()
				err := negotiate(ctx, c, plain())
				if d := time.Since(begin); !errors.Is(err, nbd.ErrHandshakeTimeout) || d != nbd.DefaultHandshakeTimeout {
					t.Errorf("after %v: %v", d, err)
				}
			})
			against(t, play, func(t *testing.T, ctx context.Context, c net.Conn) {
				ctx, cancel := context.WithCancelCause(ctx)
				time.AfterFunc(time.Second, func() { cancel(errBroken) })
				begin := time.Now()
				err := negotiate(ctx, c, plain())
				if d := time.Since(begin); !errors.Is(err, errBroken) || d != time.Second {
					t.Errorf("cancelled after %v: %v", d, err)
				}
			})
		})
	}
}

// Between two options a connection may rest for as long as the user thinks.
func TestNoTimeoutBetweenOptions(t *testing.T) {
	c, _ := serve(t, testServer(nil))
	cfg := plain()
	cfg.HandshakeTimeout = 50 * time.Millisecond
	client, err := nbd.NewClient(t.Context(), c, cfg)
	if err != nil {
		t.Fatal(err)
	}
	time.Sleep(2 * cfg.HandshakeTimeout) // the limit has to pass: there is no other condition to wait for
	if _, err := client.List(t.Context()); err != nil {
		t.Error(err)
	}
}
