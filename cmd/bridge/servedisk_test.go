package main

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"nbdbridge/nbd"
)

// serverFiles are the files that --tls-cert and --tls-key name.
func serverFiles(t *testing.T) (cert, key string) {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(pki().serverPair.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	chain := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: pki().serverPair.Certificate[0]})
	return newFile(t, "server.pem", string(chain)), newFile(t, "server-key.pem", pemText("PRIVATE KEY", der))
}

func TestServeDiskRefuses(t *testing.T) {
	ca, _, _ := pemFiles(t)
	cert, key := serverFiles(t)
	disk := newFile(t, "disk.img", "x")
	secure := serveDiskCommand{TLSCert: cert, TLSKey: key}
	for name, c := range map[string]struct {
		command serveDiskCommand
		usage   bool
		texts   []string
	}{
		"certificate without key":    {serveDiskCommand{TLSCert: cert}, true, []string{"--tls-key", "belong together"}},
		"key without certificate":    {serveDiskCommand{TLSKey: key}, true, []string{"--tls-cert", "belong together"}},
		"unknown mode":               {secure.with("forced"), true, []string{"--tls-mode", "forced", "selectivetls"}},
		"mode without certificate":   {serveDiskCommand{TLSMode: "forcedtls"}, true, []string{"--tls-mode forcedtls needs --tls-cert"}},
		"certificate without TLS":    {secure.with("notls"), true, []string{"mean nothing"}},
		"client CA without TLS":      {serveDiskCommand{ClientCA: ca}, true, []string{"mean nothing", "--tls-cert"}},
		"clients without TLS":        {serveDiskCommand{AllowClient: []string{"CN=x"}}, true, []string{"mean nothing"}},
		"clients without a CA":       {serveDiskCommand{TLSCert: cert, TLSKey: key, AllowClient: []string{"CN=x"}}, true, []string{"--client-ca"}},
		"client CA that is optional": {serveDiskCommand{TLSCert: cert, TLSKey: key, TLSMode: "optionaltls", ClientCA: ca}, true, []string{"comes in without TLS", "forcedtls"}},
		"selective without exports":  {secure.with("selectivetls"), true, []string{"--tls-only", "belong together"}},
		"exports without selective":  {serveDiskCommand{TLSCert: cert, TLSKey: key, TLSOnly: []string{"disk.img"}}, true, []string{"--tls-only", "belong together"}},
		"selective unknown export":   {serveDiskCommand{TLSCert: cert, TLSKey: key, TLSMode: "selectivetls", TLSOnly: []string{"dsk.img"}}, true, []string{`--tls-only "dsk.img"`, "no export"}},
		"certificate that is none":   {serveDiskCommand{TLSCert: disk, TLSKey: key}, false, []string{"--tls-cert"}},
		"client CA that is none":     {serveDiskCommand{TLSCert: cert, TLSKey: key, ClientCA: disk}, false, []string{"--client-ca: " + disk, "no PEM"}},
		"same name twice":            {serveDiskCommand{File: []string{newFile(t, "disk.img", "y")}}, true, []string{`two images are named "disk.img"`}},
		"no such file":               {serveDiskCommand{File: []string{"/no/such/file"}}, false, []string{"/no/such/file"}},
	} {
		t.Run(name, func(t *testing.T) {
			c.command.File = append(c.command.File, disk)
			log, _ := newLog()
			s, _, err := c.command.server(log)
			wantError(t, err, c.usage, c.texts...)
			if s != nil {
				t.Error("and yet there is a server")
			}
		})
	}
	f, _, err := openDisks([]string{disk}, false) // every refusal let go of it
	if err != nil {
		t.Fatal(err)
	}
	f[0].Device.(interface{ Close() error }).Close()
}

func (c serveDiskCommand) with(mode string) serveDiskCommand {
	c.TLSMode = mode
	return c
}

