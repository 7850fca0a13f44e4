package main

import (
	"crypto/ed25519"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"nbdbridge/bridge"
	"nbdbridge/bridge/ticket"
)

const testSecret = "no secret: 0123456789abcdef0123456789abcdef"

// newTicket is one for lab, unless the claims say otherwise.
func newTicket(t *testing.T, secret string, change func(*ticket.Claims)) string {
	t.Helper()
	keys, err := ticket.LoadKeys(newFile(t, "secret", secret))
	if err != nil {
		t.Fatal(err)
	}
	claims := ticket.Claims{Principal: "alice", Audience: "test", Targets: []string{"lab", "mine", "none"}, Expires: time.Now().Add(time.Hour)}
	if change != nil {
		change(&claims)
	}
	token, err := ticket.Mint(keys[0], claims)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// A guarded bridge has TLS and whatever methods auth says, with two targets:
// lab for all, mine for alice.
func newGuarded(t *testing.T, ca *testCA, auth string) *running {
	t.Helper()
	cert, key := ca.server(t)
	address := newTarget(t, echo)
	auth = strings.NewReplacer("TICKETS", "tickets: {keys: "+newFile(t, "keys", testSecret)+", audience: test}",
		"HEADER", "header: {name: X-User, from: 127.0.0.0/8}", "STRANGER", "header: {name: X-User, from: 192.0.2.1}").Replace(auth)
	tlsFiles := fmt.Sprintf("tls: {cert: %s, key: %s, clientCA: %s}", newFile(t, "cert", cert), newFile(t, "key", key), newFile(t, "ca", ca.pem))
	if !strings.Contains(auth, "certificates") {
		tlsFiles = strings.Replace(tlsFiles, ", clientCA", "} # ", 1)
	}
	return startServe(t, "--config", newConfigFile(t,
		"listen: 127.0.0.1:0", "limits: {drain: 0s, addressRate: 0}", tlsFiles, "auth: {"+auth+"}",
		"targets:", "  lab: {address: 'tcp://"+address+"'}", "  mine: {address: 'tcp://"+address+"', principals: [alice]}",
	))
}

// Each row is a client, and what becomes of it under each kind of auth: the
// principal that it is admitted as, a close code, or "handshake" for one that
// TLS refuses.
func TestAuth(t *testing.T) {
	ca, other := newTestCA(t, "one"), newTestCA(t, "two")
	auths := []string{
		"TICKETS",
		"TICKETS, HEADER",
		"TICKETS, certificates: true, HEADER",
		"need: all, TICKETS, certificates: true, HEADER",
		"certificates: true",
		"TICKETS, STRANGER",
	}
	good := newTicket(t, testSecret, nil)
	noName := newTicket(t, testSecret, func(c *ticket.Claims) { c.Principal = "" })
	elsewhere := newTicket(t, testSecret, func(c *ticket.Claims) { c.Targets = []string{"elsewhere"} })
	expired := newTicket(t, testSecret, func(c *ticket.Claims) { c.Audience = "another bridge" })
	forged := newTicket(t, testSecret+"!", nil)
	alice, bob, nobody := ca.trust(ca.client(t, "alice")), ca.trust(ca.client(t, "bob")), ca.trust(ca.client(t, ""))
	stranger := ca.trust(other.client(t, "alice"))
	// A client that offers it though the server names other authorities.
	stranger.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &stranger.Certificates[0], nil }
	user := func(names ...string) http.Header { return http.Header{"X-User": names} }
	bearer := http.Header{"Authorization": {"Bearer " + good}}
	rows := []struct {
		name    string
		visitor visitor
		target  string
		want    [6]string
	}{
		{"nothing", visitor{}, "lab", [6]string{"4001", "4001", "4001", "handshake", "handshake", "4001"}},
		{"nothing, no target", visitor{}, "none", [6]string{"4001", "4001", "4001", "handshake", "handshake", "4001"}},
		{"a ticket", visitor{ticket: good}, "lab", [6]string{"alice", "alice", "alice", "handshake", "handshake", "alice"}},
		{"a ticket, no target", visitor{ticket: good}, "none", [6]string{"4004", "4004", "4004", "handshake", "handshake", "4004"}},
		{"a ticket for her own", visitor{ticket: good}, "mine", [6]string{"alice", "alice", "alice", "handshake", "handshake", "alice"}},
		{"a ticket of nobody, for hers", visitor{ticket: noName}, "mine", [6]string{"4004", "4004", "4004", "handshake", "handshake", "4004"}},
		{"a ticket for elsewhere", visitor{ticket: elsewhere}, "lab", [6]string{"4004", "4004", "4004", "handshake", "handshake", "4004"}},
		{"a ticket as bearer", visitor{header: bearer}, "lab", [6]string{"alice", "alice", "alice", "handshake", "handshake", "alice"}},
		{"a ticket of another bridge", visitor{ticket: expired}, "lab", [6]string{"4001", "4001", "4001", "handshake", "handshake", "4001"}},
		{"a forged ticket and a name", visitor{ticket: forged, header: user("bob")}, "lab", [6]string{"4001", "4001", "4001", "handshake", "handshake", "4001"}},
		{"a forged ticket and a certificate", visitor{ticket: forged, tls: bob}, "lab", [6]string{"4001", "4001", "4001", "4001", "bob", "4001"}},
		{"a certificate", visitor{tls: bob}, "lab", [6]string{"4001", "4001", "bob", "4001", "bob", "4001"}},
		{"a certificate of another authority", visitor{tls: stranger}, "lab", [6]string{"4001", "4001", "handshake", "handshake", "handshake", "4001"}},
		{"a certificate of nobody", visitor{tls: nobody}, "lab", [6]string{"4001", "4001", "4001", "4001", "4001", "4001"}},
		{"a certificate of nobody and a name", visitor{tls: nobody, header: user("bob")}, "lab", [6]string{"4001", "bob", "4001", "4001", "4001", "4001"}},
		{"a certificate for another's", visitor{tls: bob}, "mine", [6]string{"4001", "4001", "4004", "4001", "4004", "4001"}},
		{"a name", visitor{header: user("bob")}, "lab", [6]string{"4001", "bob", "bob", "handshake", "handshake", "4001"}},
		{"two names", visitor{header: user("bob", "bob")}, "lab", [6]string{"4001", "4001", "4001", "handshake", "handshake", "4001"}},
		{"a name of nobody", visitor{header: user("")}, "lab", [6]string{"4001", "4001", "4001", "handshake", "handshake", "4001"}},
		{"a long name", visitor{header: user(strings.Repeat("x", 257))}, "lab", [6]string{"4001", "4001", "4001", "handshake", "handshake", "4001"}},
		{"a password", visitor{header: http.Header{"Authorization": {"Basic YTpi"}}}, "lab", [6]string{"4001", "4001", "4001", "handshake", "handshake", "4001"}},
		{"a cookie", visitor{header: http.Header{"Cookie": {"X-User=alice; bearer=" + good}}}, "lab", [6]string{"4001", "4001", "4001", "handshake", "handshake", "4001"}},
		{"all of alice", visitor{ticket: good, tls: alice, header: user("alice")}, "mine", [6]string{"alice", "alice", "alice", "alice", "alice", "alice"}},
		{"all, the ticket of nobody", visitor{ticket: noName, tls: alice, header: user("alice")}, "lab", [6]string{"", "", "", "alice", "alice", ""}},
		{"all, the ticket for elsewhere", visitor{ticket: elsewhere, tls: alice, header: user("alice")}, "lab", [6]string{"4004", "4004", "4004", "4004", "alice", "4004"}},
		{"all, but one of bob", visitor{ticket: good, tls: bob, header: user("alice")}, "lab", [6]string{"alice", "alice", "alice", "4001", "bob", "alice"}},
		{"all, but the ticket", visitor{tls: alice, header: user("alice")}, "lab", [6]string{"4001", "alice", "alice", "4001", "alice", "4001"}},
		{"all, but the name", visitor{ticket: good, tls: alice}, "lab", [6]string{"alice", "alice", "alice", "4001", "alice", "alice"}},
	}
	for i, auth := range auths {
		t.Run(fmt.Sprint(i), func(t *testing.T) { // a comma in the name would be one in its folder
			b := newGuarded(t, ca, auth)
			for _, row := range rows {
				v := row.visitor
				if v.tls == nil {
					v.tls = ca.trust()
				}
				if got := b.becomes(t, v, row.target); got != row.want[i] {
					t.Errorf("%s, at %s: %q, want %q", row.name, row.target, got, row.want[i])
				}
			}
			if code := b.stop(); code != 0 {
				t.Errorf("exit code %d", code)
			}
			if log := b.log.rest(); strings.Contains(log, good) || strings.Contains(log, "0123456789abcdef") {
				t.Error("a secret is in the log")
			}
		})
	}
}

