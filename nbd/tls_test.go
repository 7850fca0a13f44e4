package nbd_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"nbdbridge/nbd"
)

// Certificates that a server may show, by what is wrong with them.
var shown = map[string]func() tls.Certificate{
	"good":     serverCert,
	"stranger": func() tls.Certificate { return stranger().issue(nil) },
	"name": func() tls.Certificate {
		return ours().issue(func(t *x509.Certificate) { t.DNSNames = []string{"other.test"} })
	},
	"expired": func() tls.Certificate {
		return ours().issue(func(t *x509.Certificate) { t.NotAfter = time.Date(1995, 1, 1, 0, 0, 0, 0, time.UTC) })
	},
	"CN only":     func() tls.Certificate { return ours().issue(func(t *x509.Certificate) { t.DNSNames = nil }) },
	"client only": func() tls.Certificate { return ours().issue(forClients) },
}

// reach runs a client against our server in a bubble, up to a first List.
func reach(t *testing.T, server *tls.Config, cfg *nbd.Config) (state *tls.ConnectionState, err error) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		defer promptly(t)()
		srv := testServer(nil)
		srv.TLS = server
		c, _ := serve(t, srv)
		var client *nbd.Client
		if client, err = nbd.NewClient(t.Context(), slack(t, c), cfg); err == nil {
			state = client.TLS()
			_, err = client.List(t.Context())
		}
	})
	return state, err
}

// A trust is a way of saying whom to trust; pin is that of the certificate shown.
type trust func(shown nbd.Pin) nbd.TLSConfig

func byCA(nbd.Pin) nbd.TLSConfig {
	return nbd.TLSConfig{RootCAs: ours().pool(), ServerName: serverName}
}
func byPin(p nbd.Pin) nbd.TLSConfig    { return nbd.TLSConfig{Pins: []nbd.Pin{{1}, p}} }
func byWrongPin(nbd.Pin) nbd.TLSConfig { return nbd.TLSConfig{Pins: []nbd.Pin{{1}, {2}}} }
func byNobody(nbd.Pin) nbd.TLSConfig   { return nbd.TLSConfig{Insecure: true} }
func byPinNamed(p nbd.Pin) nbd.TLSConfig {
	return nbd.TLSConfig{Pins: []nbd.Pin{p}, ServerName: serverName}
}
func byBoth(p nbd.Pin) nbd.TLSConfig {
	return nbd.TLSConfig{RootCAs: ours().pool(), ServerName: serverName, Pins: []nbd.Pin{p}}
}
func byCAWrongPin(nbd.Pin) nbd.TLSConfig {
	return nbd.TLSConfig{RootCAs: ours().pool(), ServerName: serverName, Pins: []nbd.Pin{{2}}}
}

func TestTrust(t *testing.T) {
	for _, c := range []struct {
		cert  string
		by    string
		trust trust
		text  string // of the error; empty for success
	}{
		{"good", "CA", byCA, ""},
		{"stranger", "CA", byCA, "unknown authority"},
		{"name", "CA", byCA, "other.test, not nbd.test"},
		{"expired", "CA", byCA, "expired"},
		{"CN only", "CA", byCA, "issue the server's certificate with a subjectAltName, or pin it"},
		{"client only", "CA", byCA, "with the serverAuth usage, or pin it"},
		{"good", "pin", byPin, ""},
		{"stranger", "pin", byPin, ""},
		{"name", "pin with a name", byPinNamed, ""},
		{"expired", "pin", byPin, ""},
		{"CN only", "pin", byPin, ""},
		{"client only", "pin", byPin, ""},
		{"good", "wrong pin", byWrongPin, "is not pinned; its pin is sha256/"},
		{"good", "CA and pin", byBoth, ""},
		{"good", "CA and wrong pin", byCAWrongPin, "is not pinned"},
		{"stranger", "CA and pin", byBoth, "unknown authority"},
		{"name", "CA and pin", byBoth, "not nbd.test"},
		{"stranger", "nobody", byNobody, ""},
	} {
		for _, mode := range []nbd.TLSMode{nbd.TLSRequire, nbd.TLSPrefer} {
			t.Run(c.cert+"/"+c.by+"/"+mode.String(), func(t *testing.T) {
				cert := shown[c.cert]()
				state, err := reach(t, serverTLS(cert), &nbd.Config{TLSMode: mode, TLS: c.trust(nbd.PinOf(cert.Leaf))})
				if c.text == "" {
					if err != nil || state == nil || state.Version != tls.VersionTLS13 {
						t.Errorf("error: %v", err)
					}
					return
				}
				var failed *nbd.TLSError
				if !errors.As(err, &failed) || !strings.Contains(err.Error(), c.text) || failed.CertificateRequested {
					t.Errorf("error: %v", err)
				}
				if pin := (*nbd.PinError)(nil); errors.As(err, &pin) && pin.Got != nbd.PinOf(cert.Leaf) {
					t.Errorf("the error tells the wrong pin: %v", err)
				}
			})
		}
	}
}

