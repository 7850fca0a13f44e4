package interop

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// startBridge runs `bridge serve` with one target, "lab", and returns the
// WebSocket URL of it.
func startBridge(t *testing.T, targetAddr string, args ...string) string {
	t.Helper()
	port := freePort(t)
	p := start(t, bridgeBinary, append([]string{"serve", "--listen", "127.0.0.1:" + port, "--target", "lab=" + targetAddr}, args...)...)
	p.untilListening(t, "tcp", net.JoinHostPort("127.0.0.1", port))
	return "ws://127.0.0.1:" + port + "/nbd/lab"
}

// startConnect runs `bridge connect` and returns the local socket.
func startConnect(t *testing.T, url string) (sock string) {
	t.Helper()
	sock = filepath.Join(t.TempDir(), "lab.sock")
	p := start(t, bridgeBinary, "connect", url, "--listen", "unix://"+sock)
	p.says(t, "offering")
	return sock
}

// TestNativeToolsThroughTheBridge copies a disk out and in, and compares it,
// with tools that know nothing of us, over TLS that is theirs.
func TestNativeToolsThroughTheBridge(t *testing.T) {
	need(t, "nbdcopy", "qemu-img")
	for name, start := range map[string]func(*testing.T, *pki) *target{"nbdkit": startNbdkit, "qemu-nbd": startQemu} {
		t.Run(name+"/plain", func(t *testing.T) { copyAndCompare(t, start(t, nil), nil) })
		t.Run(name+"/tls", func(t *testing.T) {
			p := newPKI(t)
			copyAndCompare(t, start(t, p), p)
		})
	}
}

func copyAndCompare(t *testing.T, s *target, p *pki) {
	sock := startConnect(t, startBridge(t, s.bridgeAddr()))
	out := filepath.Join(t.TempDir(), "out.img")
	run(t, "nbdcopy", libnbdURI(s, sock, p), out)
	sameFiles(t, out, s.file)
	run(t, "qemu-img", qemuCompare(s, sock, p)...)

	fresh := filepath.Join(t.TempDir(), "fresh.img")
	writeFile(t, fresh, bytes.NewBuffer(bytes.Repeat([]byte("fresh"), diskSize/5+1)[:diskSize]))
	run(t, "nbdcopy", "--flush", fresh, libnbdURI(s, sock, p))
	sameFiles(t, fresh, s.file)
}

// libnbdURI names the export at a local socket.
func libnbdURI(s *target, sock string, p *pki) string {
	if p == nil {
		return fmt.Sprintf("nbd+unix:///%s?socket=%s", s.export, sock)
	}
	return fmt.Sprintf("nbds+unix:///%s?socket=%s&tls-certificates=%s", s.export, sock, p.dir)
}

// qemuCompare compares the server's file with the export at a local socket.
// The qemu client insists on the server's name, also behind a Unix socket.
func qemuCompare(s *target, sock string, p *pki) []string {
	image := fmt.Sprintf("driver=raw,file.driver=nbd,file.server.type=unix,file.server.path=%s,file.export=%s", sock, s.export)
	args := []string{"compare"}
	if p != nil {
		args = append(args, "--object", "tls-creds-x509,id=t0,endpoint=client,dir="+p.dir)
		image += ",file.tls-creds=t0,file.tls-hostname=localhost"
	}
	return append(args, "--image-opts", "driver=raw,file.driver=file,file.locking=off,file.filename="+s.file, image)
}

func sameFiles(t *testing.T, a, b string) {
	t.Helper()
	x, err := os.ReadFile(a)
	if err != nil {
		t.Fatal(err)
	}
	y, err := os.ReadFile(b)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(x, y) {
		t.Fatalf("%s (%d bytes) and %s (%d bytes) differ", a, len(x), b, len(y))
	}
}

// TestOuterTLS runs the same over wss, with the bridge's own certificate.
func TestOuterTLS(t *testing.T) {
	need(t, "nbdcopy")
	outer := newPKI(t)
	s := startNbdkit(t, nil)
	url := startBridge(t, s.bridgeAddr(), "--tls-cert", outer.file("server-cert.pem"), "--tls-key", outer.file("server-key.pem"))
	t.Setenv("SSL_CERT_FILE", outer.file("ca-cert.pem"))
	sock := startConnect(t, strings.Replace(url, "ws://", "wss://", 1))
	out := filepath.Join(t.TempDir(), "out.img")
	run(t, "nbdcopy", libnbdURI(s, sock, nil), out)
	sameFiles(t, out, s.file)
}

// TestDeadServer tells the native end of the tunnel why there is no session.
func TestDeadServer(t *testing.T) {
	url := startBridge(t, "tcp://127.0.0.1:"+freePort(t))
	out, err := try(bridgeBinary, "info", url, "--tls", "off")
	if err == nil || !strings.Contains(out, "4502") {
		t.Fatalf("got %v: %s", err, out)
	}
	out, err = try(bridgeBinary, "info", strings.Replace(url, "/lab", "/other", 1), "--tls", "off")
	if err == nil || !strings.Contains(out, "4004") {
		t.Fatalf("got %v: %s", err, out)
	}
}
