package main

import (
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"os"
	"path/filepath"
	"reflect"
	"sync"
	"testing"

	"nbdbridge/nbd"
)

// pki is one authority for all tests: keys cost time.
var pki = sync.OnceValue(func() *demoPKI {
	p, err := newDemoPKI()
	if err != nil {
		panic(err)
	}
	return p
})

// pemFiles are the files that the flags name.
func pemFiles(t *testing.T) (ca, cert, key string) {
	t.Helper()
	return newFile(t, "ca.pem", pki().ca), newFile(t, "cert.pem", pki().clientCert), newFile(t, "key.pem", pki().clientKey)
}

// libnbdFolder is what tls-certificates names.
func libnbdFolder(t *testing.T) string {
	t.Helper()
	folder := t.TempDir()
	for name, content := range map[string]string{"ca-cert.pem": pki().ca, "client-cert.pem": pki().clientCert, "client-key.pem": pki().clientKey} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return folder
}

func endpointOf(t *testing.T, url string) *endpoint {
	t.Helper()
	e, err := parseEndpoint(url)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func TestTrustModes(t *testing.T) {
	for _, c := range []struct {
		url, flag string
		want      nbd.TLSMode
	}{
		{"nbd://h", "", nbd.TLSOff}, {"nbds://h", "", nbd.TLSRequire},
		{"nbd://h", "require", nbd.TLSRequire}, {"nbd://h", "prefer", nbd.TLSPrefer},
		{"nbds://h", "off", nbd.TLSOff}, {"nbds://h", "prefer", nbd.TLSPrefer},
		{"ws://h/nbd/x", "off", nbd.TLSOff}, {"nbds+unix:///?socket=/s", "off", nbd.TLSOff}, {"nbd+unix:///?socket=/s", "", nbd.TLSOff},
	} {
		cfg, err := (&trustFlags{TLS: c.flag}).config(endpointOf(t, c.url))
		if err != nil || cfg.TLSMode != c.want || !cfg.ReadOnly {
			t.Errorf("%s with --tls %q: %+v, error %v", c.url, c.flag, cfg, err)
			continue
		}
		if err := cfg.Validate(); err != nil {
			t.Errorf("%s with --tls %q: %v", c.url, c.flag, err)
		}
		if on := cfg.TLSMode != nbd.TLSOff; cfg.TLS.SystemRoots != on || on && cfg.TLS.ServerName != "h" {
			t.Errorf("%s with --tls %q trusts %+v", c.url, c.flag, cfg.TLS)
		}
	}
}

func TestTrustWithEverything(t *testing.T) {
	ca, cert, key := pemFiles(t)
	for _, url := range []string{"ws://h/nbd/x", "nbds://h", "nbds+unix:///?socket=/s"} {
		f := &trustFlags{CA: ca, ServerName: demoServerName, Cert: cert, Key: key}
		cfg, err := f.config(endpointOf(t, url))
		if err != nil {
			t.Errorf("%s: %v", url, err)
			continue
		}
		got := cfg.TLS
		if got.ServerName != demoServerName || got.SystemRoots || got.Insecure || len(got.Certificates) != 1 || !got.RootCAs.Equal(pki().pool) {
			t.Errorf("%s trusts %+v", url, got)
		}
	}
}

func TestTrustWithoutACA(t *testing.T) {
	pin := nbd.Pin{1}
	for _, c := range []struct {
		url   string
		flags trustFlags
		want  nbd.TLSConfig
	}{
		{"ws://h/nbd/x", trustFlags{Pins: []string{pin.String()}}, nbd.TLSConfig{Pins: []nbd.Pin{pin}}},
		{"nbds://h", trustFlags{Pins: []string{pin.String(), hex.EncodeToString(pin[:])}}, nbd.TLSConfig{ServerName: "h", Pins: []nbd.Pin{pin, pin}}},
		{"ws://h/nbd/x", trustFlags{Insecure: true}, nbd.TLSConfig{Insecure: true}},
		{"nbds+unix:///?socket=/s&tls-verify-peer=0", trustFlags{}, nbd.TLSConfig{Insecure: true}},
		{"nbds://h?tls-hostname=n", trustFlags{ServerName: "m", Insecure: true}, nbd.TLSConfig{ServerName: "m", Insecure: true}},
		{"nbds://h?tls-hostname=n", trustFlags{}, nbd.TLSConfig{ServerName: "n", SystemRoots: true}},
	} {
		cfg, err := c.flags.config(endpointOf(t, c.url))
		if err != nil || !reflect.DeepEqual(cfg.TLS, c.want) || cfg.Validate() != nil {
			t.Errorf("%s with %+v: %+v, error %v", c.url, c.flags, cfg, err)
		}
	}
}

// A folder is read as libnbd reads it: the CA must be there, the client's own
// certificate may.
func TestTrustFolder(t *testing.T) {
	folder := libnbdFolder(t)
	url := "nbds://h?tls-certificates=" + folder
	remove := func(name string) {
		if err := os.Remove(filepath.Join(folder, name)); err != nil {
			t.Fatal(err)
		}
	}
	cfg, err := new(trustFlags).config(endpointOf(t, url))
	if err != nil || len(cfg.TLS.Certificates) != 1 || !cfg.TLS.RootCAs.Equal(pki().pool) || cfg.TLS.ServerName != "h" {
		t.Fatalf("%+v, error %v", cfg, err)
	}
	remove("client-key.pem")
	_, err = new(trustFlags).config(endpointOf(t, url))
	wantError(t, err, false, "client certificate", "client-key.pem")
	remove("client-cert.pem")
	if cfg, err = new(trustFlags).config(endpointOf(t, url)); err != nil || len(cfg.TLS.Certificates) != 0 {
		t.Errorf("without a client certificate: %+v, error %v", cfg, err)
	}
	if err := os.Rename(filepath.Join(folder, "ca-cert.pem"), filepath.Join(folder, "ca-crl.pem")); err != nil {
		t.Fatal(err)
	}
	_, err = new(trustFlags).config(endpointOf(t, url))
	wantError(t, err, false, "ca-crl.pem", "revocation lists", "--ca")
	remove("ca-crl.pem")
	_, err = new(trustFlags).config(endpointOf(t, url))
	wantError(t, err, false, "tls-certificates", "ca-cert.pem", "no such file")
}

func TestTrustRefuses(t *testing.T) {
	ca, cert, key := pemFiles(t)
	nothing := filepath.Join(t.TempDir(), "nothing.pem")
	rubbish := newFile(t, "rubbish.pem", "-----BEGIN RUBBISH-----\n")
	const direct, behind = "nbds://h", "ws://h/nbd/x"
	for _, c := range []struct {
		name, url string
		flags     trustFlags
		usage     bool
		texts     []string
	}{
		{"unknown mode", direct, trustFlags{TLS: "maybe"}, true, []string{`"maybe"`, "require, prefer or off"}},
		{"off with a CA", direct, trustFlags{TLS: "off", CA: ca}, true, []string{"TLS is off", "--tls require"}},
		{"off with a name", direct, trustFlags{TLS: "off", ServerName: "x"}, true, []string{"TLS is off"}},
		{"off with a certificate", direct, trustFlags{TLS: "off", Cert: cert}, true, []string{"TLS is off"}},
		{"off with a key", direct, trustFlags{TLS: "off", Key: key}, true, []string{"TLS is off"}},
		{"off by the scheme, with a CA", "nbd://h", trustFlags{CA: ca}, true, []string{"TLS is off", "--tls require"}},
		{"off with a pin", direct, trustFlags{TLS: "off", Pins: []string{"x"}}, true, []string{"TLS is off", "--pin"}},
		{"off and insecure", direct, trustFlags{TLS: "off", Insecure: true}, true, []string{"TLS is off", "--insecure"}},
		{"off with a folder", "nbds://h?tls-certificates=/x", trustFlags{TLS: "off"}, true, []string{"TLS is off", "tls-certificates"}},
		{"off without verification", "nbds://h?tls-verify-peer=0", trustFlags{TLS: "off"}, true, []string{"TLS is off", "tls-verify-peer"}},
		{"bad pin", direct, trustFlags{Pins: []string{"sha256/x"}}, true, []string{"--pin", "64 hex digits"}},
		{"insecure with a CA", direct, trustFlags{CA: ca, Insecure: true}, true, []string{"--insecure", "--ca"}},
		{"insecure with a pin", direct, trustFlags{Pins: []string{nbd.Pin{}.String()}, Insecure: true}, true, []string{"--insecure", "--pin"}},
		{"insecure by the URL, with a CA", "nbds://h?tls-verify-peer=0", trustFlags{CA: ca}, true, []string{"tls-verify-peer=0", "--ca"}},
		{"folder and CA", "nbds://h?tls-certificates=/x", trustFlags{CA: ca}, true, []string{"/x", "drop one of them"}},
		{"folder and certificate", "nbds://h?tls-certificates=/x", trustFlags{Cert: cert, Key: key}, true, []string{"/x", "drop one of them"}},
		{"no folder", "nbds://h?tls-certificates=/x/y", trustFlags{}, false, []string{"tls-certificates", "/x/y/ca-cert.pem"}},
		{"folder without a name", "nbds+unix:///?socket=/s&tls-certificates=" + libnbdFolder(t), trustFlags{}, true, []string{"--server-name NAME, or tls-hostname=NAME"}},
		{"bridge without a name", behind, trustFlags{CA: ca}, true, []string{behind, "--server-name NAME", "--tls off"}},
		{"bridge that prefers, without a name", behind, trustFlags{TLS: "prefer"}, true, []string{"--server-name NAME"}},
		{"socket without a name", "nbds+unix:///?socket=/s", trustFlags{}, true, []string{"--server-name NAME"}},
		{"certificate without key", direct, trustFlags{Cert: cert}, true, []string{"--cert and --key belong together"}},
		{"key without certificate", direct, trustFlags{Key: key}, true, []string{"--cert and --key belong together"}},
		{"no CA file", direct, trustFlags{CA: nothing}, false, []string{"--ca", nothing, "no such file"}},
		{"CA file without PEM", direct, trustFlags{CA: rubbish}, false, []string{"--ca", rubbish, "no PEM certificate"}},
		{"a key as CA", direct, trustFlags{CA: key}, false, []string{"--ca", key, "no PEM certificate"}},
		{"no certificate file", direct, trustFlags{Cert: nothing, Key: key}, false, []string{"client certificate", nothing}},
		{"certificate without PEM", direct, trustFlags{Cert: rubbish, Key: key}, false, []string{"client certificate", "PEM"}},
		{"key of another", direct, trustFlags{Cert: ca, Key: key}, false, []string{"client certificate", "private key"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := c.flags.config(endpointOf(t, c.url))
			wantError(t, err, c.usage, c.texts...)
		})
	}
}

// The throwaway authority can vouch for its two certificates and nothing else.
func TestDemoPKI(t *testing.T) {
	server, client := parseCert(t, pki().serverPair.Certificate[0]), parseCert(t, decodePEM(pki().clientCert))
	for _, c := range []struct {
		name  string
		cert  *x509.Certificate
		usage x509.ExtKeyUsage
		host  string
		good  bool
	}{
		{"server", server, x509.ExtKeyUsageServerAuth, demoServerName, true},
		{"server under another name", server, x509.ExtKeyUsageServerAuth, "localhost", false},
		{"server as client", server, x509.ExtKeyUsageClientAuth, "", false},
		{"client", client, x509.ExtKeyUsageClientAuth, "", true},
		{"client as server", client, x509.ExtKeyUsageServerAuth, "", false},
	} {
		_, err := c.cert.Verify(x509.VerifyOptions{Roots: pki().pool, KeyUsages: []x509.ExtKeyUsage{c.usage}, DNSName: c.host})
		if (err == nil) != c.good || c.cert.IsCA {
			t.Errorf("%s: error %v, is a CA: %t", c.name, err, c.cert.IsCA)
		}
	}
}

func decodePEM(text string) []byte {
	block, _ := pem.Decode([]byte(text))
	return block.Bytes
}

func parseCert(t *testing.T, der []byte) *x509.Certificate {
	t.Helper()
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}
