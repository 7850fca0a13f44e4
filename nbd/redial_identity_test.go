package nbd_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"nbdbridge/nbd"
)

// greetTLS goes through STARTTLS with the certificate.
func greetTLS(cert tls.Certificate) func(*liar) {
	return func(l *liar) {
		l.greet()
		l.startTLS(serverTLS(cert))
	}
}

// greetRefusing goes through the greeting and refuses STARTTLS.
func greetRefusing(l *liar) {
	l.greet()
	opt, _ := l.option()
	l.send(optionReply(opt, errUnsup, nil))
}

// A connection that leads elsewhere ends the disk, and nothing is sent to it.
func TestRedialIdentity(t *testing.T) {
	secure := nbd.Config{TLSMode: nbd.TLSPrefer, TLS: trusting().TLS}
	for _, c := range []struct {
		what   string
		cfg    nbd.Config
		before func(l *liar) // of the first connection
		change func(v *volatile)
	}{
		{"size", *plain(), nil, func(v *volatile) { v.offer.size += 512 }},
		{"flags", *plain(), nil, func(v *volatile) { v.offer.flags ^= sendTrim }},
		{"flags", *plain(), nil, func(v *volatile) { v.offer.flags ^= 2 }},
		{"block sizes", *plain(), nil, func(v *volatile) { v.offer.block = infoBlock(512, 8192, 1<<20) }},
		{"block sizes", *plain(), nil, func(v *volatile) { v.offer.block = infoBlock(1024, 4096, 1<<20) }},
		{"name", *plain(), nil, func(v *volatile) {
			v.greet = func(l *liar) {
				l.greet()
				l.open3(v.offer, "y")
			}
		}},
		{"framing", *plain(), nil, func(v *volatile) { v.offer.structured = true }},
		{"TLS", secure, greetTLS(serverCert()), func(v *volatile) { v.greet = greetRefusing }},
		{"TLS", secure, greetRefusing, func(v *volatile) { v.greet = greetTLS(serverCert()) }},
		{"server key", secure, greetTLS(serverCert()), func(v *volatile) { v.greet = greetTLS(ours().issue(nil)) }},
		{"metadata contexts", nbd.Config{TLSMode: nbd.TLSOff, Framing: nbd.FramingStructured, MetaContexts: []string{"base:allocation"}}, greetMeta(""),
			func(v *volatile) { v.greet = greetMeta("base:allocation") }},
	} {
		t.Run(c.what, func(t *testing.T) {
			lasting(t, 4096, func(t *testing.T, ctx context.Context, v *volatile) {
				cfg := v.config()
				cfg.Config = c.cfg
				v.greet, v.chunks = c.before, c.what == "metadata contexts"
				disk := v.open(cfg)
				v.cut()
				time.Sleep(time.Minute) // the same again is no change
				works(t, ctx, disk)
				write(t, ctx, disk, pattern(512), 0, 0)
				sent, dials := len(v.calls), v.dials
				c.change(v)
				v.cut()
				err := disk.Read(ctx, make([]byte, 1), 0)
				var changed *nbd.IdentityError
				if !errors.As(err, &changed) || changed.What != c.what || changed.Was == changed.Is || changed.Export != "x" {
					t.Fatalf("Read: %v", err)
				}
				if err := disk.Flush(ctx); !errors.Is(err, nbd.ErrUnflushed) || !errors.As(err, &changed) {
					t.Errorf("Flush: %v", err)
				}
				if cause := disk.Wait(); !errors.Is(err, cause) || v.dials != dials+1 || len(v.calls) != sent {
					t.Errorf("Wait: %v, %d more dials, %d more requests", cause, v.dials-dials, len(v.calls)-sent)
				}
				if last := v.events[len(v.events)-1]; last.Kind != nbd.EventEnded {
					t.Errorf("the last event is %v", last)
				}
			})
		})
	}
}

// greetMeta turns structured replies on and selects the context, or none.
func greetMeta(name string) func(*liar) {
	return func(l *liar) {
		l.greet()
		l.option()
		l.send(optionReply(optStructured, repAck, nil))
		l.option()
		if name != "" {
			l.send(optionReply(optSetMeta, 4, cat(u32(1), []byte(name))))
		}
		l.send(optionReply(optSetMeta, repAck, nil))
	}
}

// open3 acknowledges GO under another name, and serves nobody.
func (l *liar) open3(o offer, name string) {
	for {
		opt, _ := l.option()
		if opt != optGo {
			l.send(optionReply(opt, errUnsup, nil))
			continue
		}
		l.send(optionReply(opt, repInfo, infoExport(o.size, o.flags)),
			optionReply(opt, repInfo, o.block),
			optionReply(opt, repInfo, cat(u16(1), []byte(name))),
			optionReply(opt, repAck, nil))
		l.request() // DISC
		panic(gone{})
	}
}

