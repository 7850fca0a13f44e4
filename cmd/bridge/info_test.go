package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"nbdbridge/nbd"
	"nbdbridge/nbd/device"
)

func TestHumanSize(t *testing.T) {
	for n, want := range map[int64]string{
		0: "0 B", 1: "1 B", 1023: "1023 B", 1024: "1 KiB", 1536: "1.5 KiB", 1 << 20: "1 MiB", 1<<20 + 1<<18: "1.25 MiB",
		32 << 20: "32 MiB", 1000 << 20: "1000 MiB", 1 << 30: "1 GiB", 1 << 40: "1 TiB", 1 << 50: "1 PiB", 1 << 60: "1 EiB", math.MaxInt64: "8 EiB",
	} {
		if got := humanSize(n); got != want {
			t.Errorf("%d: %q, want %q", n, got, want)
		}
	}
}

func TestWithAdvice(t *testing.T) {
	refused := func(opt nbd.Option, reply nbd.ReplyType, export string) error {
		return &nbd.OptionError{Option: opt, Reply: reply, Export: export}
	}
	const none = ""
	for _, c := range []struct {
		err    error
		advice string
	}{
		{fmt.Errorf("%w: %w", nbd.ErrTLSRefused, refused(nbd.OptStartTLS, nbd.RepErrPolicy, "")), "--tls off"},
		{refused(nbd.OptList, nbd.RepErrTLSReqd, ""), "--tls require with --ca FILE"},
		{refused(nbd.OptGo, nbd.RepErrTLSReqd, "vda"), "--server-name NAME"},
		{refused(nbd.OptGo, nbd.RepErrUnknown, "vda"), "Without --export and a path in the URL, bridge info lists the exports"},
		{refused(nbd.OptGo, nbd.RepErrUnknown, ""), "name one with --export NAME"},
		{&nbd.TLSError{Err: x509.UnknownAuthorityError{}}, "--ca FILE"},
		{&nbd.TLSError{Err: x509.HostnameError{Certificate: &x509.Certificate{}, Host: "x"}}, "--server-name NAME"},
		{&nbd.TLSError{CertificateRequested: true, Err: io.EOF}, "--cert FILE and --key FILE"},
		{&nbd.TLSError{Err: &nbd.PinError{}}, "before you give it as --pin"},
		{&nbd.TLSError{Err: io.EOF}, none},
		{refused(nbd.OptGo, nbd.RepErrPolicy, "vda"), none},
		{nbd.ErrDowngrade, none},
		{io.EOF, none},
	} {
		wrapped := fmt.Errorf("opening: %w", c.err)
		got := withAdvice(wrapped)
		if !errors.Is(got, wrapped) || !strings.HasPrefix(got.Error(), wrapped.Error()) {
			t.Errorf("%v became %v", wrapped, got)
		}
		advice := strings.TrimPrefix(got.Error(), wrapped.Error())
		if (advice == "") != (c.advice == none) || missing(advice, c.advice) != "" {
			t.Errorf("%v: the advice is %q, want %q", wrapped, advice, c.advice)
		}
	}
}

// sampleReport has every kind of thing that a report can hold.
func sampleReport() *serverReport {
	day := func(month time.Month) time.Time { return time.Date(2026, month, 2, 3, 4, 5, 0, time.UTC) }
	return &serverReport{
		URL: "nbds://h", TLSMode: "require",
		TLS: &tlsReport{Version: "TLS 1.3", CipherSuite: "TLS_X", ServerName: "nbd7.lab", VerifiedBy: "ca", Subject: "CN=s", Issuer: "CN=i",
			DNSNames: []string{"nbd7.lab", "b"}, NotBefore: day(1), NotAfter: day(2), Pin: "sha256/AAA="},
		Exports: []exportReport{
			{Name: "vda", Description: "first\n", Size: 1536, ReadOnly: true, Features: []string{"read-only", "flush"},
				MetaContexts: []string{"base:allocation", "qemu:\x1b"}, BlockSize: &blockSize{1, 4096, 1 << 25}},
			{Name: "bad", Features: []string{}, MetaContexts: []string{}, Error: "broken"},
		},
	}
}