// A configuration that says nothing of trust is refused before a byte is sent.
func TestNoTrust(t *testing.T) {
	pin := []nbd.Pin{{1}}
	for name, c := range map[string]struct {
		cfg nbd.TLSConfig
		is  error
	}{
		"nothing":                     {nbd.TLSConfig{}, nbd.ErrNoTrust},
		"a name alone":                {nbd.TLSConfig{ServerName: "a"}, nbd.ErrNoTrust},
		"a CA without a name":         {nbd.TLSConfig{RootCAs: ours().pool()}, nbd.ErrNoTrust},
		"a CA and pin without a name": {nbd.TLSConfig{RootCAs: ours().pool(), Pins: pin}, nbd.ErrNoTrust},
		"system roots without a name": {nbd.TLSConfig{SystemRoots: true}, nbd.ErrNoTrust},
		"insecure with a CA":          {nbd.TLSConfig{Insecure: true, RootCAs: ours().pool(), ServerName: "a"}, nil},
		"insecure with pins":          {nbd.TLSConfig{Insecure: true, Pins: pin}, nil},
		"insecure with system roots":  {nbd.TLSConfig{Insecure: true, SystemRoots: true, ServerName: "a"}, nil},
	} {
		for _, mode := range []nbd.TLSMode{nbd.TLSRequire, nbd.TLSPrefer} {
			sent := against(t, func(l *liar) { l.greet() }, func(t *testing.T, ctx context.Context, conn net.Conn) {
				_, err := nbd.NewClient(ctx, conn, &nbd.Config{TLSMode: mode, TLS: c.cfg})
				if err == nil || c.is != nil && !errors.Is(err, c.is) {
					t.Errorf("%s: %v", name, err)
				}
				if _, err := conn.Write([]byte{0}); err == nil {
					t.Errorf("%s: the connection is still open", name)
				}
			})
			if len(sent) > 0 {
				t.Errorf("%s: sent %x", name, sent)
			}
		}
	}
	if err := (&nbd.Config{TLSMode: 3}).Validate(); err == nil {
		t.Error("TLS mode 3 is fine")
	}
}

func TestTLSVersions(t *testing.T) {
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		cfg := serverTLS(serverCert())
		cfg.MinVersion, cfg.MaxVersion = version, version
		if state, err := reach(t, cfg, trusting()); err != nil || state.Version != version {
			t.Errorf("%#x: %v", version, err)
		}
	}
	against(t, func(l *liar) {
		l.greet()
		l.startTLS(&tls.Config{Certificates: []tls.Certificate{serverCert()}, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11})
		_ = l.conn.(*tls.Conn).Handshake()
	}, func(t *testing.T, ctx context.Context, c net.Conn) {
		defer promptly(t)()
		_, err := nbd.NewClient(ctx, c, trusting())
		if failed := (*nbd.TLSError)(nil); !errors.As(err, &failed) || !strings.Contains(err.Error(), "version") {
			t.Errorf("a server with TLS 1.1: %v", err)
		}
	})
}

