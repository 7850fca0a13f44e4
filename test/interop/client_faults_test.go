package interop

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"nbdbridge/nbd"
)

// operations are the requests that nbdkit's error filter can fail.
var operations = map[string]func(context.Context, *nbd.Disk) error{
	"read":         func(ctx context.Context, d *nbd.Disk) error { return d.Read(ctx, make([]byte, 4096), 8192) },
	"write":        func(ctx context.Context, d *nbd.Disk) error { return d.Write(ctx, make([]byte, 4096), 8192, 0) },
	"trim":         func(ctx context.Context, d *nbd.Disk) error { return d.Trim(ctx, 8192, 4096, 0) },
	"write zeroes": func(ctx context.Context, d *nbd.Disk) error { return d.WriteZeroes(ctx, 8192, 4096, 0) },
	"cache":        func(ctx context.Context, d *nbd.Disk) error { return d.Cache(ctx, 8192, 4096) },
	"block status": func(ctx context.Context, d *nbd.Disk) error {
		_, err := d.BlockStatus(ctx, 8192, 4096, 0)
		return err
	},
}

// TestErrorValues has nbdkit fail every request with each error value, from
// the moment on that a file appears, until it is gone.
func TestErrorValues(t *testing.T) {
	for name, want := range map[string]nbd.Errno{
		"EPERM": nbd.EPERM, "EIO": nbd.EIO, "ENOMEM": nbd.ENOMEM, "EINVAL": nbd.EINVAL, "ENOSPC": nbd.ENOSPC, "ESHUTDOWN": nbd.ESHUTDOWN,
	} {
		t.Run(name, func(t *testing.T) {
			trigger := filepath.Join(t.TempDir(), "fail")
			s, _ := nbdkit(t, "--filter=error", "--filter=cache", "memory", "1M",
				"error="+name, "error-rate=100%", "error-file="+trigger)
			cfg, ctx := plain(), testContext(t)
			cfg.MetaContexts = []string{"base:allocation"}
			disk := open(ctx, t, s, cfg)
			defer disk.Close()
			for op, do := range operations {
				if err := do(ctx, disk); err != nil {
					t.Fatalf("%s before: %v", op, err)
				}
			}
			touch(t, trigger)
			for op, do := range operations {
				err := do(ctx, disk)
				if failed := (*nbd.OpError)(nil); !errors.As(err, &failed) || !errors.Is(err, want) {
					t.Errorf("%s: got %v", op, err)
				}
				if want == nbd.ESHUTDOWN { // ends the session
					return
				}
			}
			os.Remove(trigger)
			for op, do := range operations {
				if err := do(ctx, disk); err != nil {
					t.Errorf("%s afterwards: %v", op, err)
				}
			}
		})
	}
}

