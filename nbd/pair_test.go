package nbd_test

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"testing"

	"nbdbridge/nbd"
	"nbdbridge/nbd/device"
)

// A delivery is a way in which the bytes of a connection come through.
type delivery struct {
	name string
	size func() int // of the next piece
}

var deliveries = []delivery{
	{"whole", func() int { return 1 << 30 }},
	{"byte by byte", func() int { return 1 }},
	{"random pieces", func() int { return 1 + rand.IntN(1+rand.IntN(9000)) }},
}

// A chopped connection splits what goes through it, in both directions.
type chopped struct {
	net.Conn
	size func() int
}

func (c *chopped) Read(p []byte) (int, error) { return c.Conn.Read(p[:min(len(p), c.size())]) }

func (c *chopped) Write(p []byte) (n int, err error) {
	for n < len(p) && err == nil {
		var m int
		m, err = c.Conn.Write(p[n:min(len(p), n+c.size())])
		n += m
	}
	return n, err
}

// A recorder keeps what is written to and read from a connection.
type recorder struct {
	net.Conn
	mu            sync.Mutex
	wrote, gotten []byte
}

func (r *recorder) Write(p []byte) (int, error) {
	n, err := r.Conn.Write(p)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.wrote = append(r.wrote, p[:n]...)
	return n, err
}

func (r *recorder) Read(p []byte) (int, error) {
	n, err := r.Conn.Read(p)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.gotten = append(r.gotten, p[:n]...)
	return n, err
}

// serve runs srv on one end of a pipe and returns the other, and a function
// that waits for the server's verdict.
func serve(t testing.TB, srv *nbd.Server) (client net.Conn, verdict func() error) {
	client, server := net.Pipe()
	ended := make(chan error, 1)
	go func() { ended <- srv.ServeConn(context.Background(), server) }()
	verdict = sync.OnceValue(func() error { return <-ended })
	t.Cleanup(func() {
		client.Close()
		_ = verdict()
	})
	return client, verdict
}

// pattern is a disk whose every byte tells where it stands.
func pattern(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i) ^ byte(i>>8) ^ byte(i>>16)
	}
	return b
}

func testServer(disk []byte) *nbd.Server {
	return &nbd.Server{Exports: []nbd.Export{
		{Name: "vda", Description: "the first disk", Device: device.NewMemory(disk)},
		{Name: "iso", Device: device.NewMemory(pattern(1000)), ReadOnly: true},
	}}
}

// trusting is a client's configuration for serverTLS(serverCert()).
func trusting() *nbd.Config {
	return &nbd.Config{TLS: nbd.TLSConfig{RootCAs: ours().pool(), ServerName: serverName}}
}

func plain() *nbd.Config { return &nbd.Config{TLSMode: nbd.TLSOff} }

func openDisk(t testing.TB, c net.Conn, cfg *nbd.Config, export string) *nbd.Disk {
	t.Helper()
	client, err := nbd.NewClient(t.Context(), c, cfg)
	if err != nil {
		t.Fatalf("NewClient: %v", err)
	}
	disk, err := client.Open(t.Context(), export)
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	t.Cleanup(func() { disk.Close() })
	return disk
}

// faulty is a device whose every answer is an error.
type faulty struct {
	size int64
	err  error
}

func (f faulty) Size() int64                        { return f.size }
func (f faulty) Sync() error                        { return f.err }
func (f faulty) ReadAt([]byte, int64) (int, error)  { return 0, f.err }
func (f faulty) WriteAt([]byte, int64) (int, error) { return 0, f.err }

var errBroken = errors.New("the disk is broken")

// isEnd tells an error that a lost connection gives.
func isEnd(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.ErrClosedPipe)
}

// slack gives a pipe the room of one write in each direction. Where both ends
// of a TLS session fail at once, each sends an alert that nobody reads: a
// socket takes it, a bare pipe waits for ever.
func slack(t testing.TB, far net.Conn) (near net.Conn) {
	near, inner := net.Pipe()
	var pumps sync.WaitGroup
	pump := func(to, from net.Conn) {
		_, _ = io.Copy(to, from)
		to.Close()
	}
	pumps.Go(func() { pump(inner, far) })
	pumps.Go(func() { pump(far, inner) })
	t.Cleanup(func() {
		near.Close()
		far.Close()
		pumps.Wait()
	})
	return near
}
