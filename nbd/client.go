package nbd

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
)

// A Client is a connection in the negotiation phase. Its methods are for one
// goroutine at a time: the phase is lock-step. After an *OptionError another
// option may be tried; after any other error the connection is closed.
type Client struct {
	cfg  Config
	raw  net.Conn // what the caller gave us; closing it unblocks everything
	conn net.Conn // raw, or the TLS session over it

	fixed, noZeroes bool        // handshake flags of both sides
	oldstyle        *ExportInfo // the one export of an oldstyle server

	tls      *tls.ConnectionState
	asked    certificateTrace
	answered bool // the server has answered an option inside TLS

	framed   bool // framing is settled
	framing  Framing
	contexts []metaContext // selected for the export to open
	closed   bool
}

// NewClient greets the server on c and, by cfg.TLSMode, turns the connection
// into TLS. It owns c from here on and closes it on error.
//
// ctx bounds this call only, beside cfg.HandshakeTimeout. Errors: ErrNoTrust
// and other errors of the configuration, *ProtocolError, ErrDowngrade,
// *TLSError, ErrHandshakeTimeout, or what c reported.
func NewClient(ctx context.Context, c net.Conn, cfg *Config) (*Client, error) {
	if err := cfg.Validate(); err != nil {
		c.Close()
		return nil, err
	}
	client := &Client{cfg: *cfg, raw: c, conn: c, framing: FramingSimple}
	err := client.step(ctx, func() error {
		if err := client.greet(); err != nil {
			return err
		}
		if client.cfg.TLSMode == TLSOff {
			return nil
		}
		return client.startTLS()
	})
	if err != nil {
		client.Close()
		return nil, err
	}
	return client, nil
}

// TLS returns the facts of the TLS session, or nil without TLS.
func (c *Client) TLS() *tls.ConnectionState { return c.tls }

// Close ends the connection at once, unless it is a Disk's by now. Abort is the
// polite way.
func (c *Client) Close() error {
	if c.closed {
		return nil
	}
	c.closed = true
	return c.raw.Close()
}

// step runs one exchange with the server. Cancellation and the time limit
// close the connection, which is what unblocks do.
func (c *Client) step(ctx context.Context, do func() error) error {
	if c.closed {
		return fmt.Errorf("nbd: client: %w", net.ErrClosed)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, c.cfg.handshakeTimeout(), ErrHandshakeTimeout)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { c.raw.Close() })
	err := do()
	if !stop() {
		err = context.Cause(ctx)
	}
	if refused := (*OptionError)(nil); err != nil && !errors.As(err, &refused) {
		c.Close()
	}
	return err
}

// greet reads the greeting and answers with the client flags, proto.md
// "Newstyle negotiation". The magic is checked before a byte is sent, so that
// we never speak to a server of another protocol.
func (c *Client) greet() error {
	var b [lenGreeting - 2]byte
	if err := c.read(b[:8], "the greeting"); err != nil {
		return err
	}
	if binary.BigEndian.Uint64(b[:8]) != magicServer {
		return protocolErrorf("this is no NBD server: its first bytes are %q", printable(b[:8]))
	}
	if err := c.read(b[8:16], "the greeting"); err != nil {
		return err
	}
	switch magic := binary.BigEndian.Uint64(b[8:16]); {
	case magic == magicOption:
		return c.greetNewstyle()
	case magic == magicOldstyle && c.cfg.Legacy:
		return c.greetOldstyle()
	case magic == magicOldstyle:
		return c.tooOld("it speaks the oldstyle negotiation, which has no TLS")
	default:
		return protocolErrorf("unknown negotiation magic %#x", magic)
	}
}

func (c *Client) greetNewstyle() error {
	var b [2]byte
	if err := c.read(b[:], "the greeting"); err != nil {
		return err
	}
	offered := binary.BigEndian.Uint16(b[:])
	c.fixed, c.noZeroes = offered&flagFixedNewstyle != 0, offered&flagNoZeroes != 0
	if !c.fixed && !c.cfg.Legacy {
		return c.tooOld("it does not offer the fixed newstyle negotiation, which TLS needs")
	}
	answer := uint32(offered & (flagFixedNewstyle | flagNoZeroes))
	return c.write(binary.BigEndian.AppendUint32(nil, answer))
}

// tooOld refuses a server that can't negotiate. With TLS required that is
// also how a downgrade looks like (attacks A1 and A2).
func (c *Client) tooOld(sign string) error {
	if c.cfg.TLSMode == TLSRequire {
		return fmt.Errorf("%w: possible downgrade of the server: %s", ErrDowngrade, sign)
	}
	return protocolErrorf("the server is too old: %s; the legacy option speaks to it, in plain text", sign)
}

// read fills p exactly. Nothing is ever read ahead during negotiation, so no
// plaintext can be left over when TLS begins (attack A7).
func (c *Client) read(p []byte, what string) error {
	_, err := io.ReadFull(c.conn, p)
	if err == nil {
		return nil
	}
	return c.lost("reading "+what, err)
}

func (c *Client) write(p []byte) error {
	if _, err := c.conn.Write(p); err != nil {
		return c.lost("writing", err)
	}
	return nil
}

// lost words a connection that failed. A server that refuses our client
// certificate in TLS 1.3 does so after the handshake has succeeded on our
// side, and mostly by just closing: the first answer inside TLS tells.
func (c *Client) lost(doing string, err error) error {
	if c.tls != nil && !c.answered && c.asked.requested {
		return c.tlsError(fmt.Errorf("the server ended the connection after the handshake: %w", err))
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("nbd: %s: the server closed the connection: %w", doing, err)
	}
	return fmt.Errorf("nbd: %s: %w", doing, err)
}