// becomes tells what becomes of a visitor.
func (r *running) becomes(t *testing.T, v visitor, target string) string {
	t.Helper()
	c, err := v.visit(t, r.base, target)
	if code := websocket.CloseStatus(err); code != -1 {
		return fmt.Sprint(int(code))
	}
	if err != nil {
		t.Log(err)
		return "handshake"
	}
	_, principal, _ := strings.Cut(r.log.await(t, "msg=\"session began\"", "target="+target), "principal=")
	_ = c.CloseNow()
	return strings.Trim(strings.Fields(principal)[0], `"`)
}

func TestTicketOnce(t *testing.T) {
	address, keys := newTarget(t, echo), newFile(t, "keys", testSecret)
	lines := []string{
		"listen: 127.0.0.1:0", "limits: {drain: 0s}", "targets: {lab: {address: 'tcp://" + address + "'}}",
		"auth: {tickets: {keys: " + keys + ", audience: test, once: true}}",
	}
	file := newConfigFile(t, lines...)
	b := startServe(t, "--config", file)
	token := newTicket(t, testSecret, func(c *ticket.Claims) { c.ID = "1" })
	for i, want := range []string{"alice", "4001", "4001"} {
		if got := b.becomes(t, visitor{ticket: token}, "lab"); got != want {
			t.Errorf("time %d: %s, want %s", i, got, want)
		}
		if i == 1 { // a reload forgets no ticket
			b.hangUp(t, "msg=reloaded")
		}
	}
}

