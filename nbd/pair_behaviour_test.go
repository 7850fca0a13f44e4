package nbd_test

import (
	"bytes"
	"crypto/tls"
	"errors"
	"net"
	"slices"
	"testing"

	"nbdbridge/nbd"
)

// A security is one way of setting up both ends.
type security struct {
	name   string
	server func() *tls.Config
	client func() *nbd.Config
}

var securities = []security{
	{"plain", func() *tls.Config { return nil }, plain},
	{"TLS", func() *tls.Config { return serverTLS(serverCert()) }, trusting},
	{"TLS with client certificate", mutualTLS, func() *nbd.Config {
		cfg := trusting()
		cfg.TLS.Certificates = []tls.Certificate{clientCert()}
		return cfg
	}},
	{"prefer meets a server without TLS", func() *tls.Config { return nil }, func() *nbd.Config {
		cfg := trusting()
		cfg.TLSMode = nbd.TLSPrefer
		return cfg
	}},
	{"prefer meets a server with TLS", func() *tls.Config { return serverTLS(serverCert()) }, func() *nbd.Config {
		cfg := trusting()
		cfg.TLSMode = nbd.TLSPrefer
		return cfg
	}},
}

// Everything works however the bytes are cut, in the clear and inside TLS.
func TestPair(t *testing.T) {
	for _, how := range deliveries {
		for _, sec := range securities {
			t.Run(how.name+"/"+sec.name, func(t *testing.T) {
				disk := pattern(50_001)
				srv := testServer(disk)
				srv.TLS = sec.server()
				dial := func() net.Conn {
					c, _ := serve(t, srv)
					return &chopped{c, how.size}
				}
				t.Run("negotiation", func(t *testing.T) { negotiates(t, dial(), sec.client(), srv.TLS != nil) })
				t.Run("transmission", func(t *testing.T) { transmits(t, dial(), sec.client(), disk) })
				t.Run("read-only export", func(t *testing.T) { refusesWrites(t, dial(), sec.client()) })
			})
		}
	}
}

func negotiates(t *testing.T, c net.Conn, cfg *nbd.Config, secure bool) {
	ctx := t.Context()
	client, err := nbd.NewClient(ctx, c, cfg)
	if err != nil {
		t.Fatal(err)
	}
	if (client.TLS() != nil) != secure {
		t.Errorf("TLS() = %v", client.TLS())
	}
	entries, err := client.List(ctx)
	want := []nbd.ExportEntry{{Name: "vda", Description: "the first disk"}, {Name: "iso"}}
	if err != nil || !slices.Equal(entries, want) {
		t.Errorf("List = %v, %v", entries, err)
	}
	info, err := client.Info(ctx, "")
	if err != nil || info.Name != "vda" || info.Size != 50_001 || info.Description != "the first disk" || info.ReadOnly() {
		t.Errorf("Info of the default export = %+v, %v", info, err)
	}
	var refused *nbd.OptionError
	if _, err := client.Info(ctx, "nope"); !errors.As(err, &refused) || refused.Reply != nbd.RepErrUnknown || refused.Export != "nope" {
		t.Errorf("Info of an unknown export: %v", err)
	}
	if _, err := client.Open(ctx, "nope"); !errors.As(err, &refused) || refused.Option != nbd.OptGo {
		t.Errorf("Open of an unknown export: %v", err)
	}
	if info, err := client.Info(ctx, "iso"); err != nil || !info.ReadOnly() {
		t.Errorf("Info after a refused Open = %+v, %v", info, err)
	}
	if err := client.Abort(ctx); err != nil {
		t.Errorf("Abort: %v", err)
	}
	if _, err := client.List(ctx); !errors.Is(err, net.ErrClosed) {
		t.Errorf("List after Abort: %v", err)
	}
	if err := client.Abort(ctx); !errors.Is(err, net.ErrClosed) {
		t.Errorf("second Abort: %v", err)
	}
}

