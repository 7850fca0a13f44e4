package main

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"nbdbridge/nbd"
)

// newImages is a folder with two images, and with what is none.
func newImages(t *testing.T) string {
	t.Helper()
	folder := t.TempDir()
	for name, content := range map[string]string{"a.img": "0123456789", "b.img": "x"} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(os.Mkdir(filepath.Join(folder, "deeper"), 0o700), os.Symlink("nowhere", filepath.Join(folder, "broken"))); err != nil {
		t.Fatal(err)
	}
	return folder
}

// runNbdkit serves a folder until the test ends. What it makes for itself is
// in a folder of the test's own.
func runNbdkit(t *testing.T, folder string) (n *nbdkit, log logBook) {
	t.Helper()
	need(t, "nbdkit", "nbdkit")
	t.Setenv("TMPDIR", t.TempDir())
	logger, log := newLog()
	n, err := startNbdkit(logger, folder, pki())
	if err != nil {
		t.Fatalf("%v\n%s", err, log.rest())
	}
	t.Cleanup(func() { n.close() })
	return n, log
}

// connectTo opens an export of nbdkit.
func connectTo(t *testing.T, n *nbdkit, cfg *nbd.Config) (*nbd.Client, error) {
	t.Helper()
	conn, err := net.Dial("unix", n.socket())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return nbd.NewClient(t.Context(), conn, cfg)
}

func pidOf(t *testing.T, n *nbdkit) *os.Process {
	t.Helper()
	b, err := os.ReadFile(n.pidFile())
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil {
		t.Fatal(err)
	}
	process, err := os.FindProcess(pid)
	if err != nil {
		t.Fatal(err)
	}
	return process
}

func TestNbdkitExportsAFolder(t *testing.T) {
	folder := newImages(t)
	n, _ := runNbdkit(t, folder)
	client, err := connectTo(t, n, demoTrust(t, demoCertificate(t, pki())))
	if err != nil {
		t.Fatal(err)
	}
	list, err := client.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, x := range list {
		names = append(names, x.Name)
	}
	for what, got := range map[string][]string{"it lists": names, "the page is told": n.exports} {
		if len(got) != 2 || missing(strings.Join(got, " "), "a.img", "b.img") != "" {
			t.Errorf("%s %q", what, got)
		}
	}
	disk, err := client.Open(t.Context(), "a.img")
	if err != nil {
		t.Fatal(err)
	}
	defer disk.Close()
	if err := disk.Write(t.Context(), []byte("NBD"), 3, 0); err != nil {
		t.Error(err)
	}
	if b, err := os.ReadFile(filepath.Join(folder, "a.img")); err != nil || string(b) != "012NBD6789" {
		t.Errorf("the file is now %q, error %v", b, err)
	}
}

func TestNbdkitDemandsTheDemosCertificate(t *testing.T) {
	n, _ := runNbdkit(t, newImages(t))
	stranger, err := newDemoPKI()
	if err != nil {
		t.Fatal(err)
	}
	for name, cfg := range map[string]*nbd.Config{
		"without a certificate": demoTrust(t), "with another CA's": demoTrust(t, demoCertificate(t, stranger)),
		"without TLS": {TLSMode: nbd.TLSOff},
	} {
		client, err := connectTo(t, n, cfg)
		if err == nil { // TLS 1.3 tells a client only with the first answer
			_, err = client.Open(t.Context(), "a.img")
		}
		if err == nil {
			t.Errorf("%s: it was let in", name)
		}
	}
}

// A page that is closed in the middle of its reads must not be the end of the
// demo.
func TestNbdkitOutlivesItsClients(t *testing.T) {
	folder := t.TempDir()
	if err := os.WriteFile(filepath.Join(folder, "a.img"), make([]byte, 1<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	chaCha(t)
	n, _ := runNbdkit(t, folder)
	for range 40 {
		leaveWhileReading(t, n)
	}
	if _, err := connectTo(t, n, demoTrust(t, demoCertificate(t, pki()))); err != nil {
		t.Error(err)
	}
	if err := n.failure(); err != nil {
		t.Error(err)
	}
}

// chaCha leaves nbdkit only the cipher that WebAssembly prefers: with others its
// threads are hardly ever caught.
func chaCha(t *testing.T) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "priorities")
	text := "[overrides]\n"
	for _, cipher := range []string{"aes-128-gcm", "aes-256-gcm", "aes-128-ccm", "aes-256-ccm"} {
		text += "tls-disabled-cipher = " + cipher + "\n"
	}
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("GNUTLS_SYSTEM_PRIORITY_FILE", file)
}

