package interop

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"net"
	"os"
	"sync"
	"testing"
	"time"

	"nbdbridge/nbd"
)

// config is the client's configuration for a server under test.
func config(t *testing.T, p *pki) *nbd.Config {
	if p == nil {
		return &nbd.Config{TLSMode: nbd.TLSOff}
	}
	return &nbd.Config{TLS: nbd.TLSConfig{
		RootCAs: p.pool, ServerName: "localhost", Certificates: []tls.Certificate{p.clientPair(t)},
	}}
}

func dial(ctx context.Context, t *testing.T, s *target, cfg *nbd.Config) *nbd.Client {
	t.Helper()
	conn, err := new(net.Dialer).DialContext(ctx, s.network, s.addr)
	if err != nil {
		t.Fatal(err)
	}
	client, err := nbd.NewClient(ctx, conn, cfg)
	if err != nil {
		t.Fatal(err)
	}
	return client
}

func open(ctx context.Context, t *testing.T, s *target, cfg *nbd.Config) *nbd.Disk {
	t.Helper()
	disk, err := dial(ctx, t, s, cfg).Open(ctx, s.export)
	if err != nil {
		t.Fatal(err)
	}
	return disk
}

func testContext(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// ranges are odd ones, and the whole disk at once.
var ranges = []struct {
	off int64
	n   int
}{
	{0, 1}, {1, 7}, {511, 2}, {4095, 4097}, {1<<20 - 3, 5<<20 + 11}, {diskSize - 1, 1}, {0, diskSize},
}

func TestClientReadsAndWrites(t *testing.T) {
	eachServer(t, func(t *testing.T, s *target, p *pki) {
		ctx := testContext(t)
		disk := open(ctx, t, s, config(t, p))
		if got := disk.Info().Size; got != diskSize {
			t.Fatalf("size %d, want %d", got, diskSize)
		}
		if (disk.TLS() != nil) != (p != nil) {
			t.Fatalf("TLS facts: %v", disk.TLS())
		}
		for _, r := range ranges {
			got := bytes.Repeat([]byte{0xee}, r.n)
			if err := disk.Read(ctx, got, r.off); err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got, pattern(r.off, r.n)) {
				t.Fatalf("read of %d bytes at %d differs", r.n, r.off)
			}
		}
		writeAndCompare(ctx, t, disk, s.file)
	})
}

// writeAndCompare writes at odd places, some of it at once, and compares the
// server's file afterwards.
func writeAndCompare(ctx context.Context, t *testing.T, disk *nbd.Disk, file string) {
	t.Helper()
	want := pattern(0, diskSize)
	var work sync.WaitGroup
	for i, off := range []int64{3, 4097, 1<<20 - 1, 7<<20 + 5, diskSize - 1001} {
		data := bytes.Repeat([]byte{byte(0xa0 + i)}, 1000+i*300_000)
		data = data[:min(len(data), int(diskSize-off))]
		copy(want[off:], data)
		work.Go(func() {
			if err := disk.Write(ctx, data, off, nbd.FlagFUA); err != nil {
				t.Error(err)
			}
		})
		work.Wait() // the ranges overlap, so their order matters
	}
	if err := disk.Flush(ctx); err != nil {
		t.Error(err)
	}
	got := make([]byte, diskSize)
	if err := disk.Read(ctx, got, 0); err != nil {
		t.Error(err)
	}
	if err := disk.Close(); err != nil || disk.Wait() != nil {
		t.Errorf("close: %v, then %v", err, disk.Wait())
	}
	stored, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) || !bytes.Equal(stored, want) {
		t.Errorf("what was written differs: read back %t, stored %t", bytes.Equal(got, want), bytes.Equal(stored, want))
	}
}

func TestClientLists(t *testing.T) {
	eachServer(t, func(t *testing.T, s *target, p *pki) {
		ctx := testContext(t)
		client := dial(ctx, t, s, config(t, p))
		defer client.Close()
		entries, err := client.List(ctx)
		if err != nil || len(entries) != 1 || entries[0].Name != s.export {
			t.Fatalf("list: %v, %v", entries, err)
		}
		if err := client.Abort(ctx); err != nil {
			t.Fatal(err)
		}
	})
}