func transmits(t *testing.T, c net.Conn, cfg *nbd.Config, content []byte) {
	ctx, want := t.Context(), slices.Clone(content)
	disk := openDisk(t, c, cfg, "vda")
	for _, r := range [][2]int{{0, 1}, {0, 512}, {4095, 3}, {49_999, 2}, {50_000, 1}, {50_001, 0}, {7, 0}, {0, 50_001}} {
		got := bytes.Repeat([]byte{0xee}, r[1])
		if err := disk.Read(ctx, got, int64(r[0])); err != nil || !bytes.Equal(got, want[r[0]:r[0]+r[1]]) {
			t.Fatalf("read of %d at %d: wrong, %v", r[1], r[0], err)
		}
	}
	for i, w := range [][2]int{{0, 1}, {511, 1026}, {50_000, 1}, {3, 0}, {20_000, 20_000}} {
		data := bytes.Repeat([]byte{byte(0x40 + i)}, w[1])
		if err := disk.Write(ctx, data, int64(w[0]), nbd.Flags(i&1)); err != nil {
			t.Fatalf("write of %d at %d: %v", w[1], w[0], err)
		}
		copy(want[w[0]:], data)
	}
	if err := disk.Flush(ctx); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, len(want))
	if err := disk.Read(ctx, got, 0); err != nil || !bytes.Equal(got, want) {
		t.Fatalf("read after the writes: wrong, %v", err)
	}
	outOfRange(t, disk)
	if err := disk.Close(); err != nil {
		t.Error(err)
	}
	if err := disk.Wait(); err != nil {
		t.Errorf("Wait after Close: %v", err)
	}
	for name, err := range map[string]error{
		"read": disk.Read(ctx, got, 0), "write": disk.Write(ctx, got, 0, 0), "flush": disk.Flush(ctx),
	} {
		if !errors.Is(err, net.ErrClosed) {
			t.Errorf("%s after Close: %v", name, err)
		}
	}
	if !bytes.Equal(content, want) {
		t.Error("the device does not hold what was written")
	}
}

func outOfRange(t *testing.T, disk *nbd.Disk) {
	for _, r := range []struct {
		n   int
		off int64
	}{{1, 50_001}, {2, 50_000}, {1, -1}, {1, 1 << 62}, {2, 1<<63 - 2}, {0, 50_002}} {
		p := make([]byte, r.n)
		if err := disk.Read(t.Context(), p, r.off); !errors.Is(err, nbd.ErrOutOfRange) {
			t.Errorf("read of %d at %d: %v", r.n, r.off, err)
		}
		if err := disk.Write(t.Context(), p, r.off, 0); !errors.Is(err, nbd.ErrOutOfRange) {
			t.Errorf("write of %d at %d: %v", r.n, r.off, err)
		}
	}
	if err := disk.Write(t.Context(), []byte{1}, 0, 1<<3); !errors.Is(err, nbd.EINVAL) {
		t.Errorf("write with an unknown flag: %v", err)
	}
}

func refusesWrites(t *testing.T, c net.Conn, cfg *nbd.Config) {
	disk := openDisk(t, c, cfg, "iso")
	if !disk.ReadOnly() || !disk.Info().ReadOnly() {
		t.Error("the export is not known as read-only")
	}
	if err := disk.Write(t.Context(), []byte{1}, 0, 0); !errors.Is(err, nbd.ErrReadOnly) {
		t.Errorf("write: %v", err)
	}
	if err := disk.Flush(t.Context()); err != nil {
		t.Errorf("flush: %v", err)
	}
	got := make([]byte, 1000)
	if err := disk.Read(t.Context(), got, 0); err != nil || !bytes.Equal(got, pattern(1000)) {
		t.Errorf("read: %v", err)
	}
}

func TestConfigReadOnly(t *testing.T) {
	c, _ := serve(t, testServer(pattern(100)))
	cfg := plain()
	cfg.ReadOnly = true
	disk := openDisk(t, c, cfg, "vda")
	if err := disk.Write(t.Context(), []byte{1}, 0, 0); !errors.Is(err, nbd.ErrReadOnly) || !disk.ReadOnly() || disk.Info().ReadOnly() {
		t.Errorf("write: %v", err)
	}
}

func TestDeviceErrors(t *testing.T) {
	for _, c := range []struct {
		err  error
		want nbd.Errno
	}{{errBroken, nbd.EIO}, {nbd.ENOSPC, nbd.ENOSPC}, {nbd.EPERM, nbd.EPERM}, {nbd.Errno(0), nbd.EIO}, {nbd.Errno(7), nbd.EINVAL}} {
		conn, _ := serve(t, &nbd.Server{Exports: []nbd.Export{{Device: faulty{100, c.err}}}})
		disk := openDisk(t, conn, plain(), "")
		for op, err := range map[string]error{
			"read": disk.Read(t.Context(), make([]byte, 9), 5), "write": disk.Write(t.Context(), make([]byte, 9), 5, 0), "flush": disk.Flush(t.Context()),
		} {
			var failed *nbd.OpError
			if !errors.As(err, &failed) || !errors.Is(err, c.want) || failed.Op != op {
				t.Errorf("device says %v: %s: %v", c.err, op, err)
			}
		}
	}
}

// A client that was closed by the one who deferred it leaves the disk alone.
func TestCloseOfASpentClient(t *testing.T) {
	conn, _ := serve(t, testServer(make([]byte, 4096)))
	client, err := nbd.NewClient(t.Context(), conn, plain())
	if err != nil {
		t.Fatal(err)
	}
	disk, err := client.Open(t.Context(), "vda")
	if err != nil {
		t.Fatal(err)
	}
	defer disk.Close()
	if err := client.Close(); err != nil {
		t.Error(err)
	}
	if err := disk.Read(t.Context(), make([]byte, 1), 0); err != nil {
		t.Error(err)
	}
}
