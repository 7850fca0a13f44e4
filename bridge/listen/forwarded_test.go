package listen_test

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"nbdbridge/bridge/listen"
)

func networks(list ...string) listen.Proxies {
	var p listen.Proxies
	for _, s := range list {
		p.Networks = append(p.Networks, netip.MustParsePrefix(s))
	}
	return p
}

func TestTrusts(t *testing.T) {
	tcp := func(s string) net.Addr { return net.TCPAddrFromAddrPort(netip.MustParseAddrPort(s)) }
	for _, c := range []struct {
		proxies listen.Proxies
		peer    net.Addr
		want    bool
	}{
		{networks(), tcp("127.0.0.1:1"), false},
		{networks("10.0.0.0/8"), tcp("10.255.0.1:1"), true},
		{networks("10.0.0.0/8"), tcp("11.0.0.1:1"), false},
		{networks("10.0.0.0/8"), tcp("[::ffff:10.0.0.1]:1"), true},
		{networks("::ffff:10.0.0.0/104"), tcp("10.0.0.1:1"), true},
		{networks("::ffff:10.0.0.0/104"), tcp("[::ffff:10.0.0.1]:1"), true},
		{networks("::ffff:10.0.0.0/104"), tcp("11.0.0.1:1"), false},
		{networks("::/0"), tcp("10.0.0.1:1"), false},
		{networks("0.0.0.0/0"), tcp("[2001:db8::1]:1"), false},
		{networks("::1/128", "2001:db8::/32"), tcp("[2001:db8::1]:1"), true},
		{networks("fe80::/10"), tcp("[fe80::1%eth0]:1"), true},
		{networks("0.0.0.0/0"), &net.UnixAddr{Name: "@", Net: "unix"}, false},
		{listen.Proxies{Unix: true}, &net.UnixAddr{Name: "@", Net: "unix"}, true},
		{listen.Proxies{Unix: true}, tcp("127.0.0.1:1"), false},
		{networks("0.0.0.0/0"), &net.TCPAddr{}, false},
		{networks("0.0.0.0/0"), (*net.TCPAddr)(nil), false},
		{listen.Proxies{Unix: true}, nil, false},
	} {
		if got := c.proxies.Trusts(c.peer); got != c.want {
			t.Errorf("%v: Trusts(%v) is %v", c.proxies, c.peer, got)
		}
	}
}

// forward sends one request through Forwarded, as from a peer, and returns it
// as the next handler gets it.
func forward(p listen.Proxies, peer net.Addr, remote string, lines ...string) *http.Request {
	r := httptest.NewRequest("GET", "/", nil)
	r.RemoteAddr = remote
	if peer != nil {
		here, there := net.Pipe()
		defer here.Close()
		defer there.Close()
		r = r.WithContext(listen.ConnContext(context.Background(), from{here, peer}))
	}
	if lines != nil {
		r.Header["X-Forwarded-For"] = lines
	}
	r.Header.Set("X-Real-IP", "203.0.113.99")
	r.Header.Set("Forwarded", "for=203.0.113.99")
	var got *http.Request
	listen.Forwarded(p, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got = r })).ServeHTTP(nil, r)
	return got
}

type from struct {
	net.Conn
	peer net.Addr
}

func (f from) RemoteAddr() net.Addr { return f.peer }

