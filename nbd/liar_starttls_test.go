package nbd_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"

	"nbdbridge/nbd"
)

func preferring() *nbd.Config {
	cfg := trusting()
	cfg.TLSMode = nbd.TLSPrefer
	return cfg
}

// inClear is all that may ever be seen of a client that requires TLS.
var inClear = cat(u32(3), optionRequest(optStartTLS, nil), optionRequest(optAbort, nil))

// Every error to STARTTLS, under each policy.
func TestStartTLSRefused(t *testing.T) {
	for _, typ := range []uint32{errUnsup, errPolicy, errInvalid, errPlatform, errTLSReqd, errUnknown, errBlockSize, errTooBig, 0x800000ff} {
		play := func(l *liar) {
			l.greet()
			for {
				switch opt, _ := l.option(); opt {
				case optStartTLS:
					l.send(optionReply(opt, typ, []byte("no")))
				default:
					l.send(optionReply(opt, repAck, nil))
				}
			}
		}
		t.Run(fmt.Sprintf("require/%#x", typ), func(t *testing.T) {
			sent := against(t, play, func(t *testing.T, ctx context.Context, c net.Conn) {
				defer promptly(t)()
				var refused *nbd.OptionError
				_, err := nbd.NewClient(ctx, c, trusting())
				if !errors.Is(err, nbd.ErrDowngrade) || !errors.Is(err, nbd.ErrTLSRefused) || !errors.As(err, &refused) || refused.Reply != nbd.ReplyType(typ) {
					t.Errorf("error: %v", err)
				}
			})
			if !bytes.Equal(sent, inClear) {
				t.Errorf("in clear: %q", sent)
			}
		})
		t.Run(fmt.Sprintf("prefer/%#x", typ), func(t *testing.T) {
			against(t, play, func(t *testing.T, ctx context.Context, c net.Conn) {
				defer promptly(t)()
				client, err := nbd.NewClient(ctx, c, preferring())
				if typ == errTLSReqd { // nonsense: a server that demands TLS refuses it
					if broken := (*nbd.ProtocolError)(nil); !errors.As(err, &broken) {
						t.Errorf("error: %v", err)
					}
					return
				}
				if err != nil {
					t.Fatal(err)
				}
				if _, err := client.List(ctx); err != nil || client.TLS() != nil {
					t.Errorf("in plain text: %v", err)
				}
			})
		})
	}
	sent := against(t, func(l *liar) { l.greet(); tellOne(optList, optionReply(optList, errTLSReqd, nil))(l) },
		func(t *testing.T, ctx context.Context, c net.Conn) {
			if _, err := nbd.NewClient(ctx, c, plain()); err != nil {
				t.Error(err)
			}
		})
	if !bytes.Equal(sent, u32(3)) {
		t.Errorf("off: %q", sent)
	}
}

// A server that shuts down is left softly, and is no downgrade.
func TestStartTLSShutdown(t *testing.T) {
	for _, cfg := range []*nbd.Config{trusting(), preferring()} {
		sent := against(t, func(l *liar) {
			l.greet()
			l.option()
			l.send(optionReply(optStartTLS, errShutdown, nil))
			l.option()
		}, func(t *testing.T, ctx context.Context, c net.Conn) {
			_, err := nbd.NewClient(ctx, c, cfg)
			if refused := (*nbd.OptionError)(nil); !errors.As(err, &refused) || errors.Is(err, nbd.ErrDowngrade) {
				t.Errorf("error: %v", err)
			}
		})
		if !bytes.Equal(sent, inClear) {
			t.Errorf("in clear: %q", sent)
		}
	}
}

// A server that answers nothing after its refusal does not hide the refusal.
func TestStartTLSRefusedThenSilence(t *testing.T) {
	against(t, func(l *liar) {
		l.greet()
		l.option()
		l.send(optionReply(optStartTLS, errPolicy, nil))
	}, func(t *testing.T, ctx context.Context, c net.Conn) {
		if _, err := nbd.NewClient(ctx, c, trusting()); !errors.Is(err, nbd.ErrTLSRefused) {
			t.Errorf("error: %v", err)
		}
	})
}

// What is neither a proper refusal nor a proper acknowledgement is fatal under
// both policies, and brings nothing but STARTTLS into the open.
func TestStartTLSLies(t *testing.T) {
	ack := optionReply(optStartTLS, repAck, nil)
	clearOptions := cat(optionReply(optStructured, repAck, nil), optionReply(optGo, repInfo, infoExport(1, 1)), optionReply(optGo, repAck, nil))
	for name, answer := range map[string][]byte{
		"ACK with data":                   optionReply(optStartTLS, repAck, []byte{0}),
		"ACK of 4 GiB":                    claim(optStartTLS, repAck, 0xffffffff),
		"ACK of another option":           optionReply(optList, repAck, nil),
		"SERVER":                          optionReply(optStartTLS, repServer, serverEntry("a", "")),
		"INFO":                            optionReply(optStartTLS, repInfo, infoExport(1, 1)),
		"META_CONTEXT":                    optionReply(optStartTLS, 4, make([]byte, 5)),
		"unknown":                         optionReply(optStartTLS, 9, nil),
		"error text too long":             claim(optStartTLS, errUnsup, 4097),
		"replies injected behind the ACK": cat(ack, clearOptions),
		"one byte injected":               cat(ack, []byte{0}, make([]byte, 4)),
		"HTTP behind the ACK":             cat(ack, []byte("HTTP/1.1 200 OK\r\n\r\n")),
	} {
		for _, cfg := range []*nbd.Config{trusting(), preferring()} {
			t.Run(name+"/"+cfg.TLSMode.String(), func(t *testing.T) {
				sent := against(t, func(l *liar) {
					l.greet()
					l.option()
					go drain(l)
					l.send(answer)
				}, func(t *testing.T, ctx context.Context, c net.Conn) {
					defer promptly(t)()
					_, err := nbd.NewClient(ctx, c, cfg)
					if broken := (*nbd.ProtocolError)(nil); !errors.As(err, &broken) {
						t.Errorf("error: %v", err)
					}
				})
				if rest, ok := bytes.CutPrefix(sent, inClear[:20]); !ok || !onlyTLS(rest) {
					t.Errorf("in clear: %q", sent)
				}
			})
		}
	}
}