func TestServeDiskModes(t *testing.T) {
	cert, key := serverFiles(t)
	secure := serveDiskCommand{TLSCert: cert, TLSKey: key}
	for _, c := range []struct {
		command serveDiskCommand
		want    nbd.ServerTLSMode
	}{
		{serveDiskCommand{}, nbd.NoTLS}, {serveDiskCommand{TLSMode: "notls"}, nbd.NoTLS}, {secure, nbd.ForcedTLS},
		{secure.with("forcedtls"), nbd.ForcedTLS}, {secure.with("optionaltls"), nbd.OptionalTLS},
	} {
		if got, err := c.command.mode(); got != c.want || err != nil {
			t.Errorf("%+v: %d, %v", c.command, got, err)
		}
	}
}

// A disk that is served in the clear stays on this machine.
func TestServeDiskListens(t *testing.T) {
	for _, c := range []struct {
		listen   string
		mode     nbd.ServerTLSMode
		ok, warn bool
	}{
		{"tcp://127.0.0.1:0", nbd.NoTLS, true, false}, {"tcp://localhost:0", nbd.NoTLS, true, false}, {"unix://" + t.TempDir() + "/s", nbd.NoTLS, true, false},
		{"tcp://0.0.0.0:0", nbd.NoTLS, false, false}, {"tcp://0.0.0.0:0", nbd.ForcedTLS, true, true}, {"tcp://127.0.0.1:0", nbd.ForcedTLS, true, false},
		{"tcp://0.0.0.0:0", nbd.OptionalTLS, true, true}, {"tcp://0.0.0.0:0", nbd.SelectiveTLS, true, true},
	} {
		log, book := newLog()
		l, err := (&serveDiskCommand{Listen: c.listen}).listen(c.mode, log)
		if err == nil {
			l.Close()
		} else {
			wantError(t, err, true, c.listen, "--tls-cert", "tcp://127.0.0.1:", "unix:///PATH")
		}
		if warned := strings.Contains(book.rest(), "level=WARN"); (err == nil) != c.ok || warned != c.warn {
			t.Errorf("%s in mode %d: %v, warned: %t", c.listen, c.mode, err, warned)
		}
	}
	log, book := newLog()
	l, err := (&serveDiskCommand{Listen: "tcp://0.0.0.0:0", ClientCA: "ca.pem"}).listen(nbd.ForcedTLS, log)
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	if text := book.rest(); text != "" {
		t.Errorf("clients need a certificate, and yet: %s", text)
	}
}

func TestExportURI(t *testing.T) {
	tcp := &net.TCPAddr{IP: net.IPv6loopback, Port: 10809}
	unix := &net.UnixAddr{Net: "unix", Name: "/run/a b+c&d.sock"}
	for _, c := range []struct {
		addr         net.Addr
		mode         nbd.ServerTLSMode
		export, want string
	}{
		{tcp, nbd.NoTLS, "disk.img", "nbd://[::1]:10809/disk.img"},
		{tcp, nbd.ForcedTLS, "a b?.img", "nbds://[::1]:10809/a%20b%3F.img"},
		{unix, nbd.NoTLS, "disk.img", "nbd+unix:///disk.img?socket=/run/a%20b%2Bc%26d.sock"},
		{unix, nbd.OptionalTLS, "disk.img", "nbds+unix:///disk.img?socket=/run/a%20b%2Bc%26d.sock"},
	} {
		got := exportURI(c.addr, c.mode, c.export)
		if got != c.want {
			t.Errorf("%s, want %s", got, c.want)
		}
		if e := endpointOf(t, got); e.Export != c.export || e.Network == "unix" && e.Address != unix.Name {
			t.Errorf("%s reads as %+v", got, e)
		}
	}
}

// startServeDisk serves, and returns what it prints once it is stopped.
func startServeDisk(t *testing.T, c *serveDiskCommand) (addr net.Addr, stop func() string) {
	t.Helper()
	printed := captureStdout(t)
	log, _ := newLog()
	server, closeAll, err := c.server(log)
	if err != nil {
		t.Fatal(err)
	}
	l, err := c.listen(server.TLSMode, log)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- serveDisks(ctx, server, l) }()
	stopped := false
	stop = func() string {
		if cancel(); stopped {
			return ""
		}
		stopped = true
		if err := receive(t, ended); err != nil {
			t.Errorf("serve-disk ended with %v", err)
		}
		closeAll()
		return printed()
	}
	t.Cleanup(func() { stop() })
	return l.Addr(), stop
}

