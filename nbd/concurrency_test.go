package nbd_test

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"runtime"
	"sync"
	"testing"
	"time"

	"nbdbridge/nbd"
)

// 200 goroutines read and write at random and cancel at random. Each has a
// range of its own, whose blocks it shares with its neighbours, and a shadow
// of it. A write that was cancelled is made good: the next one over the same
// range has to come after it.
func TestRandomTraffic(t *testing.T) {
	workers, rounds := 200, 30
	if runtime.GOOS == "js" {
		workers, rounds = 40, 10 // one thread
	}
	const share = 1500 // bytes of each, no multiple of any block
	for _, double := range []*double{
		nil, // our server
		{minimum: 512, maximum: 2048, structured: true},
		{minimum: 4096, maximum: 4096},
	} {
		srv := testServer(make([]byte, workers*share+4096))
		var c net.Conn
		if double == nil {
			c, _ = serve(t, srv)
		} else {
			double.disk, double.flags = make([]byte, (workers*share+4096)&^4095), hasFlags|sendFlush
			c = double.serve(t)
		}
		cfg := plain()
		cfg.MaxInFlight = 1 // the least: budget and locks are contended
		disk := openDisk(t, c, cfg, "vda")
		var group sync.WaitGroup
		for i := range workers {
			group.Go(func() { (&worker{t, disk, int64(i * share), make([]byte, share)}).run(rounds) })
		}
		group.Wait()
		if err := disk.Close(); err != nil || disk.Wait() != nil {
			t.Error(err, disk.Wait())
		}
		if double != nil {
			double.check(t)
		}
	}
}

type worker struct {
	t      *testing.T
	disk   *nbd.Disk
	base   int64
	shadow []byte
}

func (w *worker) run(rounds int) {
	for range rounds {
		ctx, cancel := context.WithCancel(w.t.Context())
		if rand.IntN(3) == 0 {
			time.AfterFunc(time.Duration(rand.IntN(300))*time.Microsecond, cancel)
		}
		off := rand.IntN(len(w.shadow))
		p := make([]byte, 1+rand.IntN(len(w.shadow)-off))
		if rand.IntN(2) == 0 {
			w.read(ctx, p, off)
		} else {
			w.write(ctx, p, off)
		}
		cancel()
	}
}

func (w *worker) read(ctx context.Context, p []byte, off int) {
	err := w.disk.Read(ctx, p, w.base+int64(off))
	if err == nil && !bytes.Equal(p, w.shadow[off:off+len(p)]) {
		w.t.Errorf("read of %d at %d is wrong", len(p), w.base+int64(off))
	}
	if err != nil && !errors.Is(err, context.Canceled) {
		w.t.Errorf("read: %v", err)
	}
	for i := range p { // ours again: the race detector sees who else touches it
		p[i] = 0xcc
	}
	runtime.Gosched()
	if !bytes.Equal(p, bytes.Repeat([]byte{0xcc}, len(p))) {
		w.t.Error("a buffer was touched after its read had returned")
	}
}

func (w *worker) write(ctx context.Context, p []byte, off int) {
	for i := range p {
		p[i] = byte(rand.Uint32())
	}
	err := w.disk.Write(ctx, p, w.base+int64(off), 0)
	if errors.Is(err, context.Canceled) {
		err = w.disk.Write(w.t.Context(), p, w.base+int64(off), 0)
	}
	if err != nil {
		w.t.Errorf("write: %v", err)
	}
	copy(w.shadow[off:], p)
}