func drain(l *liar) {
	b := make([]byte, 4096)
	for {
		if _, err := l.raw.Read(b); err != nil {
			return
		}
	}
}

// onlyTLS tells whether b is whole TLS records and nothing else.
func onlyTLS(b []byte) bool {
	for len(b) > 0 {
		if len(b) < 5 || !slices.Contains([]byte{20, 21, 22, 23}, b[0]) || b[1] != 3 {
			return false
		}
		n := 5 + int(b[3])<<8 + int(b[4])
		if len(b) < n {
			return false
		}
		b = b[n:]
	}
	return true
}

// Through a whole session nothing but the client flags, STARTTLS and TLS
// records is ever in the clear, and no plaintext of the session.
func TestNothingInClear(t *testing.T) {
	srv := testServer(pattern(5000))
	srv.TLS = serverTLS(serverCert())
	c, _ := serve(t, srv)
	rec := &recorder{Conn: c}
	disk := openDisk(t, rec, trusting(), "vda")
	secret := []byte("sixteen letters.")
	if err := disk.Write(t.Context(), secret, 100, 0); err != nil {
		t.Fatal(err)
	}
	if err := disk.Close(); err != nil {
		t.Fatal(err)
	}
	_ = disk.Wait()
	if rest, ok := bytes.CutPrefix(rec.wrote, inClear[:20]); !ok || !onlyTLS(rest) || bytes.Contains(rest, secret) {
		t.Error("something but TLS was sent")
	}
}

// TLS_REQD inside TLS, and state that survived STARTTLS, are attacks.
func TestLiesInsideTLS(t *testing.T) {
	for _, c := range []struct {
		name      string
		opt       uint32
		reply     []byte
		downgrade bool
		text      string
	}{
		{"TLS_REQD to LIST", optList, optionReply(optList, errTLSReqd, nil), false, "although TLS is on"},
		{"TLS_REQD to INFO", optInfo, optionReply(optInfo, errTLSReqd, nil), false, "although TLS is on"},
		{"TLS_REQD to STRUCTURED_REPLY", optStructured, optionReply(optStructured, errTLSReqd, nil), false, "although TLS is on"},
		{"TLS_REQD to EXTENDED_HEADERS", optExtended, optionReply(optExtended, errTLSReqd, nil), false, "although TLS is on"},
		{"TLS_REQD to GO", optGo, optionReply(optGo, errTLSReqd, nil), false, "although TLS is on"},
		{"INVALID to the first STRUCTURED_REPLY", optStructured, optionReply(optStructured, errInvalid, nil), true, "state from before TLS"},
		{"INVALID to the first EXTENDED_HEADERS", optExtended, optionReply(optExtended, errInvalid, nil), true, "state from before TLS"},
		{"EXT_HEADER_REQD to the first STRUCTURED_REPLY", optStructured, optionReply(optStructured, errExtHeaders, nil), true, "state from before TLS"},
		{"SERVER of 2 GiB", optList, claim(optList, repServer, 1<<31), false, "2147483648"},
	} {
		t.Run(c.name, func(t *testing.T) {
			against(t, func(l *liar) {
				l.greet()
				l.startTLS(serverTLS(serverCert()))
				honestUntil(l, c.opt)
				l.send(c.reply)
			}, func(t *testing.T, ctx context.Context, conn net.Conn) {
				defer promptly(t)()
				err := negotiate(ctx, conn, trusting())
				if errors.Is(err, nbd.ErrDowngrade) != c.downgrade || !strings.Contains(err.Error(), c.text) {
					t.Errorf("error: %v", err)
				}
				if _, err := conn.Write([]byte{0}); err == nil {
					t.Error("the connection is still open")
				}
			})
		})
	}
}

// honestUntil answers LIST and INFO until opt has been asked.
func honestUntil(l *liar, opt uint32) {
	for {
		switch got, _ := l.option(); got {
		case opt:
			return
		case optInfo:
			l.send(optionReply(optInfo, repInfo, infoExport(1, 1)), optionReply(optInfo, repAck, nil))
		case optExtended:
			l.send(optionReply(got, errUnsup, nil))
		default:
			l.send(optionReply(got, repAck, nil))
		}
	}
}

// Leaving a server that shuts down ends TLS before the connection: ABORT, and
// then close_notify.
func TestShutdownEndsTLS(t *testing.T) {
	mark := 0
	sent := against(t, func(l *liar) {
		l.greet()
		l.startTLS(serverTLS(serverCert()))
		l.option()
		l.send(optionReply(optList, errShutdown, nil))
		l.option()
		l.raw.mu.Lock()
		mark = len(l.raw.gotten)
		l.raw.mu.Unlock()
		l.send(optionReply(optAbort, repAck, nil))
	}, func(t *testing.T, ctx context.Context, conn net.Conn) {
		if err := negotiate(ctx, conn, trusting()); err == nil {
			t.Error("no error")
		}
	})
	if len(sent) == mark {
		t.Error("the connection was closed without close_notify")
	}
}
