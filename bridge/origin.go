package bridge

import (
	"fmt"
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
	others, err := parseOrigins(further)
	p.origins = slices.Concat(p.public, others)
	return p, err
}

func parseOrigins(list []string) ([]origin, error) {
	var origins []origin
	for _, s := range list {
		o, err := parseOrigin(s)
		if err != nil {
			return nil, fmt.Errorf("origin %w", err)
		}
		origins = append(origins, o)
	}
	return origins, nil
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
// native client: browsers always send one, and no page can leave it out. A
// native client can also send whatever it likes: where nothing authenticates
// clients, it gets in by the origin of a page that may.
func (p *policy) allowsOrigin(headers []string) bool {
	return len(headers) == 0 || isAmong(p.origins, headers)
}

// isAmong judges Origin headers by a list.
func isAmong(origins []origin, headers []string) bool {
	if len(headers) != 1 {
		return false
	}
	o, err := parseOrigin(headers[0])
	return err == nil && slices.Contains(origins, o)
}