func TestClientPipelines(t *testing.T) {
	eachServer(t, func(t *testing.T, s *target, p *pki) {
		ctx := testContext(t)
		disk := open(ctx, t, s, config(t, p))
		defer disk.Close()
		var work sync.WaitGroup
		for i := range 400 {
			work.Go(func() {
				off, got := int64(i)*4096+int64(i), make([]byte, 4096)
				if err := disk.Read(ctx, got, off); err != nil || !bytes.Equal(got, pattern(off, 4096)) {
					t.Errorf("read at %d: %v", off, err)
				}
			})
		}
		work.Wait()
	})
}

func TestUnknownExport(t *testing.T) {
	for name, start := range map[string]func(*testing.T, *pki) *target{"qemu-nbd": startQemu, "nbd-server": startNbdServer} {
		t.Run(name, func(t *testing.T) {
			ctx := testContext(t)
			client := dial(ctx, t, start(t, nil), config(t, nil))
			defer client.Close()
			_, err := client.Open(ctx, "no such export")
			if refused := (*nbd.OptionError)(nil); !errors.As(err, &refused) || refused.Reply != nbd.RepErrUnknown {
				t.Fatalf("got %v", err)
			}
		})
	}
}

// TestTLSMismatch tries each policy against servers that don't fit it.
func TestTLSMismatch(t *testing.T) {
	p := newPKI(t)
	t.Run("require, server without TLS", func(t *testing.T) {
		eachPlain(t, func(t *testing.T, s *target) {
			if err := tryClient(t, s, config(t, p)); !errors.Is(err, nbd.ErrTLSRefused) || !errors.Is(err, nbd.ErrDowngrade) {
				t.Fatalf("got %v", err)
			}
		})
	})
	t.Run("no client certificate", func(t *testing.T) {
		cfg := config(t, p)
		cfg.TLS.Certificates = nil
		for _, start := range []func(*testing.T, *pki) *target{startNbdkit, startQemu, startNbdServer} {
			s := start(t, p)
			err := tryClient(t, s, cfg)
			if failed := (*nbd.TLSError)(nil); !errors.As(err, &failed) || !failed.CertificateRequested {
				t.Errorf("%s: got %v", s.name, err)
			}
		}
	})
	t.Run("wrong CA", func(t *testing.T) {
		if err := tryClient(t, startNbdkit(t, p), config(t, newPKI(t))); !errors.As(err, new(*nbd.TLSError)) {
			t.Fatalf("got %v", err)
		}
	})
	t.Run("off, server demands TLS", func(t *testing.T) {
		err := tryClient(t, startQemu(t, p), config(t, nil))
		if refused := (*nbd.OptionError)(nil); !errors.As(err, &refused) || refused.Reply != nbd.RepErrTLSReqd {
			t.Fatalf("got %v", err)
		}
	})
}

func eachPlain(t *testing.T, test func(t *testing.T, s *target)) {
	for name, start := range map[string]func(*testing.T, *pki) *target{"nbdkit": startNbdkit, "qemu-nbd": startQemu, "nbd-server": startNbdServer} {
		t.Run(name, func(t *testing.T) { test(t, start(t, nil)) })
	}
}

// tryClient goes as far as opening the export and returns the error.
func tryClient(t *testing.T, s *target, cfg *nbd.Config) error {
	t.Helper()
	ctx := testContext(t)
	conn, err := new(net.Dialer).DialContext(ctx, s.network, s.addr)
	if err != nil {
		t.Fatal(err)
	}
	client, err := nbd.NewClient(ctx, conn, cfg)
	if err != nil {
		return err
	}
	defer client.Close()
	disk, err := client.Open(ctx, s.export)
	if err != nil {
		return err
	}
	return disk.Close()
}
