package interop

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"testing"

	"nbdbridge/nbd"
	"nbdbridge/nbd/device"
)

// An ownServer is this project's server, for the clients of others.
type ownServer struct {
	addr string
	p    *pki // nil without TLS

	memory []byte          // of the export "memory"
	sparse *device.Overlay // of the export "sparse"
}

// sparseSize is a size in bytes that can't be mistaken for another.
const sparseSize = 24*mega + 4096

// exports are a disk of bytes in the known pattern, one that is mostly holes
// with data at 1 MiB and 8 MiB, one that is read-only, and one with blocks of
// 4096 bytes and requests of 1 MiB at most.
func (o *ownServer) exports(t *testing.T) []nbd.Export {
	t.Helper()
	o.memory, o.sparse = pattern(0, diskSize), device.NewSparse(sparseSize)
	for _, at := range []int64{mega, 8 * mega} {
		if _, err := o.sparse.WriteAt(pattern(at+8, 2*mega), at); err != nil {
			t.Fatal(err)
		}
	}
	return []nbd.Export{
		{Name: "memory", Description: "bytes in memory", Device: device.NewMemory(o.memory)},
		{Name: "sparse", Description: "mostly holes", Device: o.sparse},
		{Name: "frozen", Device: device.ReadOnly(bytes.NewReader(o.memory), diskSize), ReadOnly: true},
		{Name: "blocks", Device: device.NewSparse(16 * mega), BlockSize: nbd.BlockSize{Minimum: 4096, Preferred: 65536, MaximumPayload: mega}},
	}
}

// startOwn serves the exports with one version of TLS, or with 0 without.
func startOwn(t *testing.T, version uint16) *ownServer {
	t.Helper()
	o := &ownServer{}
	server := &nbd.Server{Exports: o.exports(t)}
	if version != 0 {
		o.p = newPKI(t)
		server.TLS = serverTLS(t, o.p)
		server.TLS.MinVersion, server.TLS.MaxVersion = version, version
	}
	o.addr = serveOwn(t, server)
	return o
}

// serverTLS demands client certificates of the same CA.
func serverTLS(t *testing.T, p *pki) *tls.Config {
	t.Helper()
	pair, err := tls.LoadX509KeyPair(p.file("server-cert.pem"), p.file("server-key.pem"))
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Config{Certificates: []tls.Certificate{pair}, ClientCAs: p.pool, ClientAuth: tls.RequireAndVerifyClientCert}
}

// serveOwn serves until the test ends and returns the address.
func serveOwn(t *testing.T, server *nbd.Server) (addr string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- server.Serve(ctx, l) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return l.Addr().String()
}

// eachOwn runs a test of foreign clients without TLS and in each version.
func eachOwn(t *testing.T, test func(t *testing.T, o *ownServer)) {
	for _, version := range []uint16{0, tls.VersionTLS12, tls.VersionTLS13} {
		name := "plain"
		if version != 0 {
			name = tls.VersionName(version)
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, startOwn(t, version))
		})
	}
}

func (o *ownServer) port() string {
	_, port, _ := net.SplitHostPort(o.addr)
	return port
}

// uri names an export as libnbd wants it.
func (o *ownServer) uri(export string) string {
	if o.p == nil {
		return fmt.Sprintf("nbd://localhost:%s/%s", o.port(), export)
	}
	return fmt.Sprintf("nbds://localhost:%s/%s?tls-certificates=%s", o.port(), export, o.p.dir)
}

// images are the arguments by which qemu's tools name exports.
func (o *ownServer) images(exports ...string) (args []string) {
	if o.p != nil {
		args = append(args, "--object", qemuCredentials("client", o.p))
	}
	args = append(args, "--image-opts")
	for _, export := range exports {
		args = append(args, o.image(export))
	}
	return args
}

func (o *ownServer) image(export string) string {
	image := fmt.Sprintf("driver=nbd,host=localhost,port=%s,export=%s", o.port(), export)
	if o.p != nil {
		image += ",tls-creds=t0"
	}
	return image
}
