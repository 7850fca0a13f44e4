package nbd

import (
	"errors"
	"fmt"
)

// structuredReply asks for structured replies, NBD_OPT_STRUCTURED_REPLY, once
// per connection. A server without them goes on with simple replies.
//
// Inside TLS this is our first stateful option. "Invalid" then means that the
// server thinks it was asked before: somebody spoke for us in the clear, and
// the server kept that state across STARTTLS (attack A6).
func (c *Client) structuredReply() error {
	if c.structured {
		return nil
	}
	if err := c.sendOption(OptStructuredReply, nil); err != nil {
		return err
	}
	err := c.expectAck(OptStructuredReply)
	var refused *OptionError
	switch {
	case err == nil:
		c.structured = true
		return nil
	case !errors.As(err, &refused) || refused.Reply == RepErrShutdown:
		return err
	case refused.Reply == RepErrInvalid && c.tls != nil:
		c.Close()
		return fmt.Errorf("%w: the server holds state from before TLS (%v)", ErrDowngrade, refused.Reply)
	}
	return nil
}