func TestReportAsText(t *testing.T) {
	var text, plain strings.Builder
	sampleReport().print(&text)
	if want := `encryption: TLS 1.3, TLS_X, verified as "nbd7.lab"
	subject: CN=s
	issuer: CN=i
	names: nbd7.lab, b
	valid: 2026-01-02 to 2026-02-02
	pin: sha256/AAA=
export "vda":
	description: "first\n"
	size: 1536 bytes (1.5 KiB)
	read-only: true
	features: [read-only flush]
	metadata contexts: ["base:allocation" "qemu:\x1b"]
	block sizes: minimum 1, preferred 4096, maximum payload 33554432
export "bad":
	error: broken
`; text.String() != want {
		t.Errorf("got\n%s\nwant\n%s", text.String(), want)
	}
	(&serverReport{}).print(&plain)
	if plain.String() != "encryption: none\n" {
		t.Errorf("without TLS: %q", plain.String())
	}
}

// How far the server was verified is never left to the reader's hope.
func TestReportOfVerification(t *testing.T) {
	pins := []nbd.Pin{{}}
	for want, cfg := range map[string]nbd.TLSConfig{
		`verified as "n"`:                {ServerName: "n", SystemRoots: true},
		`verified as "n" `:               {ServerName: "n", RootCAs: x509.NewCertPool()},
		`verified by its pin`:            {ServerName: "n", Pins: pins},
		`verified as "n" and by its pin`: {ServerName: "n", RootCAs: x509.NewCertPool(), Pins: pins},
		`NOT VERIFIED: any certificate is accepted, so this may be anybody`: {ServerName: "n", Insecure: true},
	} {
		got := &tlsReport{ServerName: cfg.ServerName, VerifiedBy: verifiedBy(&cfg)}
		if got.verification() != strings.TrimSpace(want) {
			t.Errorf("%+v: %s", cfg, got.verification())
		}
	}
}

func TestReportAsJSON(t *testing.T) {
	for _, c := range []struct {
		report *serverReport
		want   string
	}{
		{sampleReport(), `{"url":"nbds://h","tlsMode":"require","tls":{"version":"TLS 1.3","cipherSuite":"TLS_X","serverName":"nbd7.lab","verifiedBy":"ca","subject":"CN=s","issuer":"CN=i",` +
			`"dnsNames":["nbd7.lab","b"],"notBefore":"2026-01-02T03:04:05Z","notAfter":"2026-02-02T03:04:05Z","pin":"sha256/AAA="},"exports":[` +
			`{"name":"vda","description":"first\n","size":1536,"readOnly":true,"features":["read-only","flush"],"metaContexts":["base:allocation","qemu:\u001b"],"blockSize":{"minimum":1,"preferred":4096,"maximumPayload":33554432}},` +
			`{"name":"bad","size":0,"readOnly":false,"features":[],"metaContexts":[],"error":"broken"}]}`},
		{&serverReport{URL: "nbd://h", TLSMode: "off", Exports: []exportReport{}}, `{"url":"nbd://h","tlsMode":"off","tls":null,"exports":[]}`},
	} {
		if got, err := json.Marshal(c.report); err != nil || string(got) != c.want {
			t.Errorf("error %v, got\n%s\nwant\n%s", err, got, c.want)
		}
	}
}

func newExport(name string, size int, readOnly bool) nbd.Export {
	return nbd.Export{Name: name, Description: "disk " + name, Device: device.NewMemory(make([]byte, size)), ReadOnly: readOnly}
}

// newServer serves each connection by the server that pick chooses.
func newServer(t *testing.T, pick func() *nbd.Server) (address string) {
	t.Helper()
	return newTarget(t, func(c net.Conn) { _ = pick().ServeConn(context.Background(), c) })
}

func serverOf(tlsConfig *tls.Config, exports ...nbd.Export) func() *nbd.Server {
	return func() *nbd.Server { return &nbd.Server{Exports: exports, TLS: tlsConfig} }
}

// infoOf runs what `bridge info` does up to the printing.
func infoOf(t *testing.T, c *infoCommand) (*serverReport, error) {
	t.Helper()
	e := endpointOf(t, c.URL)
	cfg, err := c.config(e)
	if err != nil {
		t.Fatal(err)
	}
	return c.gather(t.Context(), e, cfg)
}

func TestGatherAllExports(t *testing.T) {
	url := "nbd://" + newServer(t, serverOf(nil, newExport("a", 1536, true), newExport("b", 0, false)))
	r, err := infoOf(t, &infoCommand{URL: url})
	if err != nil {
		t.Fatal(err)
	}
	var text bytes.Buffer
	r.print(&text)
	if want := `encryption: none
export "a":
	description: "disk a"
	size: 1536 bytes (1.5 KiB)
	read-only: true
	features: [read-only flush fua df multi-conn]
	metadata contexts: ["base:allocation"]
	block sizes: minimum 1, preferred 4096, maximum payload 33554432
export "b":
	description: "disk b"
	size: 0 bytes (0 B)
	read-only: false
	features: [flush fua write-zeroes df multi-conn]
	metadata contexts: ["base:allocation"]
	block sizes: minimum 1, preferred 4096, maximum payload 33554432
`; text.String() != want || r.URL != url {
		t.Errorf("%s: got\n%s\nwant\n%s", r.URL, &text, want)
	}
}

