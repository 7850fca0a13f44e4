package main

import (
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"nbdbridge/bridge/config"
)

// warnings speak up about what is allowed and probably not meant. at is where
// the bridge listens.
func warnings(c *config.Config, at []net.Addr) (texts []string) {
	tell := func(when bool, text string) {
		if when && !slices.Contains(texts, text) {
			texts = append(texts, text)
		}
	}
	for _, addr := range at {
		if loopback(addr) {
			continue
		}
		where := "listening beyond this machine at " + addr.String()
		tell(c.TLS.Cert == "", where+" without TLS: everyone on the way can read target names and tickets, "+
			"and change the pages that are served; give --tls-cert and --tls-key, or put a TLS proxy in front")
		tell(c.Auth.Methods() == 0, where+" without authentication: anyone who reaches this address can connect to every target; "+
			"give auth.tickets, auth.certificates or auth.header")
		tell(len(c.PublicURL) == 0, "only requests for loopback names are answered: give --public-url with the URL that browsers use")
	}
	for _, list := range []struct {
		key   string
		peers []config.Peer
	}{
		{"proxies.protocol", c.Proxies.Protocol}, {"proxies.forwarded", c.Proxies.Forwarded}, {"auth.header.from", c.Auth.Header.From},
	} {
		tell(slices.ContainsFunc(list.peers, config.Peer.Everyone), list.key+" holds all addresses: every client may say who it is; name the proxies alone")
	}
	return texts
}

// loopback tells whether only this machine reaches an address.
func loopback(addr net.Addr) bool {
	tcp, ok := addr.(*net.TCPAddr)
	return !ok || tcp.IP.IsLoopback()
}

// addressOf is where a listener of the configuration will be, without looking
// names up: a name that is not localhost is taken for another machine's view of
// this one.
func addressOf(l config.Listener) net.Addr {
	host, digits, err := net.SplitHostPort(string(l))
	ip, parsed := netip.ParseAddr(host)
	port, _ := strconv.Atoi(digits)
	switch {
	case err != nil || strings.HasPrefix(string(l), "unix:") || strings.HasPrefix(string(l), "systemd:"):
		return &net.UnixAddr{Name: string(l)}
	case host == "localhost":
		return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port}
	case parsed != nil:
		return &net.TCPAddr{Port: port}
	}
	return &net.TCPAddr{IP: ip.AsSlice(), Port: port}
}