// Our server's minimum is 1.2 whatever its configuration says.
func TestServerRefusesTLS11(t *testing.T) {
	cfg := serverTLS(serverCert())
	cfg.MinVersion = tls.VersionTLS10
	srv := testServer(nil)
	srv.TLS = cfg
	c, verdict := serve(t, srv)
	knock(t, c, optionRequest(optStartTLS, nil), optionReply(optStartTLS, repAck, nil))
	old := tls.Client(c, &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11})
	if err := old.Handshake(); err == nil {
		t.Error("the handshake went through")
	}
	c.Close()
	if verdict() == nil {
		t.Error("the server is content")
	}
}

// A server that demands a certificate tells late, or by hanging up; the error
// says so all the same.
func TestClientCertificates(t *testing.T) {
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		for _, c := range []struct {
			name  string
			certs []tls.Certificate
			text  string // empty for success
		}{
			{"right", []tls.Certificate{clientCert()}, ""},
			{"right after wrong", []tls.Certificate{wrongCert(), clientCert()}, ""},
			{"none", nil, "none was configured"},
			{"wrong", []tls.Certificate{wrongCert()}, "the server may have refused it"},
		} {
			t.Run(tls.VersionName(version)+"/"+c.name, func(t *testing.T) {
				server, cfg := mutualTLS(), trusting()
				server.MaxVersion, cfg.TLS.Certificates = version, c.certs
				_, err := reach(t, server, cfg)
				if c.text == "" {
					if err != nil {
						t.Errorf("error: %v", err)
					}
					return
				}
				var failed *nbd.TLSError
				if !errors.As(err, &failed) || !failed.CertificateRequested || failed.CertificateSent != (c.certs != nil) ||
					failed.ServerName != serverName || !strings.Contains(err.Error(), c.text) {
					t.Errorf("error: %+v", err)
				}
			})
		}
	}
}

// With TLS 1.3 the handshake succeeds on our side; some servers then just close.
func TestCertificateRefusedByHangingUp(t *testing.T) {
	against(t, func(l *liar) {
		l.greet()
		cfg := serverTLS(serverCert())
		cfg.ClientAuth = tls.RequestClientCert
		l.startTLS(cfg)
		l.option()
		l.raw.Close()
	}, func(t *testing.T, ctx context.Context, c net.Conn) {
		err := negotiate(ctx, c, trusting())
		if failed := (*nbd.TLSError)(nil); !errors.As(err, &failed) || !failed.CertificateRequested || failed.CertificateSent {
			t.Errorf("error: %v", err)
		}
	})
}

func TestPins(t *testing.T) {
	pin := nbd.PinOf(serverCert().Leaf)
	hex := strings.ToUpper(strings.Join(strings.Fields(spaced(pin)), ":"))
	for _, s := range []string{pin.String(), hex, strings.ReplaceAll(hex, ":", "")} {
		if got, err := nbd.ParsePin(s); err != nil || got != pin {
			t.Errorf("ParsePin(%q) = %v, %v", s, got, err)
		}
	}
	for _, s := range []string{"", "sha256/", "sha256/AAAA", "zz", pin.String() + "A", hex + ":00", strings.TrimPrefix(pin.String(), "sha256/")} {
		if _, err := nbd.ParsePin(s); err == nil {
			t.Errorf("ParsePin(%q) works", s)
		}
	}
}

func TestTLSModes(t *testing.T) {
	for _, m := range []nbd.TLSMode{nbd.TLSRequire, nbd.TLSPrefer, nbd.TLSOff} {
		if got, err := nbd.ParseTLSMode(m.String()); err != nil || got != m {
			t.Errorf("%v: %v, %v", m, got, err)
		}
	}
	if _, err := nbd.ParseTLSMode("Require"); err == nil || nbd.TLSMode(7).String() != "TLSMode(7)" {
		t.Error("an unknown mode is known")
	}
}
