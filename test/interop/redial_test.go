package interop

import (
	"bytes"
	"context"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"nbdbridge/nbd"
)

// A server that is killed again and again, and each time forgets what was not
// flushed: nbdkit's cache filter keeps it in a file that dies with it. In the
// end its file is what was written.
func TestRedialKilledServer(t *testing.T) {
	need(t, "nbdkit")
	const size, share, steps, kills = 4 << 20, 1<<20 - 777, 400, 5
	file, sock := filepath.Join(t.TempDir(), "disk.img"), filepath.Join(t.TempDir(), "nbdkit.sock")
	writeFile(t, file, bytes.NewBuffer(make([]byte, size)))
	boot := func() *process {
		_ = os.Remove(sock)
		p := start(t, "nbdkit", "--foreground", "--unix", sock, "--filter=cache", "file", file, "cache=writeback")
		p.untilListening(t, "unix", sock)
		return p
	}
	server := boot()
	cfg := &nbd.RedialConfig{Config: nbd.Config{TLSMode: nbd.TLSOff}, MaxUnflushed: 512 << 10}
	var events sync.Mutex
	connected := 0
	cfg.Events = func(e nbd.Event) {
		events.Lock()
		defer events.Unlock()
		if e.Kind == nbd.EventConnected {
			connected++
		}
	}
	ctx := testContext(t)
	disk, err := nbd.Redial(ctx, func(ctx context.Context) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", sock)
	}, cfg, "")
	if err != nil {
		t.Fatal(err)
	}
	defer disk.Close()
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	want := make([]byte, size)
	var made atomic.Int64 // requests
	var writers sync.WaitGroup
	for i := range uint64(4) {
		writers.Go(func() {
			scribble(ctx, t, disk, rand.New(rand.NewPCG(seed, i)), want[i*share:][:share], int64(i*share), steps, &made)
		})
	}
	for i := range kills {
		server.until(t, "traffic", func() bool { return made.Load() > int64((i+1)*4*steps/(kills+1)) })
		_ = server.cmd.Process.Kill()
		<-server.done
		server = boot()
	}
	writers.Wait()
	if err := disk.Flush(ctx); err != nil {
		t.Errorf("Flush: %v", err)
	}
	_ = server.cmd.Process.Kill()
	<-server.done
	if got, err := os.ReadFile(file); err != nil || !bytes.Equal(got, want) {
		t.Errorf("the file is not what was written, %v", err)
	}
	events.Lock()
	defer events.Unlock()
	if connected < 3 {
		t.Errorf("only %d connections", connected)
	}
}

// scribble writes, reads and flushes at random within a region of its own.
func scribble(ctx context.Context, t *testing.T, disk *nbd.LastingDisk, rnd *rand.Rand, want []byte, off int64, steps int, made *atomic.Int64) {
	for range steps {
		at := rnd.IntN(len(want))
		n := 1 + rnd.IntN(min(len(want)-at, 40_000))
		p := make([]byte, n)
		var err error
		switch rnd.IntN(12) {
		case 0:
			err = disk.Flush(ctx)
		case 1:
			clear(want[at : at+n])
			err = disk.WriteZeroes(ctx, off+int64(at), int64(n), 0)
		case 2, 3:
			if err = disk.Read(ctx, p, off+int64(at)); err == nil && !bytes.Equal(p, want[at:at+n]) {
				t.Errorf("%d bytes at %d are read as others", n, off+int64(at))
			}
		default:
			for i := range p {
				p[i] = byte(rnd.Uint32())
			}
			copy(want[at:], p)
			err = disk.Write(ctx, p, off+int64(at), nbd.Flags(rnd.IntN(5)/4)) // FlagFUA, one in five
		}
		if err != nil {
			t.Errorf("a call failed: %v", err)
			return
		}
		made.Add(1)
	}
}