func TestGatherOneExport(t *testing.T) {
	address := newServer(t, serverOf(nil, newExport("a", 1, true), newExport("b", 2, true)))
	b, none := "b", ""
	for _, c := range []struct {
		path   string
		export *string
		name   string
		size   int64
	}{{"/b", nil, "b", 2}, {"", &b, "b", 2}, {"/b", &b, "b", 2}, {"", &none, "", 1}} {
		r, err := infoOf(t, &infoCommand{URL: "nbd://" + address + c.path, Export: c.export})
		if err != nil || len(r.Exports) != 1 || r.Exports[0].Name != c.name || r.Exports[0].Size != c.size {
			t.Errorf("%+v: %+v, error %v", c, r, err)
		}
	}
}

// An export that vanished after it was listed does not hide the others.
func TestGatherWithAFailure(t *testing.T) {
	var connections atomic.Int32
	listed, left := serverOf(nil, newExport("a", 1, true), newExport("gone", 1, true), newExport("b", 2, true)), serverOf(nil, newExport("a", 1, true), newExport("b", 2, true))
	address := newServer(t, func() *nbd.Server {
		if connections.Add(1) == 1 {
			return listed()
		}
		return left()
	})
	r, err := infoOf(t, &infoCommand{URL: "nbd://" + address})
	if err != nil || len(r.Exports) != 3 {
		t.Fatalf("%+v, error %v", r, err)
	}
	if gone := r.Exports[1]; gone.Name != "gone" || missing(gone.Error, "no such export") != "" || gone.Features == nil || gone.BlockSize != nil {
		t.Errorf("the failure: %+v", gone)
	}
	if a, b := r.Exports[0], r.Exports[2]; a.Size != 1 || b.Size != 2 || a.Error+b.Error != "" {
		t.Errorf("the others: %+v, %+v", a, b)
	}
}

func TestGatherWithoutASuccess(t *testing.T) {
	var refused *nbd.OptionError
	for _, exports := range [][]nbd.Export{nil, {newExport("a", 1, true)}} {
		nothing := "nothing"
		_, err := infoOf(t, &infoCommand{URL: "nbd://" + newServer(t, serverOf(nil, exports...)), Export: &nothing})
		if !errors.As(err, &refused) || refused.Export != nothing || refused.Reply != nbd.RepErrUnknown {
			t.Errorf("with %d exports: %v", len(exports), err)
		}
	}
	_, err := infoOf(t, &infoCommand{URL: "nbd://" + newServer(t, serverOf(nil))})
	if !errors.As(err, &refused) || refused.Export != "" {
		t.Errorf("no exports at all: %v", err)
	}
}

func TestGatherRefusesTwoNames(t *testing.T) {
	b := "b"
	_, err := infoOf(t, &infoCommand{URL: "nbd://127.0.0.1/a", Export: &b})
	wantError(t, err, true, `"a"`, `"b"`, "give one of them")
}

// With TLS, also through a bridge: the session ends at the server.
func TestInfoWithTLS(t *testing.T) {
	ca, cert, key := pemFiles(t)
	address := newServer(t, serverOf(pki().server(), newExport("a", 1, true)))
	trust := trustFlags{CA: ca, Cert: cert, Key: key, ServerName: demoServerName}
	for _, url := range []string{"nbds://" + address, newBridge(t, map[string]string{"lab": address}) + "lab"} {
		r, err := infoOf(t, &infoCommand{URL: url, trustFlags: trust})
		if err != nil {
			t.Errorf("%s: %v", url, err)
			continue
		}
		got, pin := r.TLS, nbd.PinOf(parseCert(t, pki().serverPair.Certificate[0])).String()
		if got.Version != "TLS 1.3" || got.ServerName != demoServerName || got.Issuer != "CN=NBD demo CA" || got.Pin != pin || strings.Join(got.DNSNames, " ") != demoServerName {
			t.Errorf("%s: %+v", url, got)
		}
	}
}