func leaveWhileReading(t *testing.T, n *nbdkit) {
	t.Helper()
	conn, err := net.Dial("unix", n.socket())
	if err != nil {
		t.Fatal(err)
	}
	client, err := nbd.NewClient(t.Context(), conn, demoTrust(t, demoCertificate(t, pki())))
	if err != nil {
		t.Fatal(err)
	}
	disk, err := client.Open(t.Context(), "a.img")
	if err != nil {
		t.Fatal(err)
	}
	var reads sync.WaitGroup
	var once sync.Once
	for range 16 {
		reads.Go(func() {
			_ = disk.Read(t.Context(), make([]byte, 1<<20), 0)
			once.Do(func() { conn.Close() })
		})
	}
	reads.Wait()
}

func TestNbdkitKeepsItsKeysToItself(t *testing.T) {
	n, _ := runNbdkit(t, newImages(t))
	info, err := os.Stat(n.private)
	if err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the folder: %v, error %v", info.Mode(), err)
	}
	for _, name := range []string{"ca-cert.pem", "server-cert.pem", "server-key.pem"} {
		info, err := os.Stat(filepath.Join(n.private, name))
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, error %v", name, info, err)
		}
	}
	process := pidOf(t, n)
	if err := n.close(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(n.private); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("after the end there is still %s: %v", n.private, err)
	}
	if err := process.Signal(os.Kill); err == nil {
		t.Error("after the end it still runs")
	}
}

func TestNbdkitRefusesFolders(t *testing.T) {
	need(t, "nbdkit", "nbdkit")
	log, _ := newLog()
	_, err := startNbdkit(log, t.TempDir(), pki())
	wantError(t, err, true, "--images", "no disk image")
	_, err = startNbdkit(log, filepath.Join(t.TempDir(), "none"), pki())
	wantError(t, err, false, "--images", "no such file")
}

func TestNbdkitMissing(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	log, _ := newLog()
	_, err := startNbdkit(log, newImages(t), pki())
	wantError(t, err, false, "--images needs nbdkit", "apt-get install nbdkit")
}

// fakeNbdkit is found in place of nbdkit.
func fakeNbdkit(t *testing.T, script string) {
	t.Helper()
	folder := t.TempDir()
	if err := os.WriteFile(filepath.Join(folder, "nbdkit"), []byte("#!/bin/sh\n"+script), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", folder)
	t.Setenv("TMPDIR", t.TempDir())
}

func TestNbdkitThatDoesNotStart(t *testing.T) {
	fakeNbdkit(t, "echo no such option >&2; exit 3")
	logger, log := newLog()
	_, err := startNbdkit(logger, newImages(t), pki())
	wantError(t, err, false, "nbdkit", "exit status 3", "log")
	log.await(t, "nbdkit says", "no such option")
	if left, err := os.ReadDir(os.Getenv("TMPDIR")); err != nil || len(left) != 0 {
		t.Errorf("it leaves %v, error %v", left, err)
	}
}

func TestDemoEndsWithNbdkit(t *testing.T) {
	captureStdout(t)
	n, _ := runNbdkit(t, newImages(t))
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	log, _ := newLog()
	done := make(chan error, 1)
	go func() {
		server := &nbd.Server{TLS: pki().server(), Log: log}
		done <- (&demoCommand{Listen: "127.0.0.1:0"}).serve(t.Context(), log, l, server, n, nil)
	}()
	if err := pidOf(t, n).Kill(); err != nil {
		t.Fatal(err)
	}
	wantError(t, receive(t, done), false, "nbdkit", "killed", "start the demo again")
}

func TestDemoWithImages(t *testing.T) {
	n, _ := runNbdkit(t, newImages(t))
	var got demoConfiguration
	if err := json.Unmarshal(demoConfig(pki(), nil, n), &got); err != nil {
		t.Fatal(err)
	}
	if got.Target != "images" || got.ServerName != "nbd.demo" || strings.Join(got.Exports, " ") != "a.img b.img" {
		t.Errorf("%+v", got)
	}
	targets := (&demoCommand{}).config(&net.TCPAddr{}, n).Targets
	if len(targets) != 2 || targets["images"].Address.Address != n.socket() || targets["demo"].Address.Network != "tcp" {
		t.Errorf("%+v", targets)
	}
	if demoPage(n) != "/demo/vm/" || demoPage(nil) != "/demo/" {
		t.Errorf("the pages to begin with: %s, %s", demoPage(n), demoPage(nil))
	}
	if err := n.failure(); err != nil {
		t.Errorf("it runs, and yet: %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	n.wait(ctx)
	(*nbdkit)(nil).wait(ctx)
}
