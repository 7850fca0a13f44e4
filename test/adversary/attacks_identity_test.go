package adversary

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"sync/atomic"
	"testing"

	"nbdbridge/nbd"
)

func pinned(cert tls.Certificate) *nbd.Config {
	return &nbd.Config{TLS: nbd.TLSConfig{Pins: []nbd.Pin{nbd.PinOf(cert.Leaf)}}}
}

func withPin(cfg *nbd.Config, cert tls.Certificate) *nbd.Config {
	cfg.TLS.Pins = []nbd.Pin{nbd.PinOf(cert.Leaf)}
	return cfg
}

func withCertificate(cfg *nbd.Config) *nbd.Config {
	cfg.TLS.Certificates = []tls.Certificate{clientCert()}
	return cfg
}

func servingAs(cert tls.Certificate) *nbd.Server { return serving(serverTLS(cert), 0) }

var (
	wildcardCert = ours().issue(named("*.test"))
	usageCert    = ours().issue(func(t *x509.Certificate) { t.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth} })
)

// identityAttacks are about who is at the other end.
var identityAttacks = []attack{
	{"A4_own_certificate", []play{
		{name: "another_CA", do: intercepted(requiring(), forgedCert())},
		{name: "other_name", do: intercepted(requiring(), otherCert())},
		{name: "client_usage", do: intercepted(requiring(), usageCert)},
		{name: "user_s_own_certificate", do: intercepted(requiring(), clientCert())},
		{name: "pin", do: intercepted(pinned(serverCert()), forgedCert())},
		{name: "pin_and_CA", do: intercepted(withPin(requiring(), serverCert()), replicaCert())},
		{name: "mode_prefer", do: intercepted(preferring(), forgedCert())},
		{name: "insecure_is_insecure", do: insecureIsInsecure},
	}},
	{"A5_misdirection", []play{
		{name: "other_name", scene: scene{server: servingAs(otherCert())}, want: distrusted},
		{name: "other_usage", scene: scene{server: servingAs(usageCert)}, want: distrusted},
		{name: "same_name_pinned", scene: scene{cfg: pinned(serverCert()), server: servingAs(replicaCert())}, want: distrusted},
		{name: "same_name_pinned_with_CA", scene: scene{cfg: withPin(requiring(), serverCert()), server: servingAs(replicaCert())}, want: distrusted},
		{name: "wildcard_pinned", scene: scene{cfg: withPin(requiring(), serverCert()), server: servingAs(wildcardCert)}, want: distrusted},
		{name: "same_name_is_accepted_by_CA", scene: scene{server: servingAs(replicaCert())}, want: harmless},
		{name: "wildcard_is_accepted_by_CA", scene: scene{server: servingAs(wildcardCert)}, want: harmless},
	}},
	{"A10_split_connections", []play{
		{name: "second_connection", do: secondConnectionElsewhere},
	}},
	{"A13_replay_across_connections", []play{
		{name: "client", do: eachVersion(replayToServer)},
		{name: "server", do: eachVersion(replayToClient)},
		{name: "no_early_data", do: eachVersion(nothingToResume)},
		{name: "early_data_offered", scene: scene{alter: edits(offerEarlyData)}, want: distrusted},
		{name: "early_data_sent", scene: scene{alter: earlyData}, want: distrusted},
	}},
	{"A14_version_downgrade", []play{
		{name: "no_supported_versions", scene: scene{alter: edits(func(h *hello) { h.drop(extSupportedVersions) })}, want: distrusted},
		{name: "1.2_only", scene: scene{alter: edits(func(h *hello) { h.find(extSupportedVersions).data = []byte{2, 3, 3} })}, want: distrusted},
		{name: "1.1_only", scene: scene{alter: edits(func(h *hello) { h.find(extSupportedVersions).data = []byte{2, 3, 2} })}, want: distrusted},
		{name: "1.0", scene: scene{alter: edits(func(h *hello) { h.drop(extSupportedVersions); h.head[1] = 1 })}, want: distrusted},
		{name: "one_suite", scene: scene{alter: edits(func(h *hello) { h.suites = []byte{0, 2, 0x13, 1} })}, want: distrusted},
		{name: "no_extensions", scene: scene{alter: edits(func(h *hello) { h.extensions = nil })}, want: distrusted},
		{name: "ServerHello", scene: scene{alter: on(false, kindRecord, func(_ *bridge, m message) []byte {
			if m.nth == 0 {
				m.data[10] ^= 1 // of the legacy version
			}
			return m.data
		})}, want: distrusted},
	}},
	{"A17_resumption", []play{
		{name: "nothing_to_resume", do: eachVersion(nothingToResume)},
	}},
	{"A19_metadata", []play{
		{name: "what_is_seen", do: whatIsSeen},
	}},
	{"A20_relayed_client_certificate", []play{
		{name: "other_name", do: relayedCertificate},
	}},
}

