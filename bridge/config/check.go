package config

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/textproto"
	"net/url"
	"slices"
	"strings"
	"time"

	"nbdbridge/bridge"
)

// Check reports everything that can't be meant: values that need others,
// exclude others or contradict them. Values that a flag gave are named by their
// keys, those of the file with their lines too.
func (c *Config) Check() error {
	k := &checker{places: c.places}
	c.checkTLS(k)
	c.checkAuth(k)
	c.checkTargets(k)
	c.checkLimits(k)
	c.checkAdmin(k)
	return errors.Join(k.problems...)
}

type checker struct {
	places   places
	problems []error
}

// need collects a problem with the value of a key unless all is well.
func (k *checker) need(ok bool, key, format string, args ...any) {
	if ok {
		return
	}
	k.problems = append(k.problems, k.places.name(key, fmt.Errorf(format, args...)))
}

// At says of an error that it is about the value of a key, such as tls.cert,
// and where that stands in the file.
func (c *Config) At(key string, cause error) error { return c.places.name(key, cause) }

func (p places) name(key string, cause error) error {
	cause = fmt.Errorf("%s: %w", key, cause)
	if at, found := p.nearest(key); found {
		return p.problem(at, cause)
	}
	return cause
}

// has tells a key that stands in the file and says nothing from none: where
// nothing is asked of clients, that must be meant.
func (p places) has(key string) bool {
	_, found := p.at[key]
	return found
}

// nearest is where a key stands, or else what it would stand in.
func (p places) nearest(key string) (place, bool) {
	for key != "" {
		if at, found := p.at[key]; found {
			return at, true
		}
		key = key[:max(0, strings.LastIndexByte(key, '.'))]
	}
	return place{}, false
}

func (c *Config) checkTLS(k *checker) {
	k.need((c.TLS.Cert == "") == (c.TLS.Key == ""), "tls", "cert and key belong together")
	k.need(c.TLS.ClientCA == "" || c.TLS.Cert != "", "tls.clientCA", "client certificates need tls.cert and tls.key")
}

func (c *Config) checkAuth(k *checker) {
	a := c.Auth
	k.need(a.Need == "" || a.Methods() > 0, "auth.need", "there is no method: give auth.tickets, auth.certificates or auth.header")
	k.need(!a.Certificates || c.TLS.ClientCA != "", "auth.certificates", "needs tls.clientCA, whose certificates are believed")
	if a.Tickets != (Tickets{}) || k.places.has("auth.tickets") {
		a.Tickets.check(k)
	}
	if a.Header.On() || k.places.has("auth.header") {
		a.Header.check(k)
	}
}

func (t Tickets) check(k *checker) {
	k.need(t.Audience != "", "auth.tickets", "needs audience: the aud that tickets for this bridge have")
	k.need(t.Keys != "", "auth.tickets", "needs keys: a file, or an https:// URL of a JWK set")
	k.need(!strings.Contains(t.Keys, "\n"), "auth.tickets.keys", "want the name of a file, not what is in it")
	if t.Remote() {
		u, err := url.Parse(t.Keys)
		k.need(err == nil && strings.HasPrefix(u.Scheme, "http") && u.Hostname() != "" && u.User == nil && u.Fragment == "",
			"auth.tickets.keys", "want an https:// URL without a user or a fragment")
	}
}

// Remote tells whether Keys is a URL.
func (t Tickets) Remote() bool { return strings.Contains(t.Keys, "://") }

// notPrincipal are headers that clients and browsers set by themselves.
var notPrincipal = []string{
	"Authorization", "Connection", "Content-Length", "Cookie", "Forwarded", "Host", "Origin", "Proxy-Authorization",
	"Referer", "Transfer-Encoding", "Upgrade", "User-Agent", "X-Forwarded-For",
}

func (h Header) check(k *checker) {
	name := textproto.CanonicalMIMEHeaderKey(h.Name)
	k.need(h.Name != "", "auth.header", "needs name: the header that holds the principal")
	k.need(h.Name == "" || isToken(h.Name), "auth.header.name", "%q is no name of a header", h.Name)
	k.need(!slices.Contains(notPrincipal, name) && !strings.HasPrefix(name, "Sec-"), "auth.header.name",
		"%s is never a proof of who a client is; let the proxy set a header of its own", name)
	k.need(len(h.From) > 0, "auth.header", "needs from: the addresses of the proxies that set the header. Without, every client could")
}

// isToken judges by RFC 9110, section 5.6.2.
func isToken(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool {
		return r <= ' ' || r >= 0x7f || strings.ContainsRune(`"(),/:;<=>?@[\]{}`, r)
	})
}

func (c *Config) checkTargets(k *checker) {
	for _, name := range slices.Sorted(maps.Keys(c.Targets)) {
		t, key := c.Targets[name], "targets."+name
		k.need(name != "", key, "a target needs a name")
		k.need(t.Address.Address != "", key, "needs address: tcp://HOST:PORT or unix:///PATH")
		const nobody = "an empty list admits nobody; leave it out to admit everybody"
		k.need(t.Principals == nil || len(t.Principals) > 0, key+".principals", nobody)
		k.need(t.Origins == nil || len(t.Origins) > 0, key+".origins", nobody)
		for i, principal := range t.Principals {
			k.need(principal != "", fmt.Sprintf("%s.principals[%d]", key, i), "nobody in particular can't be admitted by name")
		}
		k.need(len(t.Principals) == 0 || c.Auth.Methods() > 0, key+".principals", "nobody has a name without auth")
	}
}

func (c *Config) checkLimits(k *checker) {
	l := c.Limits
	ping, peer := time.Duration(l.PingInterval), time.Duration(l.PeerTimeout)
	k.need(ping == 0 || peer == 0 || ping < peer, "limits.pingInterval",
		"%s must be below peerTimeout, %s: live clients would be cut", ping, peer)
	k.need(l.HeaderBytes >= 0 && l.HeaderBytes <= 1<<20 && (l.HeaderBytes == 0 || l.HeaderBytes >= 1<<10),
		"limits.headerBytes", "must be from 1KiB to 1MiB")
	h := c.Handler()
	h.PublicURL = []string{"http://localhost"}
	h.Authorize = func(*http.Request, string) (bridge.Grant, error) { return bridge.Grant{}, nil } // checkTargets has asked for one
	if err := h.Validate(); len(k.problems) == 0 && err != nil {
		k.need(false, "limits", "%v", err)
	}
}

func (c *Config) checkAdmin(k *checker) {
	a := c.Admin
	k.need(a.Listen != "" || !a.ProbeTargets && !a.Pprof && a.Hosts == nil, "admin", "needs listen: HOST:PORT, unix:/PATH or systemd:NAME")
	for i, host := range a.Hosts {
		k.need(host != "" && !strings.ContainsAny(host, "/ @"), fmt.Sprintf("admin.hosts[%d]", i), "%q: want HOST or HOST:PORT", host)
	}
}