func touch(t *testing.T, name string) {
	t.Helper()
	if err := os.WriteFile(name, nil, 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestShutdownError ends the session, as the specification demands of clients.
func TestShutdownError(t *testing.T) {
	ctx, disk := openNbdkit(t, "--filter=error", "memory", "1M", "error-pread=ESHUTDOWN", "error-pread-rate=100%")
	if err := operations["read"](ctx, disk); !errors.Is(err, nbd.ESHUTDOWN) {
		t.Fatalf("got %v", err)
	}
	if err := disk.Wait(); !errors.Is(err, nbd.ESHUTDOWN) {
		t.Errorf("the session ended with %v", err)
	}
}

// TestSomeReadsFail lets one read in three fail among many under way: each
// caller hears of its own and of no other's.
func TestSomeReadsFail(t *testing.T) {
	ctx, disk := openNbdkit(t, "--filter=error", "pattern", "16M", "error-pread=EIO", "error-pread-rate=33%")
	results := make(chan error, 300)
	for i := range cap(results) {
		go func() {
			off, got := int64(i)*4099, make([]byte, 4096)
			err := disk.Read(ctx, got, off)
			if err == nil && !bytes.Equal(got, pattern(off, 4096)) {
				err = errors.New("other bytes")
			}
			results <- err
		}()
	}
	failed := 0
	for range cap(results) {
		if err := <-results; errors.Is(err, nbd.EIO) {
			failed++
		} else if err != nil {
			t.Error(err)
		}
	}
	if failed < 30 || failed > 200 {
		t.Errorf("%d of 300 reads failed", failed)
	}
}

// TestErrorsOfDevices are those that no filter makes.
func TestErrorsOfDevices(t *testing.T) {
	for _, c := range []struct {
		name string
		args []string
		off  int64
		want error
	}{
		{"full disk", []string{"full", "1M"}, 0, nbd.ENOSPC},
		{"protected range", []string{"--filter=protect", "memory", "1M", "protect=4096-8191"}, 8000, nbd.EPERM},
		{"beside it", []string{"--filter=protect", "memory", "1M", "protect=4096-8191"}, 8192, nil},
		{"read-only export", []string{"--readonly", "memory", "1M"}, 0, nbd.ErrReadOnly},
	} {
		t.Run(c.name, func(t *testing.T) {
			ctx, disk := openNbdkit(t, c.args...)
			if err := disk.Write(ctx, pattern(1, 1000), c.off, 0); !errors.Is(err, c.want) {
				t.Errorf("got %v, want %v", err, c.want)
			}
			if disk.ReadOnly() != errors.Is(c.want, nbd.ErrReadOnly) {
				t.Errorf("read-only: %t", disk.ReadOnly())
			}
			if err := disk.Read(ctx, make([]byte, 1000), c.off); err != nil {
				t.Errorf("reading goes on: %v", err)
			}
		})
	}
}

// TestSlowServer waits as long as the caller and the configuration say.
func TestSlowServer(t *testing.T) {
	s, _ := nbdkit(t, "--filter=delay", "pattern", "1M", "rdelay=700ms")
	ctx, cfg := testContext(t), plain()
	disk := open(ctx, t, s, cfg)
	defer disk.Close()

	brief, cancel := context.WithTimeout(ctx, 20*time.Millisecond)
	defer cancel()
	if err := disk.Read(brief, make([]byte, 4096), 0); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a caller who waits less: %v", err)
	}
	got := make([]byte, 4096)
	if err := disk.Read(ctx, got, 8); err != nil || !bytes.Equal(got, pattern(8, 4096)) {
		t.Errorf("the next read: %v", err)
	}

	cfg.RequestTimeout = 50 * time.Millisecond
	impatient := open(ctx, t, s, cfg)
	if err := impatient.Read(ctx, got, 0); !errors.Is(err, nbd.ErrRequestTimeout) {
		t.Errorf("over the request timeout: %v", err)
	}
	if err := impatient.Wait(); !errors.Is(err, nbd.ErrRequestTimeout) {
		t.Errorf("the session ended with %v", err)
	}
}

// TestSlowRequestsOverlap: twelve reads of 400 ms each are under way at once.
func TestSlowRequestsOverlap(t *testing.T) {
	ctx, disk := openNbdkit(t, "--filter=delay", "pattern", "1M", "rdelay=400ms")
	begin, done := time.Now(), make(chan error)
	for i := range 12 {
		go func() { done <- disk.Read(ctx, make([]byte, 512), int64(i)*512) }()
	}
	for range 12 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	if d := time.Since(begin); d > 3*time.Second {
		t.Errorf("they took %v", d)
	}
}

// TestServerTurnsAway is a server that takes one client.
func TestServerTurnsAway(t *testing.T) {
	s, _ := nbdkit(t, "--filter=limit", "memory", "1M", "limit=1")
	ctx := testContext(t)
	first := open(ctx, t, s, plain())
	defer first.Close()
	conn, err := new(net.Dialer).DialContext(ctx, s.network, s.addr)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := nbd.NewClient(ctx, conn, plain()); !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("the second client: %v", err)
	}
	if err := operations["read"](ctx, first); err != nil {
		t.Errorf("the first one goes on: %v", err)
	}
}

// TestServerExitsAfterTheLast ends by itself once we said goodbye.
func TestServerExitsAfterTheLast(t *testing.T) {
	s, p := nbdkit(t, "--filter=exitlast", "memory", "1M")
	disk := open(testContext(t), t, s, plain())
	if err := disk.Close(); err != nil {
		t.Fatal(err)
	}
	select {
	case <-p.done:
	case <-time.After(20 * time.Second):
		t.Error("nbdkit still runs")
	}
}

// TestServerDies while requests are under way: they fail, and the session
// tells why. What became of the write nobody knows.
func TestServerDies(t *testing.T) {
	logFile := filepath.Join(t.TempDir(), "log")
	s, p := nbdkit(t, "--filter=log", "--filter=delay", "memory", "1M", "wdelay=60", "rdelay=60", "logfile="+logFile)
	ctx := testContext(t)
	disk := open(ctx, t, s, plain())
	results := make(chan error)
	go func() { results <- disk.Read(ctx, make([]byte, 512), 0) }()
	go func() { results <- disk.Write(ctx, make([]byte, 512), 0, 0) }()
	p.until(t, "both requests", func() bool {
		log := readFile(t, logFile)
		return strings.Contains(log, " Read id=") && strings.Contains(log, " Write id=")
	})
	_ = p.cmd.Process.Kill()
	unknown := 0
	for range 2 {
		err := <-results
		if err == nil {
			t.Error("a request succeeded")
		}
		if errors.Is(err, nbd.ErrUnknownOutcome) {
			unknown++
		}
	}
	if unknown != 1 || disk.Wait() == nil {
		t.Errorf("%d unknown outcomes; the session ended with %v", unknown, disk.Wait())
	}
}
