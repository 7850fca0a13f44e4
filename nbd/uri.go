package nbd

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
)

// defaultPort is what IANA gave to NBD; URIs leave it out.
const defaultPort = "10809"

// A URI says where an export is, as doc/uri.md of the specification has it,
// or where the bridge in front of its server is.
type URI struct {
	// Scheme is "nbd", "nbds", "nbd+unix", "nbds+unix", "ws" or "wss".
	Scheme string

	// Network and Address are for net.Dialer: "tcp" with a host and a port
	// (10809 unless given), or "unix" with a path; a name that begins with @
	// is that of an abstract socket. Both are empty with ws and wss.
	Network, Address string

	// Bridge is the URL to open a WebSocket to, with ws and wss only. It tells
	// nothing about the server behind: export and server name are given beside it.
	Bridge string

	// Export is the name of the export, at most 4096 bytes of UTF-8, with each
	// of its slashes and dots. Empty is the server's default export.
	Export string

	// TLSMode is what the scheme means: TLSOff with nbd and nbd+unix, else
	// TLSRequire, also with ws and wss, where the WebSocket's TLS ends at the bridge.
	TLSMode TLSMode

	// ServerName is the name to expect in the server's certificate:
	// tls-hostname, or else the host. Empty where the URI does not tell: with
	// sockets and bridges.
	ServerName string

	// Insecure is tls-verify-peer=0: any certificate will do.
	Insecure bool

	// Certificates is tls-certificates: a folder with the PEM files
	// ca-cert.pem and, for servers that demand one, client-cert.pem and
	// client-key.pem. Empty unless given.
	Certificates string
}

const uriForms = "use nbd://HOST[:PORT]/EXPORT, nbds://…, nbd+unix:///EXPORT?socket=/PATH, nbds+unix://…, or a bridge's ws://HOST/nbd/TARGET or wss://…"

// ParseURI reads a URI. Its error says what is wrong and what to write
// instead. Nothing is guessed: what would be without effect is refused, but
// for query parameters that begin with x-, which the specification leaves to
// experiments.
func ParseURI(s string) (*URI, error) {
	u, err := parse(s)
	if err != nil {
		return nil, fmt.Errorf("nbd: URI %q: %w", redact(s), err)
	}
	return u, nil
}

func parse(s string) (*URI, error) {
	p, err := url.Parse(s)
	if err != nil {
		return nil, malformed(err)
	}
	u := &URI{Scheme: p.Scheme}
	var read func(*url.URL) error
	switch p.Scheme {
	case "nbd", "nbds":
		read = u.readTCP
	case "nbd+unix", "nbds+unix":
		read = u.readUnix
	case "ws", "wss":
		read = u.readBridge
	default:
		return nil, fmt.Errorf("unknown scheme %q: %s", p.Scheme, uriForms)
	}
	if err := refuseParts(s, p); err != nil {
		return nil, err
	}
	if strings.HasPrefix(p.Scheme, "nbd") && !u.secure() {
		u.TLSMode = TLSOff
	}
	return u, read(p)
}

// malformed words what net/url can't read. Its error repeats the text that it
// stumbled over, which may be half a password.
func malformed(err error) error {
	var escape url.EscapeError
	if errors.As(err, &escape) {
		return fmt.Errorf("%w: a percent sign itself is written %%25", escape)
	}
	return errors.New("it can't be read as a URL: " + uriForms)
}

func (u *URI) secure() bool { return strings.HasPrefix(u.Scheme, "nbds") }

// refuseParts refuses what no scheme of ours has a meaning for.
func refuseParts(s string, p *url.URL) error {
	switch {
	case p.User != nil:
		return errors.New("a user stands for a pre-shared key, which this program can't use: drop the part up to the @ and use certificates")
	case strings.Contains(s, "#"):
		return errors.New("a fragment (#…) means nothing here: in the name of an export, # is written %23")
	case p.Opaque != "":
		return fmt.Errorf("two slashes are missing after %s: %s", p.Scheme+":", uriForms)
	}
	return nil
}

func (u *URI) readTCP(p *url.URL) error {
	host, port, err := hostPort(p)
	if err != nil {
		return err
	}
	u.Network, u.Address = "tcp", net.JoinHostPort(host, port)
	u.ServerName, _, _ = strings.Cut(host, "%") // no certificate has the zone
	if err := u.readQuery(p.RawQuery); err != nil {
		return err
	}
	return u.readExport(p.Path)
}