// openAt opens an export by the URI that is printed for it.
func openAt(t *testing.T, uri string, cfg *nbd.Config) (*nbd.Disk, error) {
	t.Helper()
	e := endpointOf(t, uri)
	client, err := connectClient(t.Context(), e, cfg)
	if err != nil {
		return nil, err
	}
	disk, err := client.Open(t.Context(), e.Export)
	if err != nil {
		client.Close()
		return nil, err
	}
	t.Cleanup(func() { disk.Close() })
	return disk, nil
}

// copyInto writes through NBD and reads back.
func copyInto(t *testing.T, disk *nbd.Disk, text string, off int64) {
	t.Helper()
	got := make([]byte, len(text))
	err := errors.Join(disk.Write(t.Context(), []byte(text), off, 0), disk.Flush(t.Context()), disk.Read(t.Context(), got, off))
	if err != nil || string(got) != text {
		t.Errorf("%q, %v", got, err)
	}
}

func TestServeDiskServes(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "a b.sock")
	for _, listen := range []string{"tcp://127.0.0.1:0", "unix://" + socket} {
		file, other := newFile(t, "disk.img", "0123456789"), newFile(t, "other.img", "x")
		addr, stop := startServeDisk(t, &serveDiskCommand{File: []string{file, other}, Listen: listen})
		uri := exportURI(addr, nbd.NoTLS, "disk.img")
		plain := &nbd.Config{TLSMode: nbd.TLSOff}
		for i, name := range []string{"disk.img", ""} { // the first is the default
			disk, err := openAt(t, exportURI(addr, nbd.NoTLS, name), plain)
			if err != nil {
				t.Fatal(err)
			}
			if disk.Info().Size != 10 || disk.Info().ReadOnly() {
				t.Errorf("%+v", disk.Info())
			}
			copyInto(t, disk, "ab", int64(3+2*i))
			disk.Close()
		}
		if _, err := openAt(t, exportURI(addr, nbd.NoTLS, "nothing"), plain); err == nil {
			t.Error("an export that is not there was opened")
		}
		if out := stop(); missing(out, uri+" (10 B)\n", "other.img", "Ctrl-C") != "" {
			t.Errorf("it prints %q", out)
		}
		if content, err := os.ReadFile(file); string(content) != "012abab789" {
			t.Errorf("%q, %v", content, err)
		}
	}
	if _, err := os.Lstat(socket); err == nil {
		t.Error("the socket is left")
	}
}

func TestServeDiskReadOnly(t *testing.T) {
	file := newFile(t, "disk.img", "0123456789")
	addr, _ := startServeDisk(t, &serveDiskCommand{File: []string{file}, Listen: "tcp://127.0.0.1:0", ReadOnly: true})
	disk, err := openAt(t, exportURI(addr, nbd.NoTLS, "disk.img"), &nbd.Config{TLSMode: nbd.TLSOff})
	if err != nil {
		t.Fatal(err)
	}
	if err := disk.Write(t.Context(), []byte("x"), 0, 0); !disk.Info().ReadOnly() || !errors.Is(err, nbd.ErrReadOnly) {
		t.Errorf("%v", err)
	}
	exports, closeAll, err := openDisks([]string{file}, true) // many may read
	if err != nil {
		t.Fatal(err)
	}
	defer closeAll()
	if exports[0].Device.Size() != 10 {
		t.Error(exports[0].Device.Size())
	}
}

