package main

import (
	"context"
	"net"

	"golang.org/x/time/rate"
)

// linkRate is what a link of 400 Mbit/s carries, in bytes a second: one that
// leaves the two cores of a small machine time for more than it, also where the
// server and the bridge run on them too.
const linkRate = 400e6 / 8

// A slowListener's connections send as a link does, each for itself.
type slowListener struct{ net.Listener }

func (l slowListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &slowConn{c, rate.NewLimiter(linkRate, linkBurst)}, nil
}

// linkBurst is in bytes, and at least a record of TLS.
const linkBurst = 64 << 10

type slowConn struct {
	net.Conn
	limit *rate.Limiter
}

func (c *slowConn) Write(p []byte) (n int, err error) {
	for n < len(p) && err == nil {
		piece := p[n:min(n+linkBurst, len(p))]
		if err = c.limit.WaitN(context.Background(), len(piece)); err == nil {
			var written int
			written, err = c.Conn.Write(piece)
			n += written
		}
	}
	return n, err
}
