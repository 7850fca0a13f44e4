package listen

import (
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// Proxies are the peers that are believed when they tell who a client is.
type Proxies struct {
	Networks []netip.Prefix
	Unix     bool // whoever connects to a Unix socket
}

// Trusts tells whether a peer is one of these proxies. IPv4 is the same inside
// and outside of IPv6 (RFC 4291, 2.5.5.2), and an address is the same in every
// zone (RFC 4007).
func (p Proxies) Trusts(peer net.Addr) bool {
	switch peer := peer.(type) {
	case *net.UnixAddr:
		return p.Unix
	case *net.TCPAddr:
		return p.contains(peer.AddrPort().Addr())
	}
	return false
}

func (p Proxies) contains(addr netip.Addr) bool {
	addr = plain(addr)
	for _, network := range p.Networks {
		if unmap(network).Contains(addr) {
			return true
		}
	}
	return false
}

// plain is the one form of an address that is compared and shown.
func plain(addr netip.Addr) netip.Addr { return addr.Unmap().WithZone("") }

// unmap writes a network of IPv4 inside IPv6, ::ffff:0:0/96, as IPv4.
func unmap(network netip.Prefix) netip.Prefix {
	if network.Addr().Is4In6() && network.Bits() >= 96 {
		return netip.PrefixFrom(network.Addr().Unmap(), network.Bits()-96)
	}
	return network
}

const forwardedFor = "X-Forwarded-For"

// noAddress is the RemoteAddr of a client that has none.
const noAddress = "unix"

// Forwarded gives each request that comes from one of the proxies the client's
// address of X-Forwarded-For as its RemoteAddr, with port 0: entries are read
// from the right up to the first that is no proxy. If one on the way is no
// address, or more than 32 are proxies, RemoteAddr stays as it is. From anyone
// else the header means nothing and is removed. X-Real-IP and Forwarded (RFC
// 7239) are never looked at.
//
// A request comes from the immediate peer, as ConnContext keeps it, or from
// whom that peer told by PROXY protocol: a client behind a proxy of connections
// writes its own X-Forwarded-For.
//
// The RemoteAddr of a client of a Unix socket is "unix" when nobody told
// another.
func Forwarded(p Proxies, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(w, p.resolve(r))
	})
}

func (p Proxies) resolve(r *http.Request) *http.Request {
	remote, keep := r.RemoteAddr, p.Trusts(source(r))
	if _, err := netip.ParseAddrPort(remote); err != nil {
		remote = noAddress
	}
	if client, ok := p.client(r.Header[forwardedFor]); keep && ok {
		remote = netip.AddrPortFrom(client, 0).String()
	}
	keep = keep || len(r.Header[forwardedFor]) == 0
	if keep && remote == r.RemoteAddr {
		return r
	}
	r = r.Clone(r.Context())
	r.RemoteAddr = remote
	if !keep {
		r.Header.Del(forwardedFor)
	}
	return r
}

// source is who sent a request to us as far as connections tell. A Unix socket
// that a proxy told of is none of ours.
func source(r *http.Request) net.Addr {
	if peer := Peer(r); peer != nil && peer.String() == r.RemoteAddr {
		return peer
	}
	if told, err := netip.ParseAddrPort(r.RemoteAddr); err == nil {
		return net.TCPAddrFromAddrPort(told)
	}
	return nil
}

// maxHops bounds the proxies that one request may have come through.
const maxHops = 32

// client reads the lines of X-Forwarded-For as one list, from its end. If all
// are proxies, the first one is where the request began.
func (p Proxies) client(lines []string) (client netip.Addr, ok bool) {
	hops := 0
	for i := len(lines) - 1; i >= 0; i-- {
		for rest, more := lines[i], true; more; hops++ {
			var entry string
			rest, entry, more = cutLast(rest)
			if client, ok = parseEntry(entry); !ok || hops == maxHops {
				return netip.Addr{}, false
			}
			if !p.contains(client) {
				return client, true
			}
		}
	}
	return client, ok
}

func cutLast(list string) (rest, last string, more bool) {
	i := strings.LastIndexByte(list, ',')
	return list[:max(i, 0)], strings.Trim(list[i+1:], " \t"), i >= 0
}

// parseEntry reads an address, with a port or without one. The zone is the
// proxy's own affair.
func parseEntry(s string) (netip.Addr, bool) {
	if both, err := netip.ParseAddrPort(s); err == nil {
		return plain(both.Addr()), true
	}
	if inner, ok := strings.CutPrefix(s, "["); ok {
		s, ok = strings.CutSuffix(inner, "]")
		if !ok || !strings.Contains(s, ":") {
			return netip.Addr{}, false
		}
	}
	addr, err := netip.ParseAddr(s)
	return plain(addr), err == nil
}
