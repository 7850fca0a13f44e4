package nbd_test

import (
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"math"
	"net"
	"net/url"
	"strings"
	"testing"

	"nbdbridge/nbd"
)

// inside makes a TLS session of ours out of a connection after STARTTLS.
func inside(c net.Conn, certs ...tls.Certificate) *tls.Conn {
	return tls.Client(c, &tls.Config{RootCAs: ours().pool(), ServerName: serverName, Certificates: certs})
}

// known is the client of the tests: a subject of two parts and a name of each kind.
func known(t *x509.Certificate) {
	forClients(t)
	t.Subject = pkix.Name{CommonName: "client1", Organization: []string{"Lab"}}
	t.DNSNames, t.EmailAddresses = []string{"client1.lab"}, []string{"alice@lab"}
	t.IPAddresses = []net.IP{net.IPv4(10, 0, 0, 7), net.ParseIP("fd00::7")}
	t.URIs = []*url.URL{must(url.Parse("spiffe://lab/client1"))}
}

func TestAllowClients(t *testing.T) {
	alice := ours().issue(known)
	other := ours().issue(forClients)
	subject := func(edit func(*x509.Certificate)) tls.Certificate {
		return ours().issue(func(t *x509.Certificate) { forClients(t); t.Subject = pkix.Name{}; t.DNSNames = nil; edit(t) })
	}
	mallory := subject(func(t *x509.Certificate) { t.DNSNames = []string{"CN=client1,O=Lab"} })
	number := subject(func(t *x509.Certificate) { t.DNSNames = []string{"10.0.0.7"} })
	letter := subject(func(t *x509.Certificate) { t.URIs = []*url.URL{{Path: "CN=client1,O=Lab"}} })
	quoted := subject(func(t *x509.Certificate) { t.Subject.CommonName = "client1,O=Lab" })
	for _, row := range []struct {
		entry string
		certs []tls.Certificate
		in    bool
	}{
		{"CN=client1,O=Lab", []tls.Certificate{alice}, true},
		{"client1.lab", []tls.Certificate{alice}, true},
		{"alice@lab", []tls.Certificate{alice}, true},
		{"10.0.0.7", []tls.Certificate{alice}, true},
		{"fd00::7", []tls.Certificate{alice}, true},
		{"spiffe://lab/client1", []tls.Certificate{alice}, true},
		{nbd.PinOf(alice.Leaf).String(), []tls.Certificate{alice}, true},
		{"CN=client1", []tls.Certificate{alice}, false},
		{"client1", []tls.Certificate{alice}, false},
		{"O=Lab", []tls.Certificate{alice}, false},
		{"cn=client1,o=lab", []tls.Certificate{alice}, false},
		{"CN=client1,O=Lab ", []tls.Certificate{alice}, false},
		{"CN=client1,O=Laboratory", []tls.Certificate{alice}, false},
		{"lab", []tls.Certificate{alice}, false},
		{"*.lab", []tls.Certificate{alice}, false},
		{"10.0.0.0/8", []tls.Certificate{alice}, false},
		{"spiffe://lab/", []tls.Certificate{alice}, false},
		{nbd.PinOf(alice.Leaf).String(), []tls.Certificate{other}, false},
		{"CN=client1,O=Lab", []tls.Certificate{other}, false},
		{"CN=client1,O=Lab", []tls.Certificate{mallory}, false},
		{"CN=client1,O=Lab", []tls.Certificate{letter}, false},
		{"CN=client1,O=Lab", []tls.Certificate{quoted}, false},
		{"10.0.0.7", []tls.Certificate{number}, false},
		{"CN=client1,O=Lab", nil, false},
		{"CN=client1,O=Lab", []tls.Certificate{stranger().issue(known)}, false},
		{"CN=client1,O=Lab", []tls.Certificate{ours().issue(func(t *x509.Certificate) { known(t); t.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} })}, false},
	} {
		for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
			srv := testServer(pattern(100))
			srv.TLS = serverTLS(serverCert())
			srv.TLS.ClientCAs, srv.TLS.MaxVersion = ours().pool(), version
			srv.AllowClients = []string{"CN=nobody", row.entry}
			c, verdict := serve(t, srv)
			c = slack(t, c)
			knock(t, c, optionRequest(optStartTLS, nil), optionReply(optStartTLS, repAck, nil))
			session := inside(c, row.certs...)
			got := hungUp
			if session.Handshake() == nil {
				got, _ = ask(t, session, optList, nil)
			}
			c.Close()
			err := verdict()
			if in := got == repAck; in != row.in || !row.in && (err == nil || !strings.Contains(err.Error(), "TLS handshake")) {
				t.Errorf("%q, version %#x: LIST %#x, %v", row.entry, version, got, err)
			}
		}
	}
}

