package bridge

import (
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
)

// A policy is what the operator's public URLs and origins come to.
type policy struct {
	public  []origin
	origins []origin // public and the further ones
}

// An origin is a scheme and a host[:port], as browsers write them: lower case,
// the scheme's default port left out.
type origin struct{ scheme, host string }

var defaultPorts = map[string]string{"http": ":80", "https": ":443"}

func newPolicy(public, further []string) (*policy, error) {
	p := &policy{}
	for _, s := range public {
		o, err := parseOrigin(s)
		if err != nil {
			return nil, fmt.Errorf("public URL %w", err)
		}
		if defaultPorts[o.scheme] == "" {
			return nil, fmt.Errorf("public URL %q: the scheme must be http or https", s)
		}
		p.public = append(p.public, o)
	}
	p.origins = slices.Clone(p.public)
	for _, s := range further {
		o, err := parseOrigin(s)
		if err != nil {
			return nil, fmt.Errorf("origin %w", err)
		}
		p.origins = append(p.origins, o)
	}
	return p, nil
}

// parseOrigin reads scheme://host[:port] and nothing else.
func parseOrigin(s string) (origin, error) {
	u, err := url.Parse(s)
	if err != nil || u.Scheme == "" || u.Hostname() == "" || u.User != nil || bareIPv6(u) {
		return origin{}, fmt.Errorf("%q: want SCHEME://HOST[:PORT], such as https://app.example", s)
	}
	if rest := s[len(u.Scheme+"://"):]; strings.ContainsAny(rest, "/?#") {
		return origin{}, fmt.Errorf("%q: nothing may follow the host and port, not even a slash", s)
	}
	if strings.Contains(u.Host, "*") {
		return origin{}, fmt.Errorf("%q: there are no wildcards, list every origin", s)
	}
	if port := u.Port(); strings.HasSuffix(u.Host, ":") || port != "" && !validPort(port) {
		return origin{}, fmt.Errorf("%q: a port is a number from 1 to 65535", s)
	}
	if !isASCII(u.Host) {
		return origin{}, fmt.Errorf("%q: write an international name as browsers send it, xn--…", s)
	}
	return newOrigin(u.Scheme, u.Host), nil
}

func newOrigin(scheme, host string) origin {
	scheme, host = strings.ToLower(scheme), strings.ToLower(host)
	host = strings.TrimSuffix(host, defaultPorts[scheme])
	if addr, err := netip.ParseAddrPort(host); err == nil {
		host = addr.String() // one spelling of an IPv6 address
	} else if addr, err := netip.ParseAddr(strings.Trim(host, "[]")); err == nil && addr.Is6() {
		host = "[" + addr.String() + "]"
	}
	return origin{scheme, host}
}

// isASCII tells whether lower-casing is safe: beyond ASCII it makes different
// names equal.
func isASCII(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r > 0x7e || r <= ' ' })
}

// allowsHost judges the Host that a request names. A page of evil.example
// whose name was pointed at this machine sends that name here, as its Host and
// as its origin: only the names that the operator gave tell it from our own
// pages (DNS rebinding).
func (p *policy) allowsHost(host string) bool {
	return isASCII(host) && slices.ContainsFunc(p.public, func(o origin) bool {
		return newOrigin(o.scheme, host) == o
	})
}

// allowsOrigin judges the Origin headers of an upgrade. None at all is a
// native client: browsers always send one, and no page can leave it out.
func (p *policy) allowsOrigin(headers []string) bool {
	if len(headers) == 0 {
		return true
	}
	o, err := parseOrigin(headers[0])
	return err == nil && len(headers) == 1 && slices.Contains(p.origins, o)
}

// Guard refuses every request whose Host is not one of PublicURL's, on every
// route of next, with 421 Misdirected Request.
func (h *Handler) Guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if h.checkHost(w, r) {
			next.ServeHTTP(w, r)
		}
	})
}

func (h *Handler) checkHost(w http.ResponseWriter, r *http.Request) bool {
	p, err := h.policy()
	if err != nil {
		h.log().Error("the bridge is misconfigured", "error", err)
		http.Error(w, "The bridge is misconfigured; its log says how.", http.StatusInternalServerError)
		return false
	}
	if !p.allowsHost(r.Host) {
		http.Error(w, "This bridge does not answer to the host name of this request. "+
			"If the name is right, its operator must set it with --public-url.", http.StatusMisdirectedRequest)
		return false
	}
	return true
}

// Validate reports what can't be meant: no targets or public URL, a public URL
// or an origin that is none, limits that contradict each other. A Handler that
// does not pass answers 500 to everything.
func (h *Handler) Validate() error {
	_, err := h.policy()
	return err
}

func (h *Handler) policy() (*policy, error) {
	h.once.Do(func() { h.rules, h.invalid = h.compile() })
	return h.rules, h.invalid
}

func (h *Handler) compile() (*policy, error) {
	if h.Targets == nil {
		return nil, errors.New("no targets: there is nothing to connect to")
	}
	if len(h.PublicURL) == 0 {
		return nil, errors.New("no public URL: no request could be answered")
	}
	if err := h.Limits.withDefaults().check(); err != nil {
		return nil, err
	}
	return newPolicy(h.PublicURL, h.Origins)
}
