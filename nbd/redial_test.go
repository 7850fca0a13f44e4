package nbd_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"nbdbridge/nbd"
)

// Whoever can use a Disk can use a LastingDisk.
type anyDisk interface {
	Info() *nbd.ExportInfo
	TLS() *tls.ConnectionState
	Framing() nbd.Framing
	ReadOnly() bool
	MetaContexts() []string
	Read(ctx context.Context, p []byte, off int64) error
	ReadUnfragmented(ctx context.Context, p []byte, off int64) error
	Write(ctx context.Context, p []byte, off int64, f nbd.Flags) error
	Flush(ctx context.Context) error
	Trim(ctx context.Context, off, length int64, f nbd.Flags) error
	WriteZeroes(ctx context.Context, off, length int64, f nbd.Flags) error
	Cache(ctx context.Context, off, length int64) error
	BlockStatus(ctx context.Context, off, length int64, f nbd.Flags, contexts ...string) (map[string][]nbd.Extent, error)
	At(context.Context) nbd.ReaderWriterAt
	Check(ctx context.Context, within time.Duration) error
	Wait() error
	Close() error
}

var _, _ anyDisk = (*nbd.Disk)(nil), (*nbd.LastingDisk)(nil)

// works tells that the disk serves a read.
func works(t *testing.T, ctx context.Context, disk *nbd.LastingDisk) {
	t.Helper()
	if err := disk.Read(ctx, make([]byte, 10), 3); err != nil {
		t.Errorf("Read: %v", err)
	}
}

func write(t *testing.T, ctx context.Context, disk *nbd.LastingDisk, p []byte, off int64, f nbd.Flags) {
	t.Helper()
	if err := disk.Write(ctx, p, off, f); err != nil {
		t.Errorf("Write of %d bytes at %d: %v", len(p), off, err)
	}
}

func flush(t *testing.T, ctx context.Context, disk *nbd.LastingDisk) {
	t.Helper()
	if err := disk.Flush(ctx); err != nil {
		t.Errorf("Flush: %v", err)
	}
}

// durable tells that the server would still have p after a crash.
func (v *volatile) isDurable(p []byte, off int) {
	v.t.Helper()
	v.mu.Lock()
	defer v.mu.Unlock()
	if !bytes.Equal(v.durable[off:off+len(p)], p) {
		v.t.Errorf("%d bytes at %d are not durable", len(p), off)
	}
}

// In what order things are told, and that a call outlasts the connection,
// whatever the way in which that ends, idle or with the call under way.
func TestRedialEveryLoss(t *testing.T) {
	for _, c := range []struct {
		name  string
		spoil func(v *volatile, cfg *nbd.RedialConfig)
	}{
		{"cut while idle", func(v *volatile, _ *nbd.RedialConfig) {}},
		{"hangs up", func(v *volatile, _ *nbd.RedialConfig) { v.once(hangUp) }},
		{"shuts down", func(v *volatile, _ *nbd.RedialConfig) { v.once(108) }},
		{"is silent", func(v *volatile, cfg *nbd.RedialConfig) { v.once(silence); cfg.RequestTimeout = time.Second }},
	} {
		t.Run(c.name, func(t *testing.T) {
			lasting(t, 4096, func(t *testing.T, ctx context.Context, v *volatile) {
				cfg := v.config()
				c.spoil(v, cfg)
				disk := v.open(cfg)
				if v.answer == nil {
					v.cut()
				}
				works(t, ctx, disk)
				works(t, ctx, disk)
				synctest.Wait()
				want := []nbd.EventKind{nbd.EventConnected, nbd.EventLost, nbd.EventRetrying, nbd.EventConnected}
				if got := v.kinds(); !slices.Equal(got, want) {
					t.Errorf("events %v, want %v", got, want)
				}
				for _, e := range v.events {
					if (e.Cause == nil) != (e.Kind == nbd.EventConnected) {
						t.Errorf("%v with cause %v", e.Kind, e.Cause)
					}
				}
			})
		})
	}
}

// once answers the first request badly.
func (v *volatile) once(errno int) {
	first := true
	v.answer = func(call) int {
		if !first {
			return 0
		}
		first = false
		return errno
	}
}

// A broken reply ends the connection, and not the disk.
func TestRedialAfterProtocolError(t *testing.T) {
	lasting(t, 4096, func(t *testing.T, ctx context.Context, v *volatile) {
		disk := v.open(v.config())
		v.conn.Write(simple(0, 4711)) // a cookie of nobody's
		works(t, ctx, disk)
		synctest.Wait()
		var broken *nbd.ProtocolError
		if cause := v.events[1].Cause; !errors.As(cause, &broken) {
			t.Errorf("lost by %v", cause)
		}
	})
}

// What can't be meant is refused at once, in an outage too.
func TestRedialRefusesAtOnce(t *testing.T) {
	lasting(t, 4096, func(t *testing.T, ctx context.Context, v *volatile) {
		disk := v.open(v.config())
		v.onDial = func(int) error { return errDial }
		v.cut()
		synctest.Wait()
		defer promptly(t)()
		var extents map[string][]nbd.Extent
		_, status := disk.BlockStatus(ctx, 0, 1, 0)
		for i, c := range []struct{ got, want error }{
			{disk.Read(ctx, make([]byte, 2), 4095), nbd.ErrOutOfRange},
			{disk.Write(ctx, make([]byte, 2), 4095, 0), nbd.ErrOutOfRange},
			{disk.Write(ctx, make([]byte, 2), 0, 1<<9), nbd.EINVAL},
			{disk.Trim(ctx, 1, 4096, 0), nbd.ErrOutOfRange},
			{disk.WriteZeroes(ctx, 1, 1, nbd.FlagFastZero), nbd.ENOTSUP},
			{disk.Cache(ctx, 1, 1), nbd.ENOTSUP},
			{disk.ReadUnfragmented(ctx, make([]byte, 1), 1), nbd.ENOTSUP},
			{status, nbd.ErrNoMetaContext},
		} {
			if !errors.Is(c.got, c.want) || extents != nil {
				t.Errorf("%d: %v, want %v", i, c.got, c.want)
			}
		}
	})
}