// A configuration chosen for a client is held to the same rules.
func TestChosenTLSConfig(t *testing.T) {
	srv := testServer(nil)
	srv.TLS = &tls.Config{ClientCAs: ours().pool(), GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
		return serverTLS(serverCert()), nil
	}}
	srv.AllowClients = []string{"CN=client1,O=Lab"}
	for cert, want := range map[*tls.Certificate]reaction{ptr(ours().issue(known)): repAck, ptr(ours().issue(forClients)): hungUp} {
		c, _ := serve(t, srv)
		c = slack(t, c)
		knock(t, c, optionRequest(optStartTLS, nil), optionReply(optStartTLS, repAck, nil))
		if got, _ := ask(t, inside(c, *cert), optList, nil); got != want {
			t.Errorf("%v: %#x", cert.Leaf.Subject, got)
		}
		c.Close()
	}
}

func ptr[T any](v T) *T { return &v }

// What can't be meant is an error before anybody is served.
func TestServerValidate(t *testing.T) {
	with := func(edit func(*nbd.Server)) *nbd.Server {
		srv := testServer(pattern(100))
		edit(srv)
		return srv
	}
	tlsOn := func(s *nbd.Server) { s.TLS = mutualTLS() }
	block := func(minimum, preferred, maximum uint32) func(*nbd.Server) {
		return func(s *nbd.Server) {
			s.Exports[0].BlockSize = nbd.BlockSize{Minimum: minimum, Preferred: preferred, MaximumPayload: maximum}
		}
	}
	both := func(a, b func(*nbd.Server)) func(*nbd.Server) { return func(s *nbd.Server) { a(s); b(s) } }
	for name, row := range map[string]struct {
		edit func(*nbd.Server)
		want string // in the error; "" for none
	}{
		"as it is":                  {func(*nbd.Server) {}, ""},
		"no exports":                {func(s *nbd.Server) { s.Exports = nil }, ""},
		"TLS":                       {tlsOn, ""},
		"TLS that is not used":      {both(tlsOn, func(s *nbd.Server) { s.TLSMode = nbd.NoTLS }), ""},
		"TLS only":                  {both(tlsOn, func(s *nbd.Server) { s.TLSMode, s.Exports[1].TLSOnly = nbd.SelectiveTLS, true }), ""},
		"a list":                    {both(tlsOn, func(s *nbd.Server) { s.AllowClients = []string{"CN=a", "sha256/" + strings.Repeat("A", 43) + "="} }), ""},
		"a list of nobody":          {both(tlsOn, func(s *nbd.Server) { s.AllowClients = []string{} }), ""},
		"blocks":                    {block(65536, 0, 0), ""},
		"odd payload":               {block(512, 4096, 5000), ""},
		"unknown mode":              {both(tlsOn, func(s *nbd.Server) { s.TLSMode = 5 }), "unknown TLS mode"},
		"negative mode":             {both(tlsOn, func(s *nbd.Server) { s.TLSMode = -1 }), "unknown TLS mode"},
		"forced without TLS":        {func(s *nbd.Server) { s.TLSMode = nbd.ForcedTLS }, "needs a certificate"},
		"optional without TLS":      {func(s *nbd.Server) { s.TLSMode = nbd.OptionalTLS }, "needs a certificate"},
		"selective without TLS":     {func(s *nbd.Server) { s.TLSMode = nbd.SelectiveTLS }, "needs a certificate"},
		"TLS without a certificate": {func(s *nbd.Server) { s.TLS = &tls.Config{} }, "needs a certificate"},
		"TLSOnly, forced":           {both(tlsOn, func(s *nbd.Server) { s.Exports[0].TLSOnly = true }), "TLSOnly"},
		"TLSOnly, no TLS":           {func(s *nbd.Server) { s.Exports[0].TLSOnly = true }, "TLSOnly"},
		"a list without TLS":        {func(s *nbd.Server) { s.AllowClients = []string{"CN=a"} }, "keeps nobody out"},
		"a list, TLS optional":      {both(tlsOn, func(s *nbd.Server) { s.AllowClients, s.TLSMode = []string{"CN=a"}, nbd.OptionalTLS }), "keeps nobody out"},
		"a list without a CA":       {func(s *nbd.Server) { s.TLS, s.AllowClients = serverTLS(serverCert()), []string{"CN=a"} }, "ClientCAs"},
		"an empty entry":            {both(tlsOn, func(s *nbd.Server) { s.AllowClients = []string{""} }), "empty entry"},
		"a bad pin":                 {both(tlsOn, func(s *nbd.Server) { s.AllowClients = []string{"sha256/AAAA"} }), "bad pin"},
		"a long name":               {func(s *nbd.Server) { s.Exports[0].Name = strings.Repeat("n", 4097) }, "4097 bytes"},
		"a name that is not UTF-8":  {func(s *nbd.Server) { s.Exports[0].Name = "\xff" }, "UTF-8"},
		"a name with NUL":           {func(s *nbd.Server) { s.Exports[0].Name = "a\x00" }, "NUL"},
		"a name twice":              {func(s *nbd.Server) { s.Exports[1].Name = "vda" }, "two exports"},
		"a long description":        {func(s *nbd.Server) { s.Exports[0].Description = strings.Repeat("n", 4097) }, "4097 bytes"},
		"no device":                 {func(s *nbd.Server) { s.Exports[1].Device = nil }, "no device"},
		"a negative size":           {func(s *nbd.Server) { s.Exports[1].Device = sized{newAble(0), -1} }, "negative size"},
		"negative connections":      {func(s *nbd.Server) { s.MaxConnections = -1 }, "-1 connections"},
		"minimum 3":                 {block(3, 0, 0), "block sizes"},
		"minimum 131072":            {block(131072, 0, 0), "block sizes"},
		"preferred 256":             {block(1, 256, 0), "block sizes"},
		"preferred 5000":            {block(1, 5000, 0), "block sizes"},
		"preferred under minimum":   {block(4096, 512, 0), "block sizes"},
		"payload under preferred":   {block(1, 4096, 2048), "block sizes"},
		"payload over 32 MiB":       {block(1, 4096, 32<<20+1), "block sizes"},
		"payload 2^32-1":            {block(1, 4096, math.MaxUint32), "block sizes"},
	} {
		srv := with(row.edit)
		err := srv.Validate()
		if (err == nil) != (row.want == "") || err != nil && !strings.Contains(err.Error(), row.want) {
			t.Errorf("%s: %v", name, err)
		}
		if err == nil {
			continue
		}
		c, verdict := serve(t, srv)
		if n, _ := c.Read(make([]byte, 1)); n != 0 || verdict() == nil || verdict().Error() != err.Error() {
			t.Errorf("%s: ServeConn: %v", name, verdict())
		}
		l := newPipes()
		if got := srv.Serve(t.Context(), l); got == nil || got.Error() != err.Error() {
			t.Errorf("%s: Serve: %v", name, got)
		}
		if _, err := l.Accept(); err == nil {
			t.Errorf("%s: Serve left its listener open", name)
		}
	}
}