func preferring() *nbd.Config {
	cfg := requiring()
	cfg.TLSMode = nbd.TLSPrefer
	return cfg
}

// The second of two connections to one disk goes to another server: what the
// user's trust tells apart is refused, and what it does not can be compared.
func secondConnectionElsewhere(t *testing.T) {
	cfg := withPin(requiring(), serverCert())
	if o := (scene{cfg: cfg}).play(t); harmless(o) != "" {
		t.Errorf("first: %v", o.err)
	}
	if o := (scene{cfg: cfg, server: servingAs(replicaCert())}).play(t); distrusted(o) != "" {
		t.Errorf("second: %v", o.err)
	}
	if keyOf(t, serverCert()) == keyOf(t, replicaCert()) {
		t.Error("a caller can't tell the two servers apart")
	}
}

// keyOf is what a user learns of the key of a server whose CA is trusted.
func keyOf(t *testing.T, cert tls.Certificate) (pin nbd.Pin) {
	o := scene{server: servingAs(cert), use: func(ctx context.Context, c net.Conn, cfg *nbd.Config) error {
		client, err := nbd.NewClient(ctx, c, cfg)
		if err != nil {
			return err
		}
		pin = nbd.PinOf(client.TLS().PeerCertificates[0])
		return client.Abort(ctx)
	}}.play(t)
	if o.err != nil {
		t.Error(o.err)
	}
	return pin
}

func eachVersion(test func(t *testing.T, version uint16)) func(t *testing.T) {
	return func(t *testing.T) {
		for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
			t.Run(tls.VersionName(version), func(t *testing.T) { test(t, version) })
		}
	}
}

func servingVersion(version uint16) *nbd.Server {
	cfg := serverTLS(serverCert())
	cfg.MinVersion, cfg.MaxVersion = version, version
	return serving(cfg, 0)
}

// A session that was recorded, its writes in it, is worth nothing to a server.
func replayToServer(t *testing.T, version uint16) {
	srv := servingVersion(version)
	o := scene{server: srv}.play(t)
	if wrong := harmless(o); wrong != "" {
		t.Fatal(wrong, o.err)
	}
	if _, err := srv.Exports[0].Device.WriteAt(make([]byte, len(secret)), 0); err != nil {
		t.Fatal(err)
	}
	again := scene{server: srv, use: func(_ context.Context, c net.Conn, _ *nbd.Config) error {
		_, err := c.Write(o.sent)
		in := &taker{from: c}
		in.take(1 << 20)
		return errors.Join(err, in.err)
	}}.play(t)
	if again.served == nil || untouched(again) != "" {
		t.Errorf("the server: %v, %s", again.served, untouched(again))
	}
}

