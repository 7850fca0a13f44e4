package nbd_test

import (
	"context"
	"io"
	"net"
	"sync"
	"testing"

	"nbdbridge/nbd"
)

// listen has the server hear bytes that are there already, and end.
func listen(t *testing.T, srv *nbd.Server, b []byte) {
	client, server := net.Pipe()
	var both sync.WaitGroup
	both.Go(func() { _, _ = io.Copy(io.Discard, client) })
	both.Go(func() {
		_, _ = client.Write(b)
		client.Close()
	})
	ctx, cancel := context.WithTimeout(context.Background(), fuzzLimit)
	defer cancel()
	before := allocated()
	_ = srv.ServeConn(ctx, server)
	if ctx.Err() != nil {
		t.Error("the server hangs")
	}
	both.Wait()
	if used := allocated() - before; used > 256<<20+uint64(20*len(b)) {
		t.Errorf("%d bytes were allocated for %d", used, len(b))
	}
}

// FuzzServerOptions has a client negotiate with arbitrary bytes.
func FuzzServerOptions(f *testing.F) {
	for _, row := range modeTable {
		f.Add(optionRequest(row.opt, row.data))
		f.Add(cat(optionRequest(optList, nil), optionRequest(row.opt, row.data), optionRequest(optGo, exportRequest("vda")), request(0, cmdRead, 1, 0, 9)))
	}
	for _, g := range goldenServer[3:] {
		f.Add(unhex(g.client))
	}
	f.Add(cat([]byte("IHAVEOPT"), u32(99), u32(1<<32-1)))
	f.Add(cat([]byte("IHAVEOPT"), u32(optGo), u32(16<<20)))
	f.Add(cat(optionRequest(optStructured, nil), optionRequest(optSetMeta, metaRequest("vda", "base:allocation", "x:y")), optionRequest(optListMeta, metaRequest("secret", "base:"))))
	f.Add(cat(optionRequest(optExtended, nil), optionRequest(optStructured, nil), optionRequest(optExportName, []byte("vda"))))
	plain, forced, selective := testServer(pattern(1000)), testServer(pattern(1000)), modeServer(nbd.SelectiveTLS, true)
	forced.TLS = serverTLS(serverCert())
	plain.Legacy, selective.Legacy = true, true
	f.Fuzz(func(t *testing.T, b []byte) {
		listen(t, plain, cat(u32(3), b))
		listen(t, plain, cat(u32(0), b))
		listen(t, selective, cat(u32(3), b))
		listen(t, forced, cat(u32(3), b))
		listen(t, forced, cat(u32(3), optionRequest(optStartTLS, nil), b))
	})
}

// FuzzServerRequests has a client send arbitrary requests, in each manner, to
// a device with every ability.
func FuzzServerRequests(f *testing.F) {
	for _, g := range goldenServer[8:] {
		f.Add(uint8(structuredReplies), unhex(g.client))
	}
	f.Add(uint8(simpleReplies), cat(request(0, cmdRead, 1, 0, 1000), request(1, cmdWrite, 2, 5, 4), []byte("abcd"), request(0, cmdDisc, 3, 0, 0)))
	f.Add(uint8(structuredReplies), cat(request(0, cmdRead, 1, 0, 1<<32-1), request(0, cmdWrite, 2, 1<<63, 4), []byte("abcd"), request(0, 4, 3, 0, 0)))
	f.Add(uint8(simpleReplies), request(0, cmdWrite, 2, 0, 32<<20))
	for _, m := range manners {
		f.Add(uint8(m), cat(m.request(4, cmdRead, 1, 0, 9000), m.request(0, cmdRead, 2, 1, 20_000), m.request(8, cmdBlockStatus, 3, 0, 9), m.request(0, cmdBlockStatus, 4, 1, 30_000)))
		f.Add(uint8(m), cat(m.request(1, cmdTrim, 1, 0, 1<<32-1), m.request(3, cmdWriteZeroes, 2, 9, 99), m.request(16, cmdWriteZeroes, 3, 9, 99), m.request(0, cmdCache, 4, 0, 1)))
		f.Add(uint8(m), cat(m.request(1, cmdWrite, 1, 2, 3, 4, 5, 6), m.request(0, cmdDisc, 9, 0, 0)))
	}
	f.Add(uint8(extendedHeaders), cat(extendedHeaders.request(0, cmdBlockStatus, 1, 0, 12, cat(u64(512), u32(1))...), extendedHeaders.request(0, 99, 1, 0, 3, 1, 2, 3), extendedHeaders.request(0, cmdTrim, 1, 1, 1<<64-1)))
	f.Fuzz(func(t *testing.T, m uint8, b []byte) {
		begin := u32(3)
		switch manner(m % 3) {
		case structuredReplies:
			begin = cat(begin, optionRequest(optStructured, nil))
		case extendedHeaders:
			begin = cat(begin, optionRequest(optExtended, nil))
		}
		d := mapped(64<<10, run{8192, 0}, run{9000, 3}, run{1, 2}, run{511, 1}, run{20_000, 3})
		listen(t, ableServer(d), cat(begin, optionRequest(optSetMeta, metaRequest("vda", "base:allocation")), optionRequest(optGo, exportRequest("vda")), b))
	})
}
