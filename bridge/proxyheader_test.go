package bridge_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/pires/go-proxyproto"

	"nbdbridge/bridge"
)

// serveAs is serve for clients that come from an address to an address; either
// may be left as it is.
func serveAs(t *testing.T, h *bridge.Handler, remote string, local net.Addr) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if remote != "-" {
			r.RemoteAddr = remote
		}
		if local != nil {
			r = r.WithContext(context.WithValue(r.Context(), http.LocalAddrContextKey, local))
		}
		r.SetPathValue("target", "lab")
		h.ServeHTTP(w, r)
	}))
	h.PublicURL = append(h.PublicURL, server.URL)
	if err := h.Validate(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = h.Shutdown(ctx)
		server.Close()
	})
	return server.URL
}

// The header is the first thing that a target gets, and what the client says
// the next.
func TestProxyProtocol(t *testing.T) {
	four, six := &net.TCPAddr{IP: net.IPv4(198, 51, 100, 1), Port: 443}, &net.TCPAddr{IP: net.ParseIP("2001:db8::443"), Port: 443}
	for _, c := range []struct {
		remote    string
		local     net.Addr
		family    proxyproto.AddressFamilyAndProtocol
		from, via string
	}{
		{"192.0.2.1:1234", four, proxyproto.TCPv4, "192.0.2.1:1234", "198.51.100.1:443"},
		{"[::ffff:192.0.2.1]:1234", four, proxyproto.TCPv4, "192.0.2.1:1234", "198.51.100.1:443"},
		{"[2001:db8::1%eth0]:1234", six, proxyproto.TCPv6, "[2001:db8::1]:1234", "[2001:db8::443]:443"},
		{"192.0.2.1:1234", six, proxyproto.TCPv6, "192.0.2.1:1234", "[2001:db8::443]:443"},
		{"[2001:db8::1]:1234", four, proxyproto.TCPv6, "[2001:db8::1]:1234", "198.51.100.1:443"},
		{"192.0.2.1", &net.UnixAddr{Name: "/run/b.sock", Net: "unix"}, proxyproto.TCPv4, "192.0.2.1:0", "0.0.0.0:0"},
		{"::ffff:192.0.2.1", &net.UnixAddr{Name: "/run/b.sock", Net: "unix"}, proxyproto.TCPv4, "192.0.2.1:0", "0.0.0.0:0"},
		{"2001:db8::1", &net.UnixAddr{Name: "/run/b.sock", Net: "unix"}, proxyproto.TCPv6, "[2001:db8::1]:0", "[::]:0"},
		{"@", four, proxyproto.UNSPEC, "", ""},
		{"proxy.example:80", four, proxyproto.UNSPEC, "", ""},
	} {
		targets, conns := newTarget(t)
		lab := targets["lab"]
		lab.ProxyProtocol = true
		ws := dial(t, serveAs(t, &bridge.Handler{Targets: bridge.Targets{"lab": lab}}, c.remote, c.local), "lab")
		target := receive(t, conns)
		if err := ws.Write(context.Background(), websocket.MessageBinary, []byte("hello")); err != nil {
			t.Fatal(err)
		}
		in := bufio.NewReader(target)
		head, err := proxyproto.Read(in)
		if err != nil || head.Version != 2 || head.TransportProtocol != c.family || head.Command.IsLocal() != (c.from == "") {
			t.Fatalf("%s to %v: %+v, %v", c.remote, c.local, head, err)
		}
		if c.from != "" && (head.SourceAddr.String() != c.from || head.DestinationAddr.String() != c.via) {
			t.Errorf("%s to %v: from %s to %s", c.remote, c.local, head.SourceAddr, head.DestinationAddr)
		}
		rest := make([]byte, 5)
		if _, err := io.ReadFull(in, rest); err != nil || string(rest) != "hello" {
			t.Errorf("%s: then %q, %v", c.remote, rest, err)
		}
		target.Close()
		wantClose(t, ws, websocket.StatusNormalClosure)
	}
}

// The real addresses of a connection, without a hand in it.
func TestProxyProtocolAsItIs(t *testing.T) {
	targets, conns := newTarget(t)
	lab := targets["lab"]
	lab.ProxyProtocol = true
	base := serve(t, &bridge.Handler{Targets: bridge.Targets{"lab": lab}})
	c := dialRaw(t, base)
	head, err := proxyproto.Read(bufio.NewReader(receive(t, conns)))
	if err != nil || head.SourceAddr.String() != c.LocalAddr().String() || head.DestinationAddr.String() != c.RemoteAddr().String() {
		t.Errorf("%+v, %v", head, err)
	}
}

// A target that does not take the header is not connected to, and its
// connection is closed.
func TestProxyProtocolIsNotTaken(t *testing.T) {
	near, far := net.Pipe()
	defer far.Close()
	h := &bridge.Handler{
		Targets: bridge.Targets{"lab": {Network: "tcp", Address: "192.0.2.1:1", ProxyProtocol: true, ConnectTimeout: 20 * time.Millisecond}},
		Dial:    func(context.Context, bridge.Target) (net.Conn, error) { return near, nil },
	}
	wantClose(t, dial(t, serve(t, h), "lab"), bridge.StatusTargetTimeout)
	if _, err := far.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("the target's connection: %v", err)
	}
}

// A target's own ConnectTimeout takes the place of the bridge's, be it shorter
// or longer.
func TestTargetConnectTimeout(t *testing.T) {
	for want, c := range map[websocket.StatusCode]struct{ bridge, target time.Duration }{
		bridge.StatusTargetTimeout:     {time.Hour, 20 * time.Millisecond},
		bridge.StatusTargetUnreachable: {time.Nanosecond, time.Hour},
	} {
		h := &bridge.Handler{
			Targets: bridge.Targets{"lab": {Network: "tcp", Address: "192.0.2.1:1", ConnectTimeout: c.target}},
			Limits:  bridge.Limits{ConnectTimeout: c.bridge},
			Dial: func(ctx context.Context, _ bridge.Target) (net.Conn, error) {
				if end, _ := ctx.Deadline(); time.Until(end) > time.Minute {
					return nil, errors.New("refused")
				}
				<-ctx.Done()
				return nil, ctx.Err()
			},
		}
		wantClose(t, dial(t, serve(t, h), "lab"), want)
	}
}
