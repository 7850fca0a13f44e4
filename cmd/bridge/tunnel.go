package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/coder/websocket"

	"nbdbridge/bridge"
)

// dialTimeout bounds the connection to a bridge, up to its answer.
const dialTimeout = 15 * time.Second

// leaveTimeout is what a bridge has to answer our goodbye.
const leaveTimeout = 2 * time.Second

// A tunnelConn is the native end of the tunnel: a WebSocket as a net.Conn
// whose errors say what the bridge meant by its close code.
type tunnelConn struct {
	net.Conn
	ws *websocket.Conn
}

// direct follows no redirect, as no browser does for a WebSocket: the ticket
// would go along.
var direct = &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}

// dialTunnel opens a WebSocket to a bridge's target, with a ticket if there is one.
func dialTunnel(ctx context.Context, url string, token tokenSource) (tunnelConn, error) {
	protocols, err := token.subprotocols()
	if err != nil {
		return tunnelConn{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	ws, answer, err := websocket.Dial(ctx, url, &websocket.DialOptions{HTTPClient: direct, Subprotocols: protocols})
	if err != nil {
		return tunnelConn{}, notDialled(withoutQuery(url), answer, err)
	}
	if ws.Subprotocol() != bridge.Subprotocol {
		_ = ws.CloseNow()
		return tunnelConn{}, fmt.Errorf("%s is a WebSocket, but no bridge: it does not speak the subprotocol %q", withoutQuery(url), bridge.Subprotocol)
	}
	return tunnelConn{websocket.NetConn(context.Background(), ws, websocket.MessageBinary), ws}, nil
}

func notDialled(shown string, answer *http.Response, err error) error {
	if answer != nil {
		return fmt.Errorf("the bridge at %s answered %s: is the URL right, and does its --public-url name this host?", shown, answer.Status)
	}
	if failed := (*url.Error)(nil); errors.As(err, &failed) {
		err = failed.Err // its text has the query
	}
	return fmt.Errorf("no bridge at %s: %w", shown, err)
}

// leave ends the session once the bridge has all that was written, or has had
// some seconds for it.
func (c tunnelConn) leave() { _ = c.ws.Close(websocket.StatusNormalClosure, "") }

// Close says goodbye after all that was written, and cuts a Read that is under
// way only if the bridge does not answer within leaveTimeout. The Close of the
// net.Conn would do so at once, and the bridge would see a broken connection.
func (c tunnelConn) Close() error {
	cut := time.AfterFunc(leaveTimeout, func() { _ = c.Conn.Close() })
	defer cut.Stop()
	c.leave()
	return nil
}

// Read hides the causes of a broken connection: one of them is io.EOF, which
// would read as a good end.
func (c tunnelConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if err == nil || err == io.EOF || errors.Is(err, net.ErrClosed) || errors.As(err, new(websocket.CloseError)) {
		return n, explain(err)
	}
	return n, fmt.Errorf("the connection to the bridge broke: %v", err)
}

func (c tunnelConn) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	return n, explain(err)
}

// explain puts a bridge's reason for the end in front of the library's words,
// and behind it what to do where that is not plain.
func explain(err error) error {
	var closed websocket.CloseError
	if !errors.As(err, &closed) {
		return err
	}
	return &endedError{closed}
}

// An endedError is a session that the bridge has ended.
type endedError struct{ closed websocket.CloseError }

func (e *endedError) Error() string {
	return fmt.Sprintf("the bridge ended the session: %s (code %d)%s", e.closed.Reason, e.closed.Code, afterRefusal[e.closed.Code])
}

// Final tells nbd.Redial what another dial can't mend. A ticket may be renewed,
// in its file.
func (e *endedError) Final() bool {
	return e.closed.Code == bridge.StatusUnknownTarget || e.closed.Code == bridge.StatusEnded
}

var afterRefusal = map[websocket.StatusCode]string{
	bridge.StatusUnauthorised:  ": give --token-file with a fresh ticket for this bridge; a ticket may serve for one connection only",
	bridge.StatusUnknownTarget: ": check the name at the end of the URL, and that the ticket, if you have one, is for this target",
	bridge.StatusSessionAge:    ": its time was over; connect again, with a fresh ticket",
	bridge.StatusEnded:         ": ask its operator before you connect again",
}
