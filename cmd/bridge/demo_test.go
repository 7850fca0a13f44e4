package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"nbdbridge/nbd"
	"nbdbridge/nbd/device"
)

func TestDemoImages(t *testing.T) {
	odd, other := newFile(t, "odd.img", "0123456789"), newFile(t, "other.iso", "x")
	exports, closeAll, err := (&demoCommand{Image: []string{odd, other}}).exports()
	if err != nil {
		t.Fatal(err)
	}
	defer closeAll()
	for i, want := range []struct {
		name string
		size int64
	}{{"odd.img", 10}, {"other.iso", 1}} {
		x := exports[i]
		if x.Name != want.name || x.Device.Size() != want.size || !x.ReadOnly || len(exports) != 2 {
			t.Errorf("%+v, want %+v", x, want)
		}
		if _, err := x.Device.WriteAt([]byte("!"), 0); !errors.Is(err, nbd.EPERM) {
			t.Errorf("writing to %s: %v", x.Name, err)
		}
	}
	b := make([]byte, 4)
	if _, err := exports[0].Device.ReadAt(b, 6); err != nil || string(b) != "6789" {
		t.Errorf("read %q, error %v", b, err)
	}
	if content, err := os.ReadFile(odd); err != nil || string(content) != "0123456789" {
		t.Errorf("the image is now %q, error %v", content, err)
	}
}

func TestDemoClosesItsImages(t *testing.T) {
	exports, closeAll, err := (&demoCommand{Image: []string{newFile(t, "a.img", "x")}}).exports()
	if err != nil {
		t.Fatal(err)
	}
	closeAll()
	if _, err := exports[0].Device.ReadAt(make([]byte, 1), 0); !errors.Is(err, os.ErrClosed) {
		t.Errorf("after the end: %v", err)
	}
}

func TestDemoRefusesImages(t *testing.T) {
	good := newFile(t, "a.img", "x")
	for _, c := range []struct {
		name   string
		images []string
		usage  bool
		texts  []string
	}{
		{"same base name", []string{good, newFile(t, "a.img", "y")}, true, []string{"--image", `"a.img"`, "rename"}},
		{"same file", []string{good, good}, true, []string{`"a.img"`}},
		{"empty", []string{good, newFile(t, "empty.img", "")}, false, []string{"--image", "empty.img", "it is empty"}},
		{"missing", []string{filepath.Join(t.TempDir(), "no.img")}, false, []string{"--image", "no.img", "no such file"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			exports, _, err := (&demoCommand{Image: c.images}).exports()
			wantError(t, err, c.usage, c.texts...)
			if exports != nil {
				t.Errorf("and yet there are exports: %+v", exports)
			}
		})
	}
}

func TestDemoSample(t *testing.T) {
	exports, closeAll, err := (&demoCommand{}).exports()
	if err != nil {
		t.Fatal(err)
	}
	defer closeAll()
	if len(exports) != 1 || exports[0].Name != "sample" || exports[0].Device.Size() != sampleSize || exports[0].ReadOnly {
		t.Errorf("%+v", exports)
	}
}

// smallDemo is the demo without its disk and pages, which take long to make.
func smallDemo(t *testing.T) (*demoUI, []nbd.Export) {
	t.Helper()
	exports := []nbd.Export{{Name: "a", Device: device.NewMemory([]byte("the disk of the demo"))}, {Name: "b", Device: &device.Memory{}}}
	return &demoUI{assets: newWebFiles(t), config: demoConfig(pki(), exports, nil)}, exports
}

// A demoConfiguration is what the page expects.
type demoConfiguration struct {
	Target, ServerName string
	Exports            []string
	CA, Cert, Key      string
}

func TestDemoConfiguration(t *testing.T) {
	ui, _ := smallDemo(t)
	r := ask(ui, "GET", "/demo/local.json")
	if r.StatusCode != 200 || r.Header.Get("Content-Type") != "application/json" || r.Header.Get("Cache-Control") != "no-store" || r.Header.Get("ETag") != "" {
		t.Errorf("%s, %v", r.Status, r.Header)
	}
	var got demoConfiguration
	if err := json.Unmarshal([]byte(bodyOf(t, r)), &got); err != nil {
		t.Fatal(err)
	}
	if got.Target != "demo" || got.ServerName != "nbd.demo" || strings.Join(got.Exports, " ") != "a b" || got.CA != pki().ca {
		t.Errorf("%+v", got)
	}
	if _, err := tls.X509KeyPair([]byte(got.Cert), []byte(got.Key)); err != nil {
		t.Error(err)
	}
}

