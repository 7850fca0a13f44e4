package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"

	"nbdbridge/nbd"
)

const (
	subprotocol  = "nbd"
	ticketPrefix = "bearer." // in front of a token, offered as a second subprotocol; bridge/ticket has the same

	dialTimeout = nbd.DefaultHandshakeTimeout
)

var (
	errDialTimeout = fmt.Errorf("no answer within %v", dialTimeout)
	errNotOpened   = errors.New("the WebSocket did not open, and browsers hide why")
)

// A DialError is a WebSocket that never opened.
type DialError struct {
	URL string
	Err error
}

func (e *DialError) Error() string { return "the bridge could not be reached: " + e.Err.Error() }

func (e *DialError) Unwrap() error { return e.Err }

// dial gets a ticket, opens a WebSocket and waits for it. The context bounds
// the dial only.
func dial(ctx context.Context, url string, by tickets) (*conn, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, dialTimeout, errDialTimeout)
	defer cancel()
	token, err := by.next(ctx)
	if err != nil {
		return nil, err
	}
	protocols := []any{subprotocol}
	if token != "" {
		protocols = append(protocols, ticketPrefix+token)
	}
	ws, err := newSocket(url, protocols)
	if err != nil {
		return nil, &DialError{URL: url, Err: err}
	}
	c := newConn(ws, url, by.renewed())
	stop := context.AfterFunc(ctx, func() { _ = c.Close() })
	err = c.waitOpen()
	if !stop() && err == nil {
		err = net.ErrClosed // the context ended in the moment that it opened
	}
	if err == nil {
		return c, nil
	}
	_ = c.Close()
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	return nil, &DialError{URL: url, Err: err}
}

func newConn(ws socket, url string, renewed bool) *conn {
	c := &conn{ws: ws, url: url, renewed: renewed, scratch: uint8Array.New(sendChunk)}
	c.changed = sync.NewCond(&c.mu)
	c.remove = []func(){ws.onOpen(c.onOpen), ws.onMessage(c.onMessage), ws.onClose(c.onClose), ws.onError(c.onError)}
	c.removed = sync.OnceFunc(func() {
		for _, remove := range c.remove {
			remove()
		}
	})
	return c
}

func (c *conn) waitOpen() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for !c.opened && !c.closed && c.cause == nil {
		c.changed.Wait()
	}
	switch {
	case c.closed:
		return net.ErrClosed
	case !c.opened:
		return errNotOpened
	case c.ws.protocol() != subprotocol:
		return fmt.Errorf("the server does not speak the subprotocol %q: it is no bridge", subprotocol)
	}
	return nil // even if it has ended since: the reader gets what came before
}
