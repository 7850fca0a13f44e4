package adversary

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// packages tells what to install for a foreign program.
var packages = map[string]string{
	"nbdkit": "nbdkit", "qemu-nbd": "qemu-utils", "qemu-img": "qemu-utils", "qemu-io": "qemu-utils",
	"nbd-server": "nbd-server", "nbdcopy": "libnbd-bin", "nbdinfo": "libnbd-bin",
}

// need skips a test whose foreign program is missing, and fails it in CI.
func need(t *testing.T, program string) {
	t.Helper()
	if _, err := exec.LookPath(program); err == nil {
		return
	}
	text := fmt.Sprintf("%s is missing: apt-get install %s", program, packages[program])
	if os.Getenv("CI") != "" {
		t.Fatal(text)
	}
	t.Skip(text)
}

// foreignServers start a server of a disk of diskSize zeroes, which they call
// vda; with a directory of certificates, with TLS forced. They return its
// address.
var foreignServers = map[string]func(t *testing.T, certificates string) string{
	"nbdkit":     startNbdkit,
	"qemu-nbd":   startQemu,
	"nbd-server": startNbdServer,
}

func startNbdkit(t *testing.T, certificates string) string {
	need(t, "nbdkit")
	args := []string{"--foreground", "--ipaddr=127.0.0.1", "--exit-with-parent"}
	if certificates != "" {
		args = append(args, "--tls=require", "--tls-certificates="+certificates)
	}
	port := freePort(t)
	start(t, "nbdkit", append(args, "--port="+port, "memory", strconv.Itoa(diskSize))...)
	return awaited(t, port)
}

func startQemu(t *testing.T, certificates string) string {
	need(t, "qemu-nbd")
	args := []string{"--persistent", "--shared=0", "--bind=127.0.0.1", "--format=raw", "--export-name=vda"}
	if certificates != "" {
		args = append(args, "--object", "tls-creds-x509,id=tls0,endpoint=server,verify-peer=no,dir="+certificates, "--tls-creds", "tls0")
	}
	port := freePort(t)
	start(t, "qemu-nbd", append(args, "--port="+port, emptyDisk(t))...)
	return awaited(t, port)
}

// startNbdServer runs it as the daemon that it wants to be.
func startNbdServer(t *testing.T, certificates string) string {
	need(t, "nbd-server")
	port, dir := freePort(t), t.TempDir()
	config := fmt.Sprintf("[generic]\nport=%s\nlistenaddr=127.0.0.1\nallowlist=true\n", port)
	if certificates != "" {
		config += fmt.Sprintf("certfile=%[1]s/server-cert.pem\nkeyfile=%[1]s/server-key.pem\ncacertfile=%[1]s/ca-cert.pem\nforce_tls=true\n", certificates)
	}
	config += fmt.Sprintf("[vda]\nexportname=%s\nflush=true\nfua=true\n", emptyDisk(t))
	name, pidFile := filepath.Join(dir, "config"), filepath.Join(dir, "pid")
	writeFile(t, name, []byte(config))
	if out, err := exec.Command("nbd-server", "-C", name, "-p", pidFile).CombinedOutput(); err != nil {
		t.Fatalf("nbd-server: %v\n%s", err, out)
	}
	addr := awaited(t, port)
	pid, err := strconv.Atoi(strings.TrimSpace(string(must(os.ReadFile(pidFile)))))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Kill(pid, syscall.SIGTERM) })
	return addr
}

func emptyDisk(t *testing.T) string {
	name := filepath.Join(t.TempDir(), "disk.img")
	writeFile(t, name, make([]byte, diskSize))
	return name
}

func writeFile(t *testing.T, name string, b []byte) {
	t.Helper()
	if err := os.WriteFile(name, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

func freePort(t *testing.T) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
}

// start runs a program until the test ends.
func start(t *testing.T, program string, args ...string) {
	t.Helper()
	var said bytes.Buffer
	cmd := exec.Command(program, args...)
	cmd.Stdout, cmd.Stderr, cmd.WaitDelay = &said, &said, 5*time.Second
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("%s said:\n%s", program, &said)
		}
	})
}

// awaited polls until an NBD server greets on a port.
func awaited(t *testing.T, port string) (addr string) {
	t.Helper()
	addr = net.JoinHostPort("127.0.0.1", port)
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if greets(addr) {
			return addr
		}
	}
	t.Fatalf("no NBD server on %s", addr)
	return ""
}

func greets(addr string) bool {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		return false
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(2 * time.Second))
	in := &taker{from: c}
	return bytes.Equal(in.take(18), greeting(3))
}

// certificates is a directory with the file names that foreign servers want.
func certificates(t *testing.T) string {
	dir := t.TempDir()
	write := func(name, typ string, der []byte) {
		writeFile(t, filepath.Join(dir, name), pem.EncodeToMemory(&pem.Block{Type: typ, Bytes: der}))
	}
	write("ca-cert.pem", "CERTIFICATE", ours().cert.Raw)
	for name, cert := range map[string]tls.Certificate{"server": serverCert(), "client": clientCert()} {
		write(name+"-cert.pem", "CERTIFICATE", cert.Certificate[0])
		write(name+"-key.pem", "PRIVATE KEY", must(x509.MarshalPKCS8PrivateKey(cert.PrivateKey.(*ecdsa.PrivateKey))))
	}
	return dir
}
