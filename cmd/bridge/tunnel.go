package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/coder/websocket"

	"nbdbridge/bridge"
)

// dialTimeout bounds the connection to a bridge, up to its answer.
const dialTimeout = 15 * time.Second

// A tunnelConn is the native end of the tunnel: a WebSocket as a net.Conn
// whose errors say what the bridge meant by its close code.
type tunnelConn struct{ net.Conn }

// dialTunnel opens a WebSocket to a bridge's target.
func dialTunnel(ctx context.Context, url string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	ws, answer, err := websocket.Dial(ctx, url, &websocket.DialOptions{Subprotocols: []string{bridge.Subprotocol}})
	if err != nil && answer != nil {
		return nil, fmt.Errorf("the bridge at %s answered %s: is the URL right, and does its --public-url name this host?", url, answer.Status)
	}
	if err != nil {
		return nil, fmt.Errorf("no bridge at %s: %w", url, err)
	}
	if ws.Subprotocol() != bridge.Subprotocol {
		_ = ws.CloseNow()
		return nil, fmt.Errorf("%s is a WebSocket, but no bridge: it does not speak the subprotocol %q", url, bridge.Subprotocol)
	}
	return tunnelConn{websocket.NetConn(context.Background(), ws, websocket.MessageBinary)}, nil
}

func (c tunnelConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	return n, explain(err)
}

func (c tunnelConn) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	return n, explain(err)
}

// explain puts a bridge's refusal in front of the library's words.
func explain(err error) error {
	var closed websocket.CloseError
	if !errors.As(err, &closed) || closed.Code < 4000 {
		return err
	}
	return fmt.Errorf("the bridge ended the session: %s (code %d)", closed.Reason, closed.Code)
}
