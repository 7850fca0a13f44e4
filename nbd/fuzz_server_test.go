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
	plain, forced := testServer(pattern(1000)), testServer(pattern(1000))
	forced.TLS = serverTLS(serverCert())
	f.Fuzz(func(t *testing.T, b []byte) {
		listen(t, plain, cat(u32(3), b))
		listen(t, forced, cat(u32(3), b))
		listen(t, forced, cat(u32(3), optionRequest(optStartTLS, nil), b))
	})
}

// FuzzServerRequests has a client send arbitrary requests.
func FuzzServerRequests(f *testing.F) {
	for _, g := range goldenServer[8:] {
		f.Add(true, unhex(g.client))
	}
	f.Add(false, cat(request(0, cmdRead, 1, 0, 1000), request(1, cmdWrite, 2, 5, 4), []byte("abcd"), request(0, cmdDisc, 3, 0, 0)))
	f.Add(true, cat(request(0, cmdRead, 1, 0, 1<<32-1), request(0, cmdWrite, 2, 1<<63, 4), []byte("abcd"), request(0, 4, 3, 0, 0)))
	f.Add(false, request(0, cmdWrite, 2, 0, 32<<20))
	f.Fuzz(func(t *testing.T, structured bool, b []byte) {
		begin := u32(3)
		if structured {
			begin = cat(begin, optionRequest(optStructured, nil))
		}
		listen(t, testServer(pattern(1000)), cat(begin, optionRequest(optGo, exportRequest("vda")), b))
	})
}