// Keys can be at a URL: http will do on this machine alone.
func TestTicketKeysOfURL(t *testing.T) {
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	issuer := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, `{"keys":[{"kty":"OKP","crv":"Ed25519","x":%q}]}`, base64.RawURLEncoding.EncodeToString(public))
	}))
	defer issuer.Close()
	b := startServe(t, "--listen", "127.0.0.1:0", "--drain", "0", "--target", "lab=tcp://"+newTarget(t, echo),
		"--ticket-keys", issuer.URL, "--ticket-audience", "test")
	v := visitor{ticket: newTicket(t, pemText("PRIVATE KEY", der), nil)}
	for range 2 {
		if got := b.becomes(t, v, "lab"); got != "alice" {
			t.Error(got)
		}
		b.hangUp(t, "msg=reloaded")
	}
	if got := b.becomes(t, visitor{ticket: newTicket(t, testSecret, nil)}, "lab"); got != "4001" {
		t.Error(got)
	}
}

// MaxAge of a ticket ends the session.
func TestTicketMaxAge(t *testing.T) {
	for _, c := range []struct{ a, b, want time.Duration }{
		{0, 0, 0}, {0, 5, 5}, {5, 0, 5}, {5, 7, 5}, {7, 5, 5},
	} {
		if got := shorter(c.a, c.b); got != c.want {
			t.Errorf("%d and %d: %d", c.a, c.b, got)
		}
	}
	b := startServe(t, "--listen", "127.0.0.1:0", "--drain", "0", "--target", "lab=tcp://"+newTarget(t, echo),
		"--ticket-keys", newFile(t, "keys", testSecret), "--ticket-audience", "test")
	c, err := visitor{ticket: newTicket(t, testSecret, func(c *ticket.Claims) { c.MaxAge = time.Second })}.visit(t, b.base, "lab")
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := c.Read(t.Context()); websocket.CloseStatus(err) != bridge.StatusSessionAge {
		t.Error(err)
	}
}

// A page sends the cookies of its user, and the browser his certificate: what
// keeps it out is its origin, before any credential counts.
func TestAuthComesAfterOrigin(t *testing.T) {
	ca := newTestCA(t, "one")
	b := newGuarded(t, ca, "certificates: true")
	v := visitor{tls: ca.trust(ca.client(t, "alice")), header: http.Header{"Origin": {"https://evil.example"}}}
	if got := b.becomes(t, v, "lab"); got != "4003" {
		t.Error(got)
	}
}

func TestMethodsInOrder(t *testing.T) {
	grants := func(name string, err error) method {
		return func(*http.Request, string) (bridge.Grant, bool, error) {
			return bridge.Grant{Principal: name}, name != "", err
		}
	}
	order := []string{}
	note := func(name string) method {
		return func(*http.Request, string) (bridge.Grant, bool, error) {
			order = append(order, name)
			return bridge.Grant{}, true, nil
		}
	}
	if g, err := first([]method{grants("", nil), grants("b", nil), grants("c", nil)})(nil, ""); err != nil || g.Principal != "b" {
		t.Error(g, err)
	}
	if _, err := all([]method{note("ticket"), note("header")})(nil, ""); err != nil || !slices.Equal(order, []string{"header", "ticket"}) {
		t.Error(order, err)
	}
}
