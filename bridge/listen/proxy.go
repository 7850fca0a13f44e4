package listen

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/pires/go-proxyproto"
)

const defaultHeaderTimeout = 5 * time.Second

// proxied demands a header of the peers that are to send one.
func (o Options) proxied(l net.Listener) net.Listener {
	if !o.ProxyProtocol.Unix && len(o.ProxyProtocol.Networks) == 0 {
		return l
	}
	if o.HeaderTimeout <= 0 {
		o.HeaderTimeout = defaultHeaderTimeout
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &listener{l, o}
}

type listener struct {
	net.Listener
	options Options
}

func (l *listener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil || !l.options.ProxyProtocol.Trusts(c.RemoteAddr()) {
		return c, err
	}
	told := proxyproto.NewConn(c, proxyproto.WithPolicy(proxyproto.REQUIRE),
		proxyproto.SetReadHeaderTimeout(l.options.HeaderTimeout))
	return &conn{Conn: told, log: l.options.Log}, nil
}

// A conn begins with a PROXY protocol header. The library reads it when the
// connection is first read from, written to or asked for its addresses. Until
// it came nothing is read or written; without it, nothing ever is.
type conn struct {
	*proxyproto.Conn
	log     *slog.Logger
	refused sync.Once
}

func (c *conn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if err != nil && c.ProxyHeader() == nil {
		c.refused.Do(func() {
			c.log.Debug("a connection without a good PROXY protocol header", "peer", c.Raw().RemoteAddr().String(), "error", err)
		})
	}
	return n, err
}

// CloseWrite ends one direction, so that the last bytes arrive.
func (c *conn) CloseWrite() error {
	half, ok := c.Raw().(interface{ CloseWrite() error })
	if !ok {
		return net.ErrClosed
	}
	return half.CloseWrite()
}

type peerKey struct{}

// ConnContext is for http.Server: it keeps the address of the immediate peer,
// which PROXY protocol hides. It does not wait for the header.
func ConnContext(ctx context.Context, c net.Conn) context.Context {
	if secure, ok := c.(interface{ NetConn() net.Conn }); ok {
		c = secure.NetConn()
	}
	if told, ok := c.(interface{ Raw() net.Conn }); ok {
		c = told.Raw()
	}
	return context.WithValue(ctx, peerKey{}, c.RemoteAddr())
}

// Peer is the address of the immediate peer of a request that came through
// ConnContext, and nil for others.
func Peer(r *http.Request) net.Addr {
	peer, _ := r.Context().Value(peerKey{}).(net.Addr)
	return peer
}
