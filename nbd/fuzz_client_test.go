package nbd_test

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"nbdbridge/nbd"
)

// fuzzLimit is how long an input may take; the bytes end, so nothing waits.
const fuzzLimit = 10 * time.Second

// speak has the client talk to bytes that are there already, and end.
func speak(t *testing.T, prefix, b []byte, use func(ctx context.Context, c net.Conn)) {
	ctx, cancel := context.WithTimeout(t.Context(), fuzzLimit)
	defer cancel()
	client, server := net.Pipe()
	var both sync.WaitGroup
	both.Go(func() { _, _ = io.Copy(io.Discard, server) })
	both.Go(func() {
		_, _ = server.Write(cat(prefix, b))
		server.Close()
	})
	before := allocated()
	use(ctx, client)
	client.Close()
	both.Wait()
	if ctx.Err() != nil {
		t.Error("the client hangs")
	}
	if used := allocated() - before; used > 64<<20+uint64(20*len(b)) {
		t.Errorf("%d bytes were allocated for %d", used, len(b))
	}
}

// FuzzOptionReplies has a server answer options with arbitrary bytes.
func FuzzOptionReplies(f *testing.F) {
	for _, lie := range optionLies {
		f.Add(lie.answer)
	}
	for _, lie := range metaLies {
		f.Add(lie.answer)
	}
	for _, g := range goldenNegotiation[2:] {
		f.Add(unhex(g.server))
	}
	f.Add(cat(optionReply(optList, errUnsup, nil), unhex(goldenMeta), unhex(goldenGo)))
	f.Add(cat(optionReply(optStartTLS, errPolicy, []byte("no")), optionReply(optList, repAck, nil)))
	f.Add(cat(optionReply(optStartTLS, repAck, nil), []byte{22, 3, 3, 0, 4, 2, 0, 0, 0}))
	f.Fuzz(func(t *testing.T, b []byte) {
		speak(t, greeting(3), b, func(ctx context.Context, c net.Conn) { _ = negotiate(ctx, c, preferring()) })
		speak(t, greeting(3), b, func(ctx context.Context, c net.Conn) { _ = negotiate(ctx, c, plain()) })
		speak(t, greeting(3), b, func(ctx context.Context, c net.Conn) { _ = askMeta(ctx, c, optListMeta) })
		speak(t, greeting(3), b, func(ctx context.Context, c net.Conn) { _ = askMeta(ctx, c, optSetMeta) })
		speak(t, nil, b, func(ctx context.Context, c net.Conn) { _ = negotiate(ctx, c, legacy()) })
		speak(t, greeting(3), b, func(ctx context.Context, c net.Conn) {
			client, err := nbd.NewClient(ctx, c, plain())
			if err != nil {
				return
			}
			if disk, err := client.Open(ctx, ""); err == nil {
				_ = disk.Read(ctx, make([]byte, min(disk.Info().Size, 5000)), 0)
				disk.Close()
			}
		})
	})
}

// FuzzReplies has a server answer requests with arbitrary bytes, once they
// are all under way: with cookies 1 to 6.
func FuzzReplies(f *testing.F) {
	for _, lie := range replyLies {
		f.Add(lie.structured, false, lie.reply)
	}
	for _, g := range goldenTransmission {
		f.Add(true, false, unhex(g.server))
	}
	f.Add(false, false, cat(simple(0, 1, fill(n)...), simple(0, 2), simple(5, 3), simple(108, 4)))
	for _, lie := range statusLies {
		f.Add(true, false, lie.reply)
	}
	for _, lie := range statusLiesExt {
		f.Add(true, true, lie.reply)
	}
	for _, g := range goldenStructured {
		f.Add(true, false, unhex(g.server))
	}
	for _, g := range goldenExtended {
		f.Add(true, true, unhex(g.server))
	}
	f.Fuzz(func(t *testing.T, structured, extended bool, b []byte) {
		ctx, cancel := context.WithTimeout(t.Context(), fuzzLimit)
		defer cancel()
		client, server := net.Pipe()
		l := &liar{conn: server}
		var playing sync.WaitGroup
		playing.Go(func() {
			defer server.Close()
			defer func() { _ = recover() }() // the client has gone
			l.greet()
			l.open(offer{size: 1 << 30, flags: 0x1dfd, structured: structured, extended: extended})
			for range requests {
				l.request()
			}
			playing.Go(func() { _, _ = io.Copy(io.Discard, server) })
			l.send(b)
		})
		before := allocated()
		cfg := plain()
		cfg.MetaContexts = []string{"base:allocation", "x-lab:seven"}
		disk := openDisk(t, client, cfg, "")
		asking := askAll(ctx, disk)
		asking.Wait()
		disk.Close()
		playing.Wait()
		if ctx.Err() != nil {
			t.Error("the client hangs")
		}
		if used := allocated() - before; used > 64<<20+uint64(20*len(b)) {
			t.Errorf("%d bytes were allocated for %d", used, len(b))
		}
	})
}

const requests = 6

// askAll starts so many requests, or fewer where block status can't be asked.
func askAll(ctx context.Context, disk *nbd.Disk) *sync.WaitGroup {
	var asking sync.WaitGroup
	asking.Go(func() { _ = disk.Read(ctx, make([]byte, n), at) })
	asking.Go(func() { _ = disk.Read(ctx, make([]byte, 1), 0) })
	asking.Go(func() { _ = disk.Write(ctx, []byte("x"), 0, 0) })
	asking.Go(func() { _ = disk.Flush(ctx) })
	asking.Go(func() { _ = disk.Trim(ctx, 4096, 4096, 0) })
	asking.Go(func() {
		if _, err := disk.BlockStatus(ctx, at, n, 0); errors.Is(err, nbd.ErrNoMetaContext) {
			_ = disk.Cache(ctx, at, n)
		}
	})
	return &asking
}