func replayToClient(t *testing.T, version uint16) {
	var answers []byte
	o := scene{server: servingVersion(version), alter: func(_ *bridge, m message) []byte {
		if !m.up {
			answers = append(answers, m.data...)
		}
		return m.data
	}}.play(t)
	if wrong := harmless(o); wrong != "" {
		t.Fatal(wrong, o.err)
	}
	again := scene{alter: instead(false, kindGreeting, nil), use: func(ctx context.Context, c net.Conn, cfg *nbd.Config) error {
		return session(ctx, &preceded{c, answers}, cfg)
	}}.play(t)
	if wrong := distrusted(again); wrong != "" {
		t.Errorf("%s: %v", wrong, again.err)
	}
}

// preceded is a connection with bytes before its own.
type preceded struct {
	net.Conn
	first []byte
}

func (p *preceded) Read(b []byte) (int, error) {
	if len(p.first) > 0 {
		n := copy(b, p.first)
		p.first = p.first[n:]
		return n, nil
	}
	return p.Conn.Read(b)
}

// No connection offers to resume an older one, nor early data.
func nothingToResume(t *testing.T, version uint16) {
	cfg := requiring()
	for range 2 {
		o := scene{cfg: cfg, server: servingVersion(version)}.play(t)
		if wrong := harmless(o); wrong != "" {
			t.Fatal(wrong, o.err)
		}
		h := parseHello(firstRecord(o.sent))
		for _, typ := range []uint16{extPreSharedKey, extEarlyData} {
			if h.find(typ) != nil {
				t.Errorf("the client offers extension %d", typ)
			}
		}
		if e := h.find(extSessionTicket); e != nil && len(e.data) > 0 {
			t.Error("the client offers a ticket")
		}
	}
}

func offerEarlyData(h *hello) { h.extensions = append(h.extensions, extension{typ: extEarlyData}) }

// earlyData puts a request behind a ClientHello that offers it.
func earlyData(b *bridge, m message) []byte {
	out := edits(offerEarlyData)(b, m)
	if m.up && m.kind == kindRecord && m.nth == 0 {
		return cat(out, record(recordData, option(optGo, exportRequest("vda"))))
	}
	return out
}

// firstRecord is the ClientHello in what a client sent.
func firstRecord(sent []byte) []byte {
	b := sent[4+16:]
	return b[:5+int(b[3])<<8+int(b[4])]
}

// What the bridge sees is the server's name, and with TLS 1.2 the client's
// certificate; never what is stored.
func whatIsSeen(t *testing.T) {
	for version, seen := range map[uint16]bool{tls.VersionTLS12: true, tls.VersionTLS13: false} {
		srv := serving(mutualTLS(serverCert()), 0)
		srv.TLS.MaxVersion = version
		o := scene{cfg: withCertificate(requiring()), server: srv}.play(t)
		if wrong := harmless(o); wrong != "" {
			t.Fatal(wrong, o.err)
		}
		if !bytes.Contains(o.sent, []byte(serverName)) || bytes.Contains(o.sent, secret) || bytes.Contains(o.sent, []byte("vda")) {
			t.Errorf("%#x: %q", version, o.sent)
		}
		if bytes.Contains(o.sent, clientCert().Certificate[0]) != seen {
			t.Errorf("%#x: the client's certificate was seen: %v", version, !seen)
		}
	}
}

// A bridge takes the user to another server of the same CA that wants client
// certificates: it gets none, because the user looks at the server first.
func relayedCertificate(t *testing.T) {
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		var asked atomic.Bool
		cfg := mutualTLS(otherCert())
		cfg.MaxVersion = version
		cfg.VerifyPeerCertificate = func([][]byte, [][]*x509.Certificate) error { asked.Store(true); return nil }
		o := scene{cfg: withCertificate(requiring()), server: serving(cfg, 0)}.play(t)
		if wrong := distrusted(o); wrong != "" || asked.Load() || o.served == nil {
			t.Errorf("%s: %v; the other server got the certificate: %v", wrong, o.err, asked.Load())
		}
	}
}
