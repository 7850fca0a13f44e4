package listen_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"io"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"

	"nbdbridge/bridge"
	"nbdbridge/bridge/listen"
)

// A session through PROXY protocol is from whom that told, not from whom its
// client tells, and its last bytes arrive.
func TestSession(t *testing.T) {
	native := open(t, "127.0.0.1:0", listen.Options{})
	l := open(t, "127.0.0.1:0", listen.Options{ProxyProtocol: loopback})
	remotes := make(chan string, 1)
	h := &bridge.Handler{
		Targets:   bridge.Targets{"lab": {Network: "tcp", Address: native.Addr().String()}},
		PublicURL: []string{"http://" + l.Addr().String()},
		Authorize: func(r *http.Request, _ string) (bridge.Grant, error) {
			remotes <- r.RemoteAddr
			return bridge.Grant{}, nil
		},
	}
	mux := http.NewServeMux()
	mux.Handle("/nbd/{target}", h)
	forwarded := listen.Proxies{Networks: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}
	serve(t, l, listen.Forwarded(forwarded, mux))
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = h.Shutdown(ctx)
	})

	last := make([]byte, 4<<20)
	_, _ = rand.Read(last)
	var target sync.WaitGroup
	defer target.Wait()
	target.Go(func() {
		c, err := native.Accept()
		if err != nil {
			t.Error(err)
			return
		}
		defer c.Close()
		_, _ = c.Write(last)
	})
	got, err := io.ReadAll(session(t, l.Addr().String()))
	if !bytes.Equal(got, last) || err != nil {
		t.Errorf("%d bytes of %d arrived, %v", len(got), len(last), err)
	}
	if remote := <-remotes; remote != "192.0.2.7:12345" {
		t.Errorf("the session is from %s", remote)
	}
}

// session opens a WebSocket behind a proxy. What is read from it ends with the
// Close of the target's end.
func session(t *testing.T, address string) net.Conn {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	transport := &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
		var d net.Dialer
		c, err := d.DialContext(ctx, network, address)
		if err == nil {
			_, err = io.WriteString(c, v2IPv4)
		}
		return c, err
	}}
	ws, _, err := websocket.Dial(ctx, "ws://"+address+"/nbd/lab", &websocket.DialOptions{
		HTTPClient: &http.Client{Transport: transport}, Subprotocols: []string{bridge.Subprotocol},
		HTTPHeader: http.Header{"X-Forwarded-For": {"198.51.100.1"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	ws.SetReadLimit(-1)
	t.Cleanup(func() { _ = ws.CloseNow() })
	return websocket.NetConn(ctx, ws, websocket.MessageBinary)
}
