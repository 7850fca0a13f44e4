package nbd

import (
	"errors"
	"fmt"
)

func (f Framing) String() string {
	switch f {
	case FramingExtended:
		return "extended"
	case FramingStructured:
		return "structured"
	case FramingSimple:
		return "simple"
	}
	return fmt.Sprintf("Framing(%d)", int(f))
}

// framingOptions are asked for in this order, from Config.Framing on.
var framingOptions = []struct {
	framing Framing
	opt     Option
}{
	{FramingExtended, OptExtendedHeaders},
	{FramingStructured, OptStructuredReply},
}

// negotiateFraming settles the framing once per connection: the best one that
// both sides know, NBD_OPT_EXTENDED_HEADERS and NBD_OPT_STRUCTURED_REPLY.
func (c *Client) negotiateFraming() error {
	if c.framed {
		return nil
	}
	for _, f := range framingOptions {
		if f.framing < c.cfg.Framing {
			continue
		}
		on, err := c.switchOn(f.opt)
		if err != nil {
			return err
		}
		if on {
			c.framing = f.framing
			break
		}
	}
	c.framed = true
	return nil
}

// switchOn sends an option that has no data and changes the connection's
// state. A server without it goes on.
//
// Inside TLS these are our first stateful options. "Invalid", or a demand for
// the one that we did without, then means that the server thinks it was asked
// before: somebody spoke for us in the clear, and the server kept that state
// across STARTTLS (attack A6).
func (c *Client) switchOn(opt Option) (on bool, err error) {
	if err := c.sendOption(opt, nil); err != nil {
		return false, err
	}
	err = c.expectAck(opt)
	var refused *OptionError
	switch {
	case err == nil:
		return true, nil
	case !errors.As(err, &refused) || refused.Reply == RepErrShutdown:
		return false, err
	case c.tls != nil && (refused.Reply == RepErrInvalid || refused.Reply == RepErrExtHeaderReqd):
		c.Close()
		return false, fmt.Errorf("%w: the server holds state from before TLS: it answered %v with %v", ErrDowngrade, opt, refused.Reply)
	}
	return false, nil
}
