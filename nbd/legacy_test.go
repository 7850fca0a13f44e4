package nbd_test

import (
	"bytes"
	"context"
	"errors"
	"math"
	"net"
	"strings"
	"testing"

	"nbdbridge/nbd"
)

func legacy() *nbd.Config {
	cfg := plain()
	cfg.Legacy = true
	return cfg
}

// oldstyle is the greeting of a server before nbd 2.9.17.
func oldstyle(size uint64, flags uint16) []byte {
	return cat([]byte("NBDMAGIC"), u64(0x0000420281861253), u64(size), u16(0), u16(flags), make([]byte, 124))
}

func readOne(l *liar) {
	c := l.request()
	l.send(simple(0, c.cookie, fill(int(c.length))...))
	l.request() // DISC
}

// Each kind of old server, what the client sends it before the first request,
// and the names by which it can be opened.
func TestLegacyServers(t *testing.T) {
	exportName := func(answer []byte) func(l *liar) {
		return func(l *liar) {
			l.option()
			l.send(answer)
			readOne(l)
		}
	}
	for _, c := range []struct {
		name     string
		greeting []byte
		play     func(l *liar)
		export   string
		sent     []byte
	}{
		{"oldstyle", oldstyle(4096, 5), readOne, "", nil},
		{"newstyle", greeting(0), exportName(cat(u64(4096), u16(5), make([]byte, 124))), "a", cat(u32(0), optionRequest(optExportName, []byte("a")))},
		{"newstyle without zeroes", greeting(2), exportName(cat(u64(4096), u16(5))), "", cat(u32(2), optionRequest(optExportName, nil))},
		{"fixed newstyle without GO", greeting(3), func(l *liar) {
			for opt := uint32(0); opt != optGo; {
				opt, _ = l.option()
				l.send(optionReply(opt, errUnsup, nil))
			}
			exportName(cat(u64(4096), u16(5)))(l)
		}, "a", cat(u32(3), optionRequest(optExtended, nil), optionRequest(optStructured, nil), optionRequest(optGo, exportRequest("a", 1, 2, 3)), optionRequest(optExportName, []byte("a")))},
	} {
		t.Run(c.name, func(t *testing.T) {
			sent := against(t, func(l *liar) {
				l.send(c.greeting)
				if c.sent != nil {
					l.recv(4)
				}
				c.play(l)
			}, func(t *testing.T, ctx context.Context, conn net.Conn) {
				defer promptly(t)()
				disk := openDisk(t, conn, legacy(), c.export)
				p := make([]byte, 7)
				if err := disk.Read(ctx, p, 9); err != nil || !bytes.Equal(p, fill(7)) {
					t.Error(err)
				}
				if i := disk.Info(); i.Size != 4096 || i.Name != c.export || i.Flags != 5 || i.BlockSize.MaximumPayload != 32<<20 {
					t.Errorf("%+v", i)
				}
				if err := disk.Close(); err != nil {
					t.Error(err)
				}
			})
			if before, _, _ := bytes.Cut(sent, u32(0x25609513)); !bytes.Equal(before, c.sent) {
				t.Errorf("sent %q", before)
			}
		})
	}
}

// An old server can't list, nor be asked; an oldstyle one has no names.
func TestLegacyLimits(t *testing.T) {
	for name, hello := range map[string][]byte{"oldstyle": oldstyle(4096, 5), "newstyle": greeting(0)} {
		against(t, func(l *liar) { l.send(hello) }, func(t *testing.T, ctx context.Context, conn net.Conn) {
			defer promptly(t)()
			client, err := nbd.NewClient(ctx, conn, legacy())
			if err != nil {
				t.Fatal(err)
			}
			var refused *nbd.OptionError
			if _, err := client.List(ctx); !errors.As(err, &refused) || refused.Reply != nbd.RepErrUnsup {
				t.Errorf("%s: List: %v", name, err)
			}
			if _, err := client.Info(ctx, "a"); !errors.As(err, &refused) || refused.Export != "a" {
				t.Errorf("%s: Info: %v", name, err)
			}
			if _, err := client.ListMetaContexts(ctx, "a"); !errors.As(err, &refused) {
				t.Errorf("%s: ListMetaContexts: %v", name, err)
			}
			if name == "oldstyle" {
				if _, err := client.Open(ctx, "a"); !errors.As(err, &refused) || refused.Reply != nbd.RepErrUnknown {
					t.Errorf("%s: Open: %v", name, err)
				}
			}
			if err := client.Abort(ctx); err != nil {
				t.Errorf("%s: Abort: %v", name, err)
			}
		})
	}
}

func TestLegacyLies(t *testing.T) {
	for name, c := range map[string]struct {
		hello, answer []byte
		text          string
	}{
		"oldstyle, 2^63 bytes":    {oldstyle(1<<63, 1), nil, "9223372036854775808"},
		"oldstyle, cut":           {oldstyle(1, 1)[:100], nil, "closed"},
		"EXPORT_NAME, 2^64-1":     {greeting(2), cat(u64(math.MaxUint64), u16(1)), "18446744073709551615"},
		"EXPORT_NAME, no answer":  {greeting(2), nil, "just hangs up"},
		"EXPORT_NAME, cut zeroes": {greeting(0), cat(u64(1), u16(1), make([]byte, 123)), "just hangs up"},
	} {
		t.Run(name, func(t *testing.T) {
			against(t, func(l *liar) {
				l.send(c.hello)
				if len(c.hello) == 18 {
					l.recv(4)
					l.option()
					l.send(c.answer)
				}
				panic(gone{})
			}, func(t *testing.T, ctx context.Context, conn net.Conn) {
				defer promptly(t)()
				client, err := nbd.NewClient(ctx, conn, legacy())
				if err == nil {
					_, err = client.Open(ctx, "")
				}
				if err == nil || !strings.Contains(err.Error(), c.text) {
					t.Error(err)
				}
			})
		})
	}
}

// Under TLS no old way is open: not by mistake in the configuration, and not
// where the server, inside TLS, says that it knows no GO (attack A8).
func TestLegacyNeverUnderTLS(t *testing.T) {
	for _, mode := range []nbd.TLSMode{nbd.TLSRequire, nbd.TLSPrefer} {
		cfg := trusting()
		cfg.TLSMode, cfg.Legacy = mode, true
		if err := cfg.Validate(); err == nil || !strings.Contains(err.Error(), "legacy needs TLS off") {
			t.Errorf("%v: %v", mode, err)
		}
	}
	asked := []uint32{}
	against(t, func(l *liar) {
		l.greet()
		l.startTLS(serverTLS(serverCert()))
		for {
			opt, _ := l.option()
			asked = append(asked, opt)
			l.send(optionReply(opt, errUnsup, nil))
		}
	}, func(t *testing.T, ctx context.Context, conn net.Conn) {
		client, err := nbd.NewClient(ctx, conn, trusting())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := client.Open(ctx, "x"); err == nil {
			t.Error("opened")
		}
		client.Close()
	})
	for _, opt := range asked {
		if opt == optExportName {
			t.Error("EXPORT_NAME was sent inside TLS")
		}
	}
}
