package nbd_test

import (
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"net"
	"net/url"
	"testing"
)

var commonName = asn1.ObjectIdentifier{2, 5, 4, 3}

// A certificate is let in for what it is, and not for a name of another kind
// or a part of one.
func TestAllowClientsLookalikes(t *testing.T) {
	for name, c := range map[string]struct {
		listed string
		edit   func(*x509.Certificate)
		in     bool
	}{
		"the subject":      {"CN=client1", func(c *x509.Certificate) { c.Subject.CommonName = "client1" }, true},
		"an IP address":    {"fd00::1", func(c *x509.Certificate) { c.IPAddresses = []net.IP{net.ParseIP("fd00::1")} }, true},
		"a URI":            {"spiffe://lab/a", func(c *x509.Certificate) { c.URIs = []*url.URL{must(url.Parse("spiffe://lab/a"))} }, true},
		"a URI like an IP": {"fd00::1", func(c *x509.Certificate) { c.URIs = []*url.URL{must(url.Parse("fd00::1"))} }, false},
		"one common name of two": {"CN=client1", func(c *x509.Certificate) {
			c.Subject = pkix.Name{ExtraNames: []pkix.AttributeTypeAndValue{{Type: commonName, Value: "mallory"}, {Type: commonName, Value: "client1"}}}
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			srv := testServer(pattern(100))
			srv.TLS, srv.AllowClients = mutualTLS(), []string{c.listed}
			conn, verdict := serve(t, srv)
			conn = slack(t, conn)
			knock(t, conn, optionRequest(optStartTLS, nil), optionReply(optStartTLS, repAck, nil))
			cert := ours().issue(func(x *x509.Certificate) {
				forClients(x)
				x.DNSNames = nil
				c.edit(x)
			})
			session := tls.Client(conn, &tls.Config{RootCAs: ours().pool(), ServerName: serverName, Certificates: []tls.Certificate{cert}})
			_ = session.Handshake()
			send(t, session, optionRequest(optAbort, nil))
			_, err := session.Read(make([]byte, 1))
			if (err == nil) != c.in {
				t.Errorf("let in: %t, not %t: %v", err == nil, c.in, err)
			}
			conn.Close()
			_ = verdict()
		})
	}
}
