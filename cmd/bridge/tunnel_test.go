package main

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"

	"nbdbridge/bridge"
	"nbdbridge/nbd"
)

// attentiveBridge carries sessions to servers of its own, and tells how each
// of its clients ended the WebSocket. It never ends one first.
func attentiveBridge(t *testing.T, server func() *nbd.Server) (url string, farewells <-chan websocket.StatusCode) {
	t.Helper()
	ended := make(chan websocket.StatusCode, 8)
	bridge := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ws, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{bridge.Subprotocol}})
		if err == nil {
			ended <- carry(ws, server())
		}
	}))
	t.Cleanup(bridge.Close)
	return "ws" + strings.TrimPrefix(bridge.URL, "http") + "/nbd/lab", ended
}

func carry(ws *websocket.Conn, server *nbd.Server) websocket.StatusCode {
	near, far := net.Pipe()
	var both sync.WaitGroup
	both.Go(func() { _ = server.ServeConn(context.Background(), far) })
	both.Go(func() {
		_, _ = io.Copy(websocket.NetConn(context.Background(), ws, websocket.MessageBinary), near)
	})
	defer both.Wait()
	defer near.Close()
	for {
		_, message, err := ws.Read(context.Background())
		if err != nil {
			_ = ws.CloseNow()
			return websocket.CloseStatus(err)
		}
		_, _ = near.Write(message) // a server that has heard DISC is gone
	}
}

// A session that ends well ends with the closing handshake of WebSockets, so
// that a bridge has nothing to complain of.
func TestInfoTakesItsLeave(t *testing.T) {
	ca, cert, key := pemFiles(t)
	for name, c := range map[string]struct {
		server func() *nbd.Server
		trust  trustFlags
	}{
		"plain":    {serverOf(nil, newExport("a", 1, true)), trustFlags{TLS: "off"}},
		"TLS":      {serverOf(pki().server(), newExport("a", 1, true)), trustFlags{CA: ca, Cert: cert, Key: key, ServerName: demoServerName}},
		"a failed": {serverOf(nil), trustFlags{TLS: "off"}},
	} {
		t.Run(name, func(t *testing.T) {
			url, farewells := attentiveBridge(t, c.server)
			if _, err := infoOf(t, &infoCommand{URL: url, trustFlags: c.trust}); (err != nil) != (name == "a failed") {
				t.Error(err)
			}
			for _, session := range []string{"listing", "opening"} {
				if code := receive(t, farewells); code != websocket.StatusNormalClosure {
					t.Errorf("%s ended with %v", session, code)
				}
			}
		})
	}
}

// A Read under way is not cut: it ends as that of any net.Conn does.
func TestCloseCutsNoRead(t *testing.T) {
	url, farewells := attentiveBridge(t, serverOf(nil))
	c, err := dialTunnel(t.Context(), url, noToken)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(c, make([]byte, 18)); err != nil { // the greeting
		t.Fatal(err)
	}
	read := make(chan error, 1)
	go func() {
		_, err := c.Read(make([]byte, 1))
		read <- err
	}()
	c.Close()
	if err := receive(t, read); err != io.EOF && !errors.Is(err, net.ErrClosed) {
		t.Errorf("the Read ended with %v", err)
	}
	if code := receive(t, farewells); code != websocket.StatusNormalClosure {
		t.Errorf("the bridge saw %v", code)
	}
}

// A bridge that does not answer the goodbye holds up nobody who waits for data.
func TestCloseOfASilentBridge(t *testing.T) {
	release := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ws, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{bridge.Subprotocol}})
		if err == nil {
			<-release
			_ = ws.CloseNow()
		}
	}))
	defer server.Close()
	defer close(release)
	c, err := dialTunnel(t.Context(), "ws"+strings.TrimPrefix(server.URL, "http"), noToken)
	if err != nil {
		t.Fatal(err)
	}
	read := make(chan error, 1)
	go func() {
		_, err := c.Read(make([]byte, 1))
		read <- err
	}()
	start, closed := time.Now(), make(chan error, 1)
	go func() { closed <- c.Close() }()
	if err := receive(t, read); err == nil || time.Since(start) > 2*leaveTimeout {
		t.Errorf("after %v the Read ended with %v", time.Since(start), err)
	}
	_ = receive(t, closed)
}
