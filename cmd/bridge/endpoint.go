package main

import (
	"context"
	"net"

	"nbdbridge/nbd"
)

// An endpoint is where an NBD server is to be reached, directly or through a
// bridge, as the user's URI states it.
type endpoint struct {
	url string // as it was given
	*nbd.URI
}

// parseEndpoint reads the URI of `bridge info` and `bridge connect`.
func parseEndpoint(s string) (*endpoint, error) {
	u, err := nbd.ParseURI(s)
	if err != nil {
		return nil, usageError{err}
	}
	return &endpoint{s, u}, nil
}

// dial opens the byte stream to the server.
func (e *endpoint) dial(ctx context.Context) (net.Conn, error) {
	if e.Bridge != "" {
		return dialTunnel(ctx, e.Bridge)
	}
	var d net.Dialer
	return d.DialContext(ctx, e.Network, e.Address)
}
