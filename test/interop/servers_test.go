package interop

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"testing"
)

// diskSize is the size of the exports, in bytes: not a multiple of a MiB, so
// that the last piece of a copy is short.
const diskSize = 8<<20 + 512

// pattern is n bytes whose every 8-byte word holds its own offset, from off on.
func pattern(off int64, n int) []byte {
	first := off &^ 7
	var b []byte
	for at := first; at < off+int64(n); at += 8 {
		b = binary.BigEndian.AppendUint64(b, uint64(at))
	}
	return b[off-first:][:n]
}

// A target is a running NBD server with one writable export of diskSize bytes
// in the known pattern.
type target struct {
	name            string
	network, addr   string
	export          string
	tls             bool
	file            string // what it stores into
	advertisedBlock uint32 // the minimum block size that it must tell
}

// bridgeAddr is the address as `bridge serve --target` wants it.
func (s *target) bridgeAddr() string {
	if s.network == "unix" {
		return "unix://" + s.addr
	}
	return s.network + "://" + s.addr
}

// directURL is the URL as `bridge info` wants it, without the bridge.
func (s *target) directURL() string {
	scheme := "nbd"
	if s.tls {
		scheme = "nbds"
	}
	if s.network == "unix" {
		return fmt.Sprintf("%s+unix:///%s?socket=%s", scheme, s.export, s.addr)
	}
	return fmt.Sprintf("%s://%s/%s", scheme, s.addr, s.export)
}

func patternFile(t *testing.T) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "disk.img")
	writeFile(t, name, bytes.NewBuffer(pattern(0, diskSize)))
	return name
}

// startNbdkit serves a file on a Unix socket; with pki, FORCEDTLS with client
// certificates demanded.
func startNbdkit(t *testing.T, pki *pki) *target {
	need(t, "nbdkit")
	file, sock := patternFile(t), filepath.Join(t.TempDir(), "nbdkit.sock")
	args := []string{"--foreground", "--unix", sock}
	if pki != nil {
		args = append(args, "--tls=require", "--tls-verify-peer", "--tls-certificates="+pki.dir)
	}
	p := start(t, "nbdkit", append(args, "file", file)...)
	p.untilListening(t, "unix", sock)
	return &target{name: "nbdkit", network: "unix", addr: sock, tls: pki != nil, file: file, advertisedBlock: 1}
}

// startQemu serves a file on a TCP port; with pki, FORCEDTLS with client
// certificates demanded.
func startQemu(t *testing.T, pki *pki) *target {
	need(t, "qemu-nbd")
	file, port := patternFile(t), freePort(t)
	args := []string{"--persistent", "--shared=0", "--bind=127.0.0.1", "--port=" + port, "--format=raw", "--export-name=vda"}
	if pki != nil {
		args = append(args, "--object", "tls-creds-x509,id=tls0,endpoint=server,verify-peer=yes,dir="+pki.dir, "--tls-creds=tls0")
	}
	p := start(t, "qemu-nbd", append(args, file)...)
	addr := net.JoinHostPort("127.0.0.1", port)
	p.untilListening(t, "tcp", addr)
	return &target{name: "qemu-nbd", network: "tcp", addr: addr, export: "vda", tls: pki != nil, file: file, advertisedBlock: 1}
}

// startNbdServer serves a file on a TCP port; with pki, FORCEDTLS. It demands
// a client certificate then, always.
func startNbdServer(t *testing.T, pki *pki) *target {
	file, port := patternFile(t), freePort(t)
	config := fmt.Sprintf("[generic]\nport=%s\nlistenaddr=127.0.0.1\nallowlist=true\n", port)
	if pki != nil {
		config += fmt.Sprintf("certfile=%[1]s/server-cert.pem\nkeyfile=%[1]s/server-key.pem\ncacertfile=%[1]s/ca-cert.pem\nforce_tls=true\n", pki.dir)
	}
	config += fmt.Sprintf("[disk]\nexportname=%s\nflush=true\nfua=true\n", file)
	return startNbdServerWith(t, file, port, "disk", pki, config)
}

func startNbdServerWith(t *testing.T, file, port, export string, pki *pki, config string) *target {
	t.Helper()
	need(t, "nbd-server")
	name := filepath.Join(t.TempDir(), "nbd-server.conf")
	if err := os.WriteFile(name, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	startDaemon(t, "nbd-server", "-C", name)
	addr := net.JoinHostPort("127.0.0.1", port)
	return &target{name: "nbd-server", network: "tcp", addr: addr, export: export, tls: pki != nil, file: file, advertisedBlock: 1}
}

// starters are the foreign servers.
var starters = map[string]func(*testing.T, *pki) *target{
	"nbdkit": startNbdkit, "qemu-nbd": startQemu, "nbd-server": startNbdServer,
}

// eachServer runs a test against each foreign server, plain and with TLS. They
// are slow to answer rather than busy, so they run together.
func eachServer(t *testing.T, test func(t *testing.T, s *target, pki *pki)) {
	for name, start := range starters {
		t.Run(name+"/plain", func(t *testing.T) {
			t.Parallel()
			test(t, start(t, nil), nil)
		})
		t.Run(name+"/tls", func(t *testing.T) {
			t.Parallel()
			p := newPKI(t)
			test(t, start(t, p), p)
		})
	}
}