// The folder that a URI names, pins, and no verification at all.
func TestInfoByEveryTrust(t *testing.T) {
	address := newServer(t, serverOf(pki().server(), newExport("a", 1, true)))
	folder := libnbdFolder(t)
	cert, key := filepath.Join(folder, "client-cert.pem"), filepath.Join(folder, "client-key.pem")
	pin := nbd.PinOf(parseCert(t, pki().serverPair.Certificate[0])).String()
	for _, c := range []struct {
		query      string
		trust      trustFlags
		verifiedBy string
	}{
		{"?tls-hostname=" + demoServerName + "&tls-certificates=" + folder, trustFlags{}, "ca"},
		{"?tls-certificates=" + folder, trustFlags{ServerName: demoServerName, Pins: []string{pin}}, "ca+pin"},
		{"", trustFlags{Pins: []string{nbd.Pin{}.String(), pin}, Cert: cert, Key: key}, "pin"},
		{"?tls-verify-peer=0&tls-certificates=" + folder, trustFlags{}, "nothing"},
		{"", trustFlags{Insecure: true, Cert: cert, Key: key}, "nothing"},
	} {
		r, err := infoOf(t, &infoCommand{URL: "nbds://" + address + "/" + c.query, trustFlags: c.trust})
		if err != nil || r.TLS.VerifiedBy != c.verifiedBy {
			t.Errorf("%s %+v: %+v, error %v", c.query, c.trust, r, err)
		}
	}
}

// A session that preferred TLS and went without says so, whichever it was.
func TestInfoTellsOfPlainSessions(t *testing.T) {
	var connections atomic.Int32
	plain, secure := serverOf(nil, newExport("a", 1, true), newExport("b", 1, true)), serverOf(pki().server(), newExport("a", 1, true), newExport("b", 1, true))
	ca, cert, key := pemFiles(t)
	trust := trustFlags{TLS: "prefer", CA: ca, Cert: cert, Key: key, ServerName: demoServerName}
	for plainOne, want := range map[int32]string{
		0: "encryption: TLS 1.3", 2: "encryption: none: TLS was preferred and refused", 3: "encryption: none: TLS was preferred and refused",
	} {
		connections.Store(0)
		address := newServer(t, func() *nbd.Server {
			if connections.Add(1) == plainOne {
				return plain()
			}
			return secure()
		})
		var text strings.Builder
		r, err := infoOf(t, &infoCommand{URL: "nbd://" + address, trustFlags: trust})
		if err != nil {
			t.Fatal(err)
		}
		if r.print(&text); !strings.HasPrefix(text.String(), want) || r.TLSMode != "prefer" {
			t.Errorf("connection %d in the clear: %s", plainOne, &text)
		}
	}
}

func TestInfoAdvises(t *testing.T) {
	ca, cert, key := pemFiles(t)
	plain, secure := newServer(t, serverOf(nil)), newServer(t, serverOf(pki().server()))
	bridge := newBridge(t, map[string]string{"lab": secure})
	for _, c := range []struct {
		url    string
		flags  trustFlags
		advice string
	}{
		{"nbds://" + plain, trustFlags{}, "use --tls off"},
		{"nbd://" + plain, trustFlags{}, "name one with --export"},
		{"nbd://" + plain + "/x", trustFlags{}, "bridge info lists the exports"},
		{"nbd://" + secure, trustFlags{}, "--tls require with --ca FILE"},
		{"nbds://" + secure, trustFlags{ServerName: demoServerName}, "with --ca FILE"},
		{"nbds://" + secure, trustFlags{CA: ca}, "--server-name NAME"},
		{bridge + "lab", trustFlags{CA: ca, ServerName: demoServerName}, "--cert FILE and --key FILE"},
		{"nbds://" + secure, trustFlags{Pins: []string{nbd.Pin{}.String()}}, "before you give it as --pin"},
		{bridge + "nobody", trustFlags{TLS: "off"}, "unknown target"},
		{bridge + "lab", trustFlags{CA: ca, Cert: cert, Key: key, ServerName: "evil.example"}, "--server-name NAME"},
	} {
		err := (&infoCommand{URL: c.url, trustFlags: c.flags}).Run(t.Context(), slog.New(slog.DiscardHandler))
		t.Run(c.advice, func(t *testing.T) { wantError(t, err, false, c.url, c.advice) })
	}
}

func TestInfoPrints(t *testing.T) {
	url := "nbd://" + newServer(t, serverOf(nil, newExport("a", 1, true)))
	code, text, _ := runWith(t, "info", url)
	if code != 0 || !strings.HasPrefix(text, "encryption: none\nexport \"a\":\n") {
		t.Errorf("code %d: %s", code, text)
	}
	code, text, _ = runWith(t, "info", url, "--json")
	var got serverReport
	if err := json.Unmarshal([]byte(text), &got); err != nil || code != 0 || got.URL != url || got.Exports[0].Size != 1 {
		t.Errorf("code %d, error %v: %s", code, err, text)
	}
}
