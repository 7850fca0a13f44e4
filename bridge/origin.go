package bridge

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

var defaultPorts = map[string]string{"http": "80", "https": "443"}

// parseOrigin reads scheme://host[:port] and nothing else, and writes it as
// browsers do: lower case, default ports left out.
func parseOrigin(s string) (scheme, host string, err error) {
	u, err := url.Parse(s)
	if err != nil || u.Scheme == "" || u.Host == "" || strings.Contains(s, "*") {
		return "", "", fmt.Errorf("%q is no origin: want scheme://host[:port], exactly, such as https://app.example", s)
	}
	if u.Path != "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil || strings.HasSuffix(s, "?") || strings.HasSuffix(s, "#") {
		return "", "", fmt.Errorf("%q is no origin: want scheme://host[:port] and nothing after it", s)
	}
	scheme = strings.ToLower(u.Scheme)
	return scheme, cleanHost(scheme, u.Host), nil
}

// cleanHost lowers a host and drops the port that the scheme implies.
func cleanHost(scheme, host string) string {
	host = strings.ToLower(host)
	if port, ok := defaultPorts[scheme]; ok {
		host = strings.TrimSuffix(host, ":"+port)
	}
	return host
}

// A policy is what the operator's origins and public URLs come to.
type policy struct {
	origins []string // scheme://host[:port]
	hosts   []string // scheme and host apart, for the Host header
	schemes []string
}

func newPolicy(public, origins []string) (*policy, error) {
	p := &policy{}
	for _, s := range public {
		scheme, host, err := parseOrigin(strings.TrimSuffix(s, "/"))
		if err != nil {
			return nil, fmt.Errorf("public URL: %w", err)
		}
		p.schemes, p.hosts = append(p.schemes, scheme), append(p.hosts, host)
		p.origins = append(p.origins, scheme+"://"+host)
	}
	for _, s := range origins {
		scheme, host, err := parseOrigin(s)
		if err != nil {
			return nil, err
		}
		p.origins = append(p.origins, scheme+"://"+host)
	}
	return p, nil
}

// allowsHost judges the Host that a request names. A page of evil.example
// whose name was pointed at this machine sends its own name here, and its
// origin is then the same as the host: only the names that the operator gave
// tell the two apart (DNS rebinding).
func (p *policy) allowsHost(host string) bool {
	for i, own := range p.hosts {
		if cleanHost(p.schemes[i], host) == own {
			return true
		}
	}
	return false
}

// allowsOrigin judges the Origin headers of an upgrade. None at all is a
// native client: browsers always send one, and pages can't leave it out.
func (p *policy) allowsOrigin(headers []string) bool {
	if len(headers) == 0 {
		return true
	}
	scheme, host, err := parseOrigin(headers[0])
	return len(headers) == 1 && err == nil && slices.Contains(p.origins, scheme+"://"+host)
}

// Guard refuses every request whose Host is not one of PublicURL's, on every
// route of next.
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
		http.Error(w, "the bridge is misconfigured; see its log", http.StatusInternalServerError)
		h.log().Error("misconfigured", "error", err)
		return false
	}
	if !p.allowsHost(r.Host) {
		http.Error(w, "This bridge does not answer to that host name. Its operator sets the name with --public-url.", http.StatusMisdirectedRequest)
		return false
	}
	return true
}
