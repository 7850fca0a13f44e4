package bridge

import (
	"context"
	"net"
	"net/http"
	"net/netip"
	"time"

	"github.com/pires/go-proxyproto"
)

// introduce tells a target whose connection this is, by a header of the PROXY
// protocol, version 2 (section 2.2). It closes the connection if it can't.
func introduce(ctx context.Context, target net.Conn, r *http.Request) error {
	stop := context.AfterFunc(ctx, func() { _ = target.SetWriteDeadline(time.Unix(1, 0)) })
	_, err := newProxyHeader(r).WriteTo(target)
	if !stop() && err == nil {
		err = context.Cause(ctx)
	}
	if err != nil {
		_ = target.Close()
	}
	return err
}

// newProxyHeader says from where the client connected, and to where. A client
// without an IP address gets the command LOCAL, which says nothing; an end of
// ours without one, such as a Unix socket behind an HTTP proxy, is the
// unspecified address.
func newProxyHeader(r *http.Request) *proxyproto.Header {
	source := parseAddress(r.RemoteAddr)
	source = netip.AddrPortFrom(source.Addr().Unmap(), source.Port())
	if !source.IsValid() {
		return proxyproto.HeaderProxyFromAddrs(2, nil, nil)
	}
	to, ok := r.Context().Value(http.LocalAddrContextKey).(*net.TCPAddr)
	if !ok && source.Addr().Is4() {
		to = &net.TCPAddr{IP: net.IPv4zero}
	} else if !ok {
		to = &net.TCPAddr{IP: net.IPv6zero}
	}
	return proxyproto.HeaderProxyFromAddrs(2, net.TCPAddrFromAddrPort(source), to)
}
