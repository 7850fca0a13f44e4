package interop

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"testing"

	"nbdbridge/nbd"
	"nbdbridge/nbd/device"
)

// startOwn serves a memory device with this project's server.
func startOwn(t *testing.T, p *pki) (s *target, disk []byte) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	disk = pattern(0, diskSize)
	server := &nbd.Server{Exports: []nbd.Export{
		{Name: "own", Description: "a memory device", Device: device.NewMemory(disk)},
		{Name: "frozen", Device: device.ReadOnly(bytes.NewReader(disk), diskSize), ReadOnly: true},
	}}
	if p != nil {
		pair, err := tls.LoadX509KeyPair(p.file("server-cert.pem"), p.file("server-key.pem"))
		if err != nil {
			t.Fatal(err)
		}
		server.TLS = &tls.Config{Certificates: []tls.Certificate{pair}, ClientCAs: p.pool, ClientAuth: tls.RequireAndVerifyClientCert}
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
	return &target{name: "own", network: "tcp", addr: l.Addr().String(), export: "own", tls: p != nil}, disk
}

// TestForeignClients lets libnbd and qemu use our server.
func TestForeignClients(t *testing.T) {
	need(t, "nbdcopy", "nbdinfo", "qemu-img")
	for _, p := range []*pki{nil, newPKI(t)} {
		t.Run(fmt.Sprintf("tls=%t", p != nil), func(t *testing.T) {
			s, disk := startOwn(t, p)
			uri := strings.Replace(s.directURL(), "127.0.0.1", "localhost", 1)
			if p != nil {
				uri += "?tls-certificates=" + p.dir
			}
			if list := run(t, "nbdinfo", "--list", uri); !strings.Contains(list, `export="frozen"`) || !strings.Contains(list, "8389120") {
				t.Errorf("nbdinfo --list: %s", list)
			}
			out := filepath.Join(t.TempDir(), "out.img")
			run(t, "nbdcopy", uri, out)
			writeFile(t, out+".want", bytes.NewBuffer(disk))
			sameFiles(t, out, out+".want")
			fresh := bytes.Repeat([]byte("fresh"), diskSize/5+1)[:diskSize]
			writeFile(t, out, bytes.NewBuffer(fresh))
			run(t, "nbdcopy", "--flush", "--connections=2", out, uri)
			if !bytes.Equal(disk, fresh) {
				t.Error("nbdcopy wrote something else")
			}
		})
	}
}