func TestServeDiskWithTLS(t *testing.T) {
	ca, _, _ := pemFiles(t)
	cert, key := serverFiles(t)
	addr, stop := startServeDisk(t, &serveDiskCommand{
		File: []string{newFile(t, "disk.img", "0123456789")}, Listen: "tcp://127.0.0.1:0", TLSCert: cert, TLSKey: key, ClientCA: ca,
	})
	uri := exportURI(addr, nbd.ForcedTLS, "disk.img")
	disk, err := openAt(t, uri, demoTrust(t, demoCertificate(t, pki())))
	if err != nil {
		t.Fatal(err)
	}
	copyInto(t, disk, "ab", 3)
	var failed *nbd.TLSError
	if _, err := openAt(t, uri, demoTrust(t)); !errors.As(err, &failed) {
		t.Errorf("without a certificate: %v", err)
	}
	if _, err := openAt(t, uri, &nbd.Config{TLSMode: nbd.TLSOff}); err == nil {
		t.Error("without TLS: opened")
	}
	if out := stop(); !strings.HasPrefix(out, "nbds://127.0.0.1:") {
		t.Errorf("it prints %q", out)
	}
}

func TestServeDiskAllowsClients(t *testing.T) {
	ca, _, _ := pemFiles(t)
	cert, key := serverFiles(t)
	for name, allowed := range map[string]bool{"CN=demo browser": true, "CN=somebody else": false} {
		addr, _ := startServeDisk(t, &serveDiskCommand{
			File: []string{newFile(t, "disk.img", "0123456789")}, Listen: "tcp://127.0.0.1:0",
			TLSCert: cert, TLSKey: key, ClientCA: ca, AllowClient: []string{name},
		})
		disk, err := openAt(t, exportURI(addr, nbd.ForcedTLS, "disk.img"), demoTrust(t, demoCertificate(t, pki())))
		if (err == nil) != allowed {
			t.Errorf("--allow-client %q: %v", name, err)
		}
		if err == nil {
			copyInto(t, disk, "ab", 3)
		}
	}
}

func TestServeDiskSelectively(t *testing.T) {
	cert, key := serverFiles(t)
	addr, _ := startServeDisk(t, &serveDiskCommand{
		File: []string{newFile(t, "open.img", "0123456789"), newFile(t, "secret.img", "0123456789")}, Listen: "tcp://127.0.0.1:0",
		TLSCert: cert, TLSKey: key, TLSMode: "selectivetls", TLSOnly: []string{"secret.img"},
	})
	plain := &nbd.Config{TLSMode: nbd.TLSOff}
	for _, c := range []struct {
		export string
		cfg    *nbd.Config
		ok     bool
	}{{"open.img", plain, true}, {"secret.img", plain, false}, {"open.img", demoTrust(t), true}, {"secret.img", demoTrust(t), true}} {
		disk, err := openAt(t, exportURI(addr, nbd.SelectiveTLS, c.export), c.cfg)
		if (err == nil) != c.ok {
			t.Errorf("%s with TLS mode %v: %v", c.export, c.cfg.TLSMode, err)
		}
		if err == nil {
			copyInto(t, disk, "ab", 3)
		}
	}
	r, err := infoOf(t, &infoCommand{URL: "nbd://" + addr.String()})
	if err != nil || len(r.Exports) != 1 || r.Exports[0].Name != "open.img" {
		t.Errorf("in the clear it lists %+v, %v", r, err)
	}
}

// Without --client-ca whoever trusts the server comes in; optional TLS lets in
// those without it too.
func TestServeDiskOptionally(t *testing.T) {
	cert, key := serverFiles(t)
	addr, _ := startServeDisk(t, &serveDiskCommand{
		File: []string{newFile(t, "disk.img", "0123456789")}, Listen: "tcp://127.0.0.1:0", TLSCert: cert, TLSKey: key, TLSMode: "optionaltls",
	})
	for _, cfg := range []*nbd.Config{{TLSMode: nbd.TLSOff}, demoTrust(t)} {
		disk, err := openAt(t, exportURI(addr, nbd.OptionalTLS, "disk.img"), cfg)
		if err != nil {
			t.Fatal(err)
		}
		if (disk.TLS() != nil) != (cfg.TLSMode != nbd.TLSOff) {
			t.Errorf("TLS: %v", disk.TLS())
		}
		copyInto(t, disk, "ab", 3)
	}
}
