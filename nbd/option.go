package nbd

import (
	"encoding/binary"
	"fmt"
	"strings"
	"unicode/utf8"
)

// sendOption writes one option request, proto.md "Option haggling".
func (c *Client) sendOption(opt Option, data []byte) error {
	b := make([]byte, 0, lenOption+len(data))
	b = binary.BigEndian.AppendUint64(b, magicOption)
	b = binary.BigEndian.AppendUint32(b, uint32(opt))
	b = binary.BigEndian.AppendUint32(b, uint32(len(data)))
	return c.write(append(b, data...))
}

// recvReply reads one reply to opt. It allocates only after the length was
// checked; an error reply comes back as *OptionError.
func (c *Client) recvReply(opt Option) (ReplyType, []byte, error) {
	var h [lenOptionReply]byte
	if err := c.read(h[:], "the reply to "+opt.String()); err != nil {
		return 0, nil, err
	}
	typ, length, err := parseReplyHeader(h[:], opt)
	if err != nil {
		return 0, nil, err
	}
	data := make([]byte, length)
	if err := c.read(data, "the reply to "+opt.String()); err != nil {
		return 0, nil, err
	}
	c.answered = c.tls != nil
	if typ&replyError != 0 {
		return 0, nil, c.refusal(opt, typ, data)
	}
	return typ, data, nil
}

func parseReplyHeader(h []byte, opt Option) (typ ReplyType, length uint32, err error) {
	if magic := binary.BigEndian.Uint64(h); magic != magicOptionReply {
		return 0, 0, protocolErrorf("bad magic %#x in the reply to %v", magic, opt)
	}
	if got := Option(binary.BigEndian.Uint32(h[8:])); got != opt {
		return 0, 0, protocolErrorf("the reply is to %v, but %v was asked", got, opt)
	}
	typ = ReplyType(binary.BigEndian.Uint32(h[12:]))
	length = binary.BigEndian.Uint32(h[16:])
	if limit := replyLimit(typ); length > limit {
		return 0, 0, protocolErrorf("the reply %v to %v has %d bytes, at most %d are allowed", typ, opt, length, limit)
	}
	return typ, length, nil
}

// replyLimit bounds the payload of each kind of reply, in bytes. Information
// types that we don't know may be longer than the ones that we do.
func replyLimit(typ ReplyType) uint32 {
	switch {
	case typ == RepAck:
		return 0
	case typ == RepServer:
		return 4 + maxString + maxString
	case typ == RepMetaContext:
		return 4 + maxString
	case typ&replyError != 0:
		return maxString
	}
	return maxOptionReply
}

// refusal turns an error reply into an *OptionError.
func (c *Client) refusal(opt Option, typ ReplyType, text []byte) error {
	refused := &OptionError{Option: opt, Reply: typ, Message: printable(text)}
	if typ == RepErrTLSReqd && c.tls != nil {
		return protocolErrorf("the server demands TLS for %v although TLS is on", opt)
	}
	if typ == RepErrShutdown {
		c.sayAbort() // "the client MUST initiate a soft disconnect"
		c.hangUp()
	}
	return refused
}

// expectAck ends an option whose only success is a bare ACK.
func (c *Client) expectAck(opt Option) error {
	typ, _, err := c.recvReply(opt)
	if err != nil {
		return err
	}
	if typ != RepAck {
		return protocolErrorf("unexpected reply %v to %v", typ, opt)
	}
	return nil
}

// checkName refuses an export name that the protocol can't carry.
func checkName(name string) error { return checkString("export name", name) }

func checkString(what, s string) error {
	if len(s) > maxString {
		return fmt.Errorf("nbd: the %s has %d bytes: at most %d are allowed", what, len(s), maxString)
	}
	if !utf8.ValidString(s) || strings.ContainsRune(s, 0) {
		return fmt.Errorf("nbd: the %s %q is not UTF-8 without NUL", what, s)
	}
	return nil
}