func TestForwarded(t *testing.T) {
	const client = "198.51.100.1:0"
	long := strings.Repeat("10.0.0.2,", 31)
	for _, c := range []struct {
		name  string
		lines []string
		want  string // "" keeps the proxy's own address
	}{
		{"none", nil, ""},
		{"one", []string{"198.51.100.1"}, client},
		{"with a port", []string{"198.51.100.1:4711"}, client},
		{"inside IPv6", []string{"::ffff:198.51.100.1"}, client},
		{"inside IPv6 with a port", []string{"[::ffff:198.51.100.1]:1"}, client},
		{"IPv6", []string{"2001:db8::1"}, "[2001:db8::1]:0"},
		{"IPv6 in brackets", []string{"[2001:db8::1]"}, "[2001:db8::1]:0"},
		{"IPv6 with a port", []string{"[2001:db8::1]:4711"}, "[2001:db8::1]:0"},
		{"zone", []string{"fe80::1%eth0"}, "[fe80::1]:0"},
		{"the client's own first", []string{"203.0.113.9, 198.51.100.1"}, client},
		{"the client's own nonsense first", []string{"<b>, ,,203.0.113.9, 198.51.100.1"}, client},
		{"through another proxy", []string{"203.0.113.9, 198.51.100.1, 10.0.0.2, 10.0.0.3"}, client},
		{"through a proxy inside IPv6", []string{"198.51.100.1, ::ffff:10.0.0.2"}, client},
		{"a proxy of another network", []string{"198.51.100.1, 203.0.113.9"}, "203.0.113.9:0"},
		{"several headers", []string{"203.0.113.9", "198.51.100.1,10.0.0.3", "10.0.0.2"}, client},
		{"the last header decides", []string{"203.0.113.9", "198.51.100.1"}, client},
		{"tabs", []string{"203.0.113.9\t,\t198.51.100.1\t"}, client},
		{"all are proxies", []string{"10.0.0.4, 10.0.0.3"}, "10.0.0.4:0"},
		{"as many proxies as may be", []string{"198.51.100.1," + long + "10.0.0.3"}, ""},
		{"almost as many", []string{"198.51.100.1," + long[9:] + "10.0.0.3"}, client},
		{"empty", []string{""}, ""},
		{"empty last", []string{"198.51.100.1,"}, ""},
		{"empty header last", []string{"198.51.100.1", ""}, ""},
		{"unknown", []string{"unknown"}, ""},
		{"obfuscated", []string{"_hidden"}, ""},
		{"a name", []string{"client.example"}, ""},
		{"malformed before a proxy", []string{"198.51.100.1, unknown, 10.0.0.2"}, ""},
		{"half a bracket", []string{"[2001:db8::1"}, ""},
		{"IPv4 in brackets", []string{"[198.51.100.1]"}, ""},
		{"no port after all", []string{"198.51.100.1:"}, ""},
		{"port too large", []string{"198.51.100.1:65536"}, ""},
		{"leading zeros", []string{"198.051.100.1"}, ""},
		{"quoted", []string{`"198.51.100.1"`}, ""},
		{"long", []string{strings.Repeat("1", 1<<20)}, ""},
		{"many", []string{strings.Repeat("10.0.0.2,", 1<<16)}, ""},
	} {
		for _, peer := range []struct {
			addr   net.Addr
			remote string
			kept   string
		}{
			{&net.TCPAddr{IP: net.IPv4(10, 0, 0, 1), Port: 5}, "10.0.0.1:5", "10.0.0.1:5"},
			{nil, "10.0.0.1:5", "10.0.0.1:5"},
			{&net.UnixAddr{Name: "@", Net: "unix"}, "@", "unix"},
			{&net.UnixAddr{Net: "unix"}, "", "unix"},
		} {
			want := c.want
			if want == "" {
				want = peer.kept
			}
			p := networks("10.0.0.0/8")
			p.Unix = true
			if got := forward(p, peer.addr, peer.remote, c.lines...).RemoteAddr; got != want {
				t.Errorf("%s, by %v: %s, want %s", c.name, peer.addr, got, want)
			}
		}
	}
}

// From others the header means nothing, here and in what comes after.
func TestForwardedFromOthers(t *testing.T) {
	for _, c := range []struct {
		peer         net.Addr
		remote, want string
	}{
		{&net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 5}, "192.0.2.1:5", "192.0.2.1:5"},
		{&net.UnixAddr{Name: "@", Net: "unix"}, "@", "unix"},
		{&net.UnixAddr{Name: "/10.0.0.1:5", Net: "unix"}, "/10.0.0.1:5", "unix"},
		{&net.UnixAddr{Name: "/told", Net: "unix"}, "192.0.2.1:5", "192.0.2.1:5"},
		{&net.TCPAddr{IP: net.IPv4(10, 0, 0, 1), Port: 5}, "192.0.2.1:5", "192.0.2.1:5"}, // told by PROXY protocol
		{&net.TCPAddr{IP: net.IPv4(10, 0, 0, 1), Port: 5}, "/path", "unix"},              // told by PROXY protocol
		{nil, "@", "unix"},
	} {
		r := forward(networks("10.0.0.0/8"), c.peer, c.remote, "198.51.100.1")
		if r.RemoteAddr != c.want {
			t.Errorf("%v: %s, want %s", c.peer, r.RemoteAddr, c.want)
		}
		if _, ok := r.Header["X-Forwarded-For"]; ok {
			t.Errorf("%v: the header is still there", c.peer)
		}
	}
}

// The request that net/http knows is not changed.
func TestForwardedCopies(t *testing.T) {
	r := httptest.NewRequest("GET", "/", nil)
	r.Header.Set("X-Forwarded-For", "198.51.100.1")
	listen.Forwarded(listen.Proxies{}, http.NotFoundHandler()).ServeHTTP(httptest.NewRecorder(), r)
	if r.Header.Get("X-Forwarded-For") == "" {
		t.Error("the header is gone from the request itself")
	}
}

func FuzzForwarded(f *testing.F) {
	for _, seed := range []string{"", "198.51.100.1", "[2001:db8::1]:80, 10.0.0.1", "unknown, _x", "fe80::1%eth0,,", "[", "[]:", "::ffff:10.0.0.1"} {
		f.Add(seed, seed)
	}
	f.Fuzz(func(t *testing.T, first, second string) {
		p := networks("10.0.0.0/8")
		r := forward(p, &net.TCPAddr{IP: net.IPv4(10, 0, 0, 1), Port: 5}, "10.0.0.1:5", first, second)
		remote, err := netip.ParseAddrPort(r.RemoteAddr)
		if err != nil || remote.Addr().Is4In6() || remote.Addr().Zone() != "" {
			t.Fatalf("%q, %q: RemoteAddr %q", first, second, r.RemoteAddr)
		}
		// What a client sends can't hide the address that the proxy adds.
		r = forward(p, &net.TCPAddr{IP: net.IPv4(10, 0, 0, 1), Port: 5}, "10.0.0.1:5", first, second+",198.51.100.1")
		if r.RemoteAddr != "198.51.100.1:0" {
			t.Fatalf("%q, %q: RemoteAddr %q", first, second, r.RemoteAddr)
		}
	})
}