// Whatever is asked, the server never owes more bytes than MaxInFlight, and a
// cancelled request counts until its reply has come.
func TestBytesInFlight(t *testing.T) {
	const limit = 256 << 10
	for _, size := range []int{1, 4096, 60_000, 1 << 20} {
		inBubble(t, func(t *testing.T, wait func()) {
			d := &double{disk: pattern(2 << 20), flags: hasFlags, minimum: 1, maximum: 32 << 20, hold: make(chan struct{})}
			cfg := plain()
			cfg.MaxInFlight = limit
			disk := openDisk(t, d.serve(t), cfg, "x")
			ctx, cancel := context.WithCancel(t.Context())
			var group sync.WaitGroup
			ask := func(ctx context.Context) {
				for i := range 80 {
					group.Go(func() { _ = disk.Read(ctx, make([]byte, size), int64(i)) })
				}
			}
			ask(ctx)
			wait()
			first := len(d.of(cmdRead))
			if first == 0 || d.owed.Load() > limit || first > limit/4096 {
				t.Errorf("reads of %d: %d requests, %d bytes owed", size, first, d.owed.Load())
			}
			cancel()
			group.Wait()
			ask(t.Context())
			wait()
			if again := len(d.of(cmdRead)); first*max(size, 4096) >= limit && again != first {
				t.Errorf("reads of %d: %d more requests although the cancelled ones are unanswered", size, again-first)
			}
			close(d.hold)
			group.Wait()
			if d.most.Load() > limit {
				t.Errorf("reads of %d: %d bytes were owed", size, d.most.Load())
			}
		})
	}
}

// A cancelled read comes back at once, and its late reply goes nowhere.
func TestCancelledReadAndItsLateReply(t *testing.T) {
	for _, minimum := range []uint32{1, 512} {
		inBubble(t, func(t *testing.T, wait func()) {
			defer promptly(t)()
			d := &double{disk: pattern(8192), flags: hasFlags, minimum: minimum, maximum: 4096, structured: true, hold: make(chan struct{})}
			disk := openDisk(t, d.serve(t), plain(), "x")
			ctx, cancel := context.WithCancelCause(t.Context())
			p := make([]byte, 5000)
			got := make(chan error)
			go func() { got <- disk.Read(ctx, p, 10) }()
			wait()
			cancel(errBroken)
			if err := <-got; !errors.Is(err, errBroken) {
				t.Errorf("cancelled read: %v", err)
			}
			canary := bytes.Repeat([]byte{0xcc}, len(p))
			copy(p, canary)
			close(d.hold)
			wait()
			if !bytes.Equal(p, canary) {
				t.Error("the late reply was written to the caller's buffer")
			}
			if err := disk.Read(t.Context(), p, 20); err != nil || !bytes.Equal(p, d.disk[20:5020]) {
				t.Errorf("the next read: %v", err)
			}
		})
	}
}

// A request that was given up before it was sent is never sent.
func TestCancelledBeforeItWasSent(t *testing.T) {
	inBubble(t, func(t *testing.T, wait func()) {
		defer promptly(t)()
		client, server := net.Pipe()
		l := &liar{conn: server}
		resume, seen := make(chan struct{}), make(chan call, 9)
		var playing sync.WaitGroup
		playing.Go(func() {
			defer func() { _ = recover() }()
			l.greet()
			l.open(offer{size: 1 << 20, flags: hasFlags})
			<-resume // deaf meanwhile
			for {
				c := l.request()
				seen <- c
				l.send(simple(0, c.cookie))
			}
		})
		disk := openDisk(t, client, plain(), "x")
		blocked, given := make(chan error), make(chan error)
		go func() { blocked <- disk.Write(t.Context(), []byte("first"), 0, 0) }()
		wait()
		ctx, cancel := context.WithCancel(t.Context())
		go func() { given <- disk.Write(ctx, []byte("given up"), 100, 0) }()
		wait()
		cancel()
		if err := <-given; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		close(resume)
		if err := <-blocked; err != nil {
			t.Error(err)
		}
		if err := disk.Write(t.Context(), []byte("third"), 100, 0); err != nil { // the range is free again
			t.Error(err)
		}
		if a, b := <-seen, <-seen; string(a.payload) != "first" || string(b.payload) != "third" {
			t.Errorf("sent: %q, %q", a.payload, b.payload)
		}
		disk.Close()
		server.Close()
		playing.Wait()
	})
}
