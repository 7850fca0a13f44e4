// Package listen makes the listeners that a bridge serves on: TCP, Unix sockets
// and those that systemd hands over, behind proxies that tell who is there.
package listen

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/netip"
)

// Proxies are the peers that are believed when they tell who a client is.
type Proxies struct {
	Networks []netip.Prefix
	Unix     bool // whoever connects to a Unix socket
}

// Options say how a listener treats its connections.
type Options struct {
	// Mode are the permissions of a Unix socket; 0 is 0660.
	Mode uint32
	// ProxyProtocol are the peers that must begin with a PROXY protocol
	// header, version 1 or 2. Others must not.
	ProxyProtocol Proxies
}

// Listen listens at HOST:PORT, unix:/PATH or systemd:NAME, where NAME is
// FileDescriptorName= of a socket unit. Its connections show the client's
// address, and keep what the kernel needs for splicing within reach by a
// method Raw() net.Conn.
func Listen(address string, o Options) (net.Listener, error) { return nil, errors.New("not yet") }

// ConnContext is for http.Server: it keeps the address of the immediate peer,
// which PROXY protocol hides.
func ConnContext(ctx context.Context, c net.Conn) context.Context { return ctx }

// Peer is the address of the immediate peer of a request that came through
// ConnContext.
func Peer(r *http.Request) net.Addr { return nil }

// Trusts tells whether a peer is one of these proxies.
func (p Proxies) Trusts(peer net.Addr) bool { return false }

// Forwarded gives each request whose immediate peer is one of the proxies the
// client's address of X-Forwarded-For, read from the right up to the first that
// is no proxy. From anyone else the header means nothing and is removed.
func Forwarded(p Proxies, next http.Handler) http.Handler { return next }