// What ends the disk at the first attempt, and what any network may do.
func TestRedialFinalOrNot(t *testing.T) {
	refuse := func(opt, typ uint32) func(*liar) {
		return func(l *liar) {
			l.greet()
			for {
				got, _ := l.option()
				if got == opt {
					l.send(optionReply(got, typ, nil))
					_, _ = io.Copy(io.Discard, l.conn)
					panic(gone{})
				}
				l.send(optionReply(got, errUnsup, nil))
			}
		}
	}
	hang := func(l *liar) { panic(gone{}) }
	tlsThen := func(then func(*liar)) func(*liar) {
		return func(l *liar) {
			greetTLS(serverCert())(l)
			then(l)
		}
	}
	pinned := nbd.Config{TLS: nbd.TLSConfig{Pins: []nbd.Pin{nbd.PinOf(serverCert().Leaf)}}}
	for _, c := range []struct {
		name   string
		secure nbd.Config
		second func(*liar)
		final  bool
		is     func(error) bool
	}{
		{"hangs up", *plain(), hang, false, nil},
		{"half a greeting", *plain(), func(l *liar) { l.send(greeting(3)[:9]); hang(l) }, false, nil},
		{"hangs up on options", *plain(), func(l *liar) { l.greet(); l.option(); hang(l) }, false, nil},
		{"shuts down", *plain(), refuse(optGo, errShutdown), false, nil},
		{"a cut in the TLS handshake", *trusting(), func(l *liar) {
			l.greet()
			l.option()
			l.send(optionReply(optStartTLS, repAck, nil))
			l.recv(9)
			hang(l)
		}, false, nil},
		{"a cut after the TLS handshake", *trusting(), tlsThen(func(l *liar) { l.option(); hang(l) }), false, nil},
		{"shuts down at STARTTLS", *trusting(), refuse(optStartTLS, errShutdown), false, nil},
		{"the network goes", *plain(), func(l *liar) { l.raw.Conn.Close(); hang(l) }, false, nil},

		{"no such export", *plain(), refuse(optGo, errUnknown), true, is[*nbd.OptionError]},
		{"not allowed", *plain(), refuse(optGo, errPolicy), true, is[*nbd.OptionError]},
		{"another protocol", *plain(), func(l *liar) { l.send([]byte("SSH-2.0-")); hang(l) }, true, is[*nbd.ProtocolError]},
		{"refuses STARTTLS", *trusting(), refuse(optStartTLS, errUnsup), true, func(err error) bool { return errors.Is(err, nbd.ErrDowngrade) }},
		{"offers no options", *trusting(), func(l *liar) { l.send(greeting(0)); hang(l) }, true, func(err error) bool { return errors.Is(err, nbd.ErrDowngrade) }},
		{"plain text after STARTTLS", *trusting(), func(l *liar) {
			l.greet()
			l.option()
			l.send(optionReply(optStartTLS, repAck, nil))
			l.recv(9)
			l.send([]byte("IHAVEOPT"))
			hang(l)
		}, true, is[*nbd.ProtocolError]},
		{"a stranger's certificate", *trusting(), greetTLS(stranger().issue(nil)), true, is[*tls.CertificateVerificationError]},
		{"an expired certificate", *trusting(), greetTLS(ours().issue(func(c *x509.Certificate) { c.NotAfter = c.NotBefore.Add(1) })), true, is[*tls.CertificateVerificationError]},
		{"another key", pinned, greetTLS(ours().issue(nil)), true, is[*nbd.PinError]},
	} {
		t.Run(c.name, func(t *testing.T) {
			lasting(t, 4096, func(t *testing.T, ctx context.Context, v *volatile) {
				honest := (*liar).greet
				if c.secure.TLSMode == nbd.TLSRequire {
					honest = greetTLS(serverCert())
				}
				v.greet = func(l *liar) {
					switch v.dials {
					case 2:
						c.second(l)
					default:
						honest(l)
					}
				}
				cfg := v.config()
				cfg.Config = c.secure
				disk, err := nbd.Redial(ctx, func(ctx context.Context) (net.Conn, error) {
					conn, err := v.dial(ctx)
					return slack(t, conn), err
				}, cfg, "x")
				if err != nil {
					t.Fatal(err)
				}
				defer disk.Close()
				v.cut()
				err = disk.Read(ctx, make([]byte, 1), 0)
				if (err != nil) != c.final || c.final && !c.is(err) {
					t.Errorf("Read: %v", err)
				}
				if want := map[bool]int{true: 2, false: 3}[c.final]; v.dials != want {
					t.Errorf("%d dials, want %d", v.dials, want)
				}
			})
		})
	}
}

func is[E error](err error) bool {
	var e E
	return errors.As(err, &e)
}

// The first connection is not retried, whatever fails.
func TestRedialFirst(t *testing.T) {
	lasting(t, 4096, func(t *testing.T, ctx context.Context, v *volatile) {
		for i, spoil := range []func(cfg *nbd.RedialConfig){
			func(*nbd.RedialConfig) { v.down() },
			func(*nbd.RedialConfig) { v.onDial = nil; v.greet = func(*liar) { panic(gone{}) } },
			func(cfg *nbd.RedialConfig) { v.greet = nil; cfg.TLSMode = nbd.TLSRequire },
		} {
			cfg := v.config()
			spoil(cfg)
			if _, err := nbd.Redial(ctx, v.dial, cfg, "x"); err == nil || v.dials != i+1 {
				t.Errorf("Redial: %v, %d dials", err, v.dials)
			}
		}
		if len(v.events) != 0 {
			t.Errorf("events %v", v.kinds())
		}
	})
}