// As a reader and writer it is what a Disk is.
func TestRedialAt(t *testing.T) {
	lasting(t, 4096, func(t *testing.T, ctx context.Context, v *volatile) {
		at := v.open(v.config()).At(ctx)
		if n, err := at.WriteAt([]byte("abc"), 4090); n != 3 || err != nil {
			t.Errorf("WriteAt: %d, %v", n, err)
		}
		v.cut()
		p := make([]byte, 10)
		if n, err := at.ReadAt(p, 4088); n != 8 || err != io.EOF || string(p[2:5]) != "abc" {
			t.Errorf("ReadAt: %d, %v, %q", n, err, p)
		}
		if n, err := at.WriteAt(p, 4090); n != 0 || !errors.Is(err, nbd.ErrOutOfRange) {
			t.Errorf("WriteAt over the end: %d, %v", n, err)
		}
		if n, err := at.ReadAt(p, -1); n != 0 || !errors.Is(err, nbd.ErrOutOfRange) {
			t.Errorf("ReadAt before the beginning: %d, %v", n, err)
		}
	})
}

// Through TLS and the real server.
func TestRedialTLS(t *testing.T) {
	var conn net.Conn
	srv := testServer(pattern(4096))
	srv.TLS = serverTLS(serverCert())
	dial := func(context.Context) (net.Conn, error) {
		conn, _ = serve(t, srv)
		return conn, nil
	}
	disk, err := nbd.Redial(t.Context(), dial, &nbd.RedialConfig{Config: *trusting()}, "vda")
	if err != nil {
		t.Fatal(err)
	}
	defer disk.Close()
	first := disk.TLS()
	conn.Close()
	works(t, t.Context(), disk)
	if disk.TLS() == nil || disk.TLS() == first || disk.Info().Name != "vda" || disk.ReadOnly() || fmt.Sprint(disk.MetaContexts()) != "[]" {
		t.Errorf("TLS %v, info %v", disk.TLS(), disk.Info())
	}
}

// Every other request is run again too.
func TestRedialRunsEveryRequestAgain(t *testing.T) {
	for name, call := range map[string]func(ctx context.Context, d *nbd.LastingDisk) error{
		"unfragmented read": func(ctx context.Context, d *nbd.LastingDisk) error {
			return d.ReadUnfragmented(ctx, make([]byte, 9), 1)
		},
		"cache": func(ctx context.Context, d *nbd.LastingDisk) error { return d.Cache(ctx, 0, 512) },
		"trim":  func(ctx context.Context, d *nbd.LastingDisk) error { return d.Trim(ctx, 0, 512, nbd.FlagFUA) },
		"flush": func(ctx context.Context, d *nbd.LastingDisk) error { return d.Flush(ctx) },
		"block status": func(ctx context.Context, d *nbd.LastingDisk) error {
			got, err := d.BlockStatus(ctx, 512, 1024, 0)
			if want := (nbd.Extent{Offset: 512, Length: 1024, Status: 3}); err == nil && (len(got) != 1 || got["base:allocation"][0] != want) {
				err = fmt.Errorf("extents %v", got)
			}
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			lasting(t, 4096, func(t *testing.T, ctx context.Context, v *volatile) {
				v.greet, v.chunks = greetMeta("base:allocation"), true
				v.offer.flags |= 1<<7 | 1<<10 // DF and CACHE
				cfg := v.config()
				cfg.Framing, cfg.MetaContexts = nbd.FramingStructured, []string{"base:allocation"}
				disk := v.open(cfg)
				v.once(hangUp)
				if err := call(ctx, disk); err != nil || len(v.calls) != 2 || v.calls[0].cmd != v.calls[1].cmd {
					t.Errorf("%v, after %d requests", err, len(v.calls))
				}
				if disk.Framing() != nbd.FramingStructured || fmt.Sprint(disk.MetaContexts()) != "[base:allocation]" {
					t.Errorf("framing %v, contexts %v", disk.Framing(), disk.MetaContexts())
				}
			})
		})
	}
}

// The errors say what happened, to which export, and what to do.
func TestRedialTexts(t *testing.T) {
	for _, c := range []struct{ got, want string }{
		{(&nbd.UnflushedError{Offset: 512, Length: 1024, Cause: nbd.ENOSPC}).Error(),
			"nbd: acknowledged writes were lost, within 1024 bytes at 512: no space left on the export (ENOSPC)"},
		{(&nbd.IdentityError{Export: "vda", What: "size", Was: "1", Is: "2"}).Error(),
			`nbd: export "vda" is not what it was before the connection was lost: its size was 1 and is 2; open it anew`},
		{fmt.Sprint(nbd.EventConnected, nbd.EventLost, nbd.EventRetrying, nbd.EventEnded, nbd.EventKind(9)),
			"connected lost retrying ended EventKind(9)"},
	} {
		if c.got != c.want {
			t.Errorf("%q, want %q", c.got, c.want)
		}
	}
}