func (u *URI) readUnix(p *url.URL) error {
	if p.Host != "" {
		return fmt.Errorf("a socket has no host: write %s:///EXPORT?socket=/PATH, with three slashes", u.Scheme)
	}
	u.Network = "unix"
	if err := u.readQuery(p.RawQuery); err != nil {
		return err
	}
	if u.Address == "" {
		return fmt.Errorf("the socket is missing: write %s:///EXPORT?socket=/PATH", u.Scheme)
	}
	return u.readExport(p.Path)
}

// readBridge keeps the URL for the WebSocket, and checks that nobody takes a
// part of it for what the bridge must have no say in.
func (u *URI) readBridge(p *url.URL) error {
	if _, _, err := hostPort(p); err != nil {
		return err
	}
	if strings.Trim(p.Path, "/") == "" {
		return fmt.Errorf("the target is missing: write %s://HOST/nbd/TARGET, as the bridge was told with --target", u.Scheme)
	}
	for name := range p.Query() {
		if name == "socket" || strings.HasPrefix(name, "tls-") {
			return fmt.Errorf("the query %q would go to the bridge, which has no part in it: give it beside the URL of the bridge", name)
		}
	}
	u.Bridge = p.String()
	return nil
}

// hostPort takes the host and the port apart, checked. The host must not be
// what a program could take for an option, or for more than one word.
func hostPort(p *url.URL) (host, port string, err error) {
	host, port = p.Hostname(), p.Port()
	switch n, portErr := strconv.ParseUint(port, 10, 16); {
	case host == "":
		return "", "", fmt.Errorf("it has no host: write %s://HOST[:PORT]/…", p.Scheme)
	case port == "":
		port = defaultPort
	case portErr != nil || n == 0:
		return "", "", fmt.Errorf("port %s: want 1 to 65535", port)
	default:
		port = strconv.FormatUint(n, 10)
	}
	if strings.HasPrefix(p.Host, "[") {
		return host, port, checkIPv6(host)
	}
	return host, port, checkHost(host)
}

// checkIPv6 lets a zone be the name of an interface and nothing else.
func checkIPv6(host string) error {
	a, err := netip.ParseAddr(host)
	if err != nil || !a.Is6() || strings.ContainsFunc(a.Zone(), notInHost) {
		return fmt.Errorf("host %q in brackets is no IPv6 address: want one such as [::1], or [fe80::1%%25eth0] with a zone", host)
	}
	return nil
}

func checkHost(host string) error {
	switch {
	case strings.Contains(host, ":"):
		return errors.New("an IPv6 address goes in brackets, as in nbd://[::1]:10809/")
	case !isHostName(host):
		return fmt.Errorf("host %q is no name: want letters, digits and . - _, no - in front (a name in other letters is written in its xn-- form)", host)
	}
	return nil
}

func isHostName(s string) bool {
	return s != "" && len(s) <= 253 && s[0] != '-' && !strings.ContainsFunc(s, notInHost)
}

// notInHost holds for what neither DNS names nor interfaces are made of.
func notInHost(r rune) bool {
	digit, letter := '0' <= r && r <= '9', 'a' <= r|0x20 && r|0x20 <= 'z'
	return !digit && !letter && !strings.ContainsRune("-._", r)
}

// readExport removes the one slash that parts it from the host, and no other:
// "." and ".." are names like any other.
func (u *URI) readExport(path string) error {
	u.Export = strings.TrimPrefix(path, "/")
	return checkName(u.Export)
}

// redact hides what may be secret in what errors repeat: a password, and all
// behind the path of a URL that is not one of NBD's own, such as a bridge's.
// What can't be read may hold a password anywhere before an @.
func redact(s string) string {
	p, err := url.Parse(s)
	if i := strings.IndexAny(s, "?#"); i >= 0 && !strings.HasPrefix(strings.ToLower(s), "nbd") {
		return redact(s[:i]) + s[i:i+1] + "…"
	}
	if err == nil && p.User != nil {
		return p.Redacted()
	}
	if i := strings.LastIndex(s, "@"); i >= 0 && (err != nil || p.Opaque != "") {
		return "…" + s[i:]
	}
	return s
}
