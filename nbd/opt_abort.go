package nbd

import (
	"context"
	"time"
)

// abortTimeout bounds the farewell of a negotiation.
const abortTimeout = 2 * time.Second

// Abort ends the negotiation politely, NBD_OPT_ABORT, and closes the
// connection. A server that closes without an answer is fine too.
func (c *Client) Abort(ctx context.Context) error {
	err := c.step(ctx, func() error {
		if !c.isLegacy() {
			c.sayAbort()
		}
		return nil
	})
	c.hangUp()
	return err
}

// sayAbort sends ABORT and waits for the answer, whatever it is: nbd-server
// 3.24 gives none, qemu-nbd 7.2 answers TLS_REQD before TLS. It takes no longer
// than abortTimeout, so that a silent server does not hide why we leave.
func (c *Client) sayAbort() {
	_ = c.raw.SetDeadline(time.Now().Add(abortTimeout))
	if c.sendOption(OptAbort, nil) != nil {
		return
	}
	var h [lenOptionReply]byte
	_ = c.read(h[:], "the reply to ABORT")
}

// hangUp closes the connection, TLS first. A server that was faster is no
// error of ours.
func (c *Client) hangUp() {
	if !c.closed {
		c.closed = true
		_ = c.conn.Close()
	}
}
