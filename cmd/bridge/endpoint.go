package main

import (
	"context"
	"net"
	"net/url"
	"strings"

	"nbdbridge/nbd"
)

// An endpoint is where an NBD server is to be reached, directly or through a
// bridge, as the user's URL states it.
type endpoint struct {
	url              string
	network, address string // empty behind a bridge
	export           string
	hasExport        bool
	serverName       string      // the name to expect in the certificate, if the URL tells
	mode             nbd.TLSMode // the scheme's default
}

const endpointForms = "use ws://HOST/nbd/TARGET, wss://…, nbd://HOST[:PORT]/EXPORT, nbds://…, nbd+unix:///EXPORT?socket=PATH or nbds+unix://…"

// parseEndpoint reads the URL forms of `bridge info`.
func parseEndpoint(s string) (*endpoint, error) {
	u, err := url.Parse(s)
	if err != nil {
		return nil, usagef("%q is no URL: %s", s, endpointForms)
	}
	if u.User != nil || u.Fragment != "" {
		return nil, usagef("%q: user names and fragments mean nothing here", u.Redacted())
	}
	if strings.Count(u.Host, ":") > 1 && u.Host[0] != '[' {
		return nil, usagef("%q: an IPv6 address goes in brackets, as in nbd://[::1]:10809/", s)
	}
	e := &endpoint{url: s}
	switch u.Scheme {
	case "ws", "wss":
		return e, e.bridge(u)
	case "nbd", "nbds":
		err = e.tcp(u)
	case "nbd+unix", "nbds+unix":
		err = e.unix(u)
	default:
		return nil, usagef("%q: unknown scheme %q: %s", s, u.Scheme, endpointForms)
	}
	if err == nil && !strings.HasPrefix(u.Scheme, "nbds") {
		e.mode = nbd.TLSOff
	}
	return e, err
}

func (e *endpoint) bridge(u *url.URL) error {
	if u.Hostname() == "" || strings.Trim(u.Path, "/") == "" {
		return usagef("%q: want the bridge and a target, as in ws://HOST/nbd/TARGET", e.url)
	}
	return nil
}

func (e *endpoint) tcp(u *url.URL) error {
	if u.Hostname() == "" {
		return usagef("%q has no host: want nbd://HOST[:PORT]/EXPORT", e.url)
	}
	if u.RawQuery != "" {
		return usagef("%q: unknown query %q: certificates are given by --ca, --cert and --key", e.url, u.RawQuery)
	}
	port := u.Port()
	if port == "" {
		port = "10809"
	}
	e.network, e.address, e.serverName = "tcp", net.JoinHostPort(u.Hostname(), port), u.Hostname()
	e.takeExport(u.Path)
	return nil
}

func (e *endpoint) unix(u *url.URL) error {
	q, err := url.ParseQuery(u.RawQuery)
	if err != nil || len(q) != 1 || len(q["socket"]) != 1 || q.Get("socket") == "" || u.Host != "" {
		return usagef("%q: want %s:///EXPORT?socket=PATH", e.url, u.Scheme)
	}
	e.network, e.address = "unix", q.Get("socket")
	e.takeExport(u.Path)
	return nil
}

// takeExport removes the one slash that parts host and export, and no other.
func (e *endpoint) takeExport(path string) {
	e.export = strings.TrimPrefix(path, "/")
	e.hasExport = e.export != ""
}

// dial opens the byte stream to the server.
func (e *endpoint) dial(ctx context.Context) (net.Conn, error) {
	if e.network == "" {
		return dialTunnel(ctx, e.url)
	}
	var d net.Dialer
	return d.DialContext(ctx, e.network, e.address)
}
