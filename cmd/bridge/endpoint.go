package main

import (
	"context"
	"log/slog"
	"net"
	"strings"

	"nbdbridge/nbd"
)

// An endpoint is where an NBD server is to be reached, directly or through a
// bridge, as the user's URI states it.
type endpoint struct {
	url   string // as it was given, and as it may be shown
	token tokenSource
	*nbd.URI
}

// parseEndpoint reads the URI of `bridge info` and `bridge connect`.
func parseEndpoint(s string) (*endpoint, error) {
	u, err := nbd.ParseURI(s)
	if err != nil {
		return nil, usageError{err}
	}
	if u.Bridge != "" {
		s = withoutQuery(s)
	}
	return &endpoint{s, noToken, u}, nil
}

// withoutQuery is the URL of a bridge as logs and errors may hold it: proxies
// in front of one may want secrets in the query.
func withoutQuery(url string) string {
	if before, _, found := strings.Cut(url, "?"); found {
		return before + "?…"
	}
	return url
}

// exportName is that of the URL or of --export, which must not contradict.
func (e *endpoint) exportName(flag *string) (string, error) {
	if flag == nil {
		return e.Export, nil
	}
	if e.Export != "" && e.Export != *flag {
		return "", usagef("the URL names export %q and --export %q: give one of them", e.Export, *flag)
	}
	return *flag, nil
}

// dial opens the byte stream to the server.
func (e *endpoint) dial(ctx context.Context) (net.Conn, error) {
	if e.Bridge != "" {
		return dialTunnel(ctx, e.Bridge, e.token)
	}
	var d net.Dialer
	return d.DialContext(ctx, e.Network, e.Address)
}

// reach is how an export is reached, and whom to trust, as flags say.
func reach(url string, trust *trustFlags, token *tokenFlags, log *slog.Logger) (*endpoint, *nbd.Config, error) {
	e, err := parseEndpoint(url)
	if err != nil {
		return nil, nil, err
	}
	if err := token.attach(e, log); err != nil {
		return nil, nil, err
	}
	cfg, err := trust.config(e)
	return e, cfg, err
}