func TestDemoConfigurationHasItsPlace(t *testing.T) {
	ui, _ := smallDemo(t)
	for _, path := range []string{"/client/local.json", "/local.json", "/demo/local.json/", "/demo//local.json", "/demo/x/../local.json"} {
		if r := ask(ui, "GET", path); r.StatusCode != 404 {
			t.Errorf("%s: %s", path, r.Status)
		}
	}
	if r := ask(ui, "GET", "/demo/"); r.StatusCode != 200 || r.Header.Get("Content-Security-Policy") == "" {
		t.Errorf("the page: %s", r.Status)
	}
	h, _ := newRoutes(t, ui, "https://app.example")
	r := ask(h, "GET", "/demo/local.json", "Host", siteHost, "Origin", "https://app.example")
	if r.StatusCode != 200 || r.Header.Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("from another origin: %s, %v", r.Status, r.Header)
	}
}

// startDemo serves the small demo, and returns the address of its NBD server
// and what ends it.
func startDemo(t *testing.T, listen string) (address string, ended <-chan error, stop func()) {
	t.Helper()
	ui, exports := smallDemo(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	log, _ := newLog()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		server := &nbd.Server{Exports: exports, TLS: pki().server(), Log: log}
		done <- (&demoCommand{Listen: listen}).serve(ctx, log, l, server, nil, ui)
		close(done)
	}()
	t.Cleanup(func() {
		cancel()
		receive(t, done)
	})
	return l.Addr().String(), done, cancel
}

func demoTrust(t *testing.T, certificates ...tls.Certificate) *nbd.Config {
	t.Helper()
	return &nbd.Config{TLS: nbd.TLSConfig{RootCAs: pki().pool, ServerName: demoServerName, Certificates: certificates}}
}

func demoCertificate(t *testing.T, p *demoPKI) tls.Certificate {
	t.Helper()
	pair, err := tls.X509KeyPair([]byte(p.clientCert), []byte(p.clientKey))
	if err != nil {
		t.Fatal(err)
	}
	return pair
}

// openDemo reads the first bytes of the default export.
func openDemo(t *testing.T, address string, cfg *nbd.Config) (string, error) {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	client, err := nbd.NewClient(t.Context(), conn, cfg)
	if err != nil {
		return "", err
	}
	disk, err := client.Open(t.Context(), "")
	if err != nil {
		client.Close()
		return "", err
	}
	defer disk.Close()
	b := make([]byte, 8)
	err = disk.Read(t.Context(), b, 0)
	return string(b), err
}

func TestDemoDemandsItsCertificate(t *testing.T) {
	listening := captureStdout(t)
	address, ended, stop := startDemo(t, "127.0.0.1:0")
	if got, err := openDemo(t, address, demoTrust(t, demoCertificate(t, pki()))); err != nil || got != "the disk" {
		t.Errorf("with the key: %q, error %v", got, err)
	}
	stranger, err := newDemoPKI()
	if err != nil {
		t.Fatal(err)
	}
	for name, cfg := range map[string]*nbd.Config{
		"without a certificate": demoTrust(t), "with another CA's": demoTrust(t, demoCertificate(t, stranger)),
		"with the server's own": demoTrust(t, pki().serverPair),
	} {
		var failed *nbd.TLSError
		if got, err := openDemo(t, address, cfg); !errors.As(err, &failed) || !failed.CertificateRequested {
			t.Errorf("%s: %q, error %v", name, got, err)
		}
	}
	if got, err := openDemo(t, address, &nbd.Config{TLSMode: nbd.TLSOff}); err == nil {
		t.Errorf("without TLS: %q", got)
	}
	stop()
	if err := receive(t, ended); err != nil {
		t.Error(err)
	}
	if out := listening(); missing(out, "Open http://127.0.0.1:", "/demo/ in a browser", "Ctrl-C") != "" {
		t.Errorf("it prints %q", out)
	}
}

func TestDemoAddressInUse(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	_, ended, _ := startDemo(t, taken.Addr().String())
	wantError(t, receive(t, ended), false, "address already in use", "--listen")
}
