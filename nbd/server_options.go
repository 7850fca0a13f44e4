package nbd

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"time"
)

// errPolite ends a session that the client ended as it should.
var errPolite = errors.New("nbd: the client left")

// A serverConn is one connection of the server, in either phase.
type serverConn struct {
	server  *Server
	raw     net.Conn
	conn    net.Conn // raw, or the TLS session over it
	secure  bool
	subject string // of the client's certificate

	fixed    bool // the client said NBD_FLAG_C_FIXED_NEWSTYLE
	noZeroes bool // and NBD_FLAG_C_NO_ZEROES
	negotiated
	export *Export // set by GO and EXPORT_NAME
}

// What the client has negotiated. STARTTLS forgets all of it, the counts too.
type negotiated struct {
	structured bool
	extended   bool
	allocation *Export // for which "base:allocation" is selected
	options    int
	bytes      int64 // of the options
}

// serve runs the negotiation within its time limit, then the transmission.
func (c *serverConn) serve(ctx context.Context) error {
	_ = c.raw.SetDeadline(time.Now().Add(serverHandshakeTimeout))
	if err := c.greet(); err != nil {
		return err
	}
	for c.export == nil {
		if err := c.oneOption(); err != nil {
			return err
		}
	}
	_ = c.raw.SetDeadline(time.Time{})
	return c.transmit(ctx)
}

func (c *serverConn) greet() error {
	b := binary.BigEndian.AppendUint64(nil, magicServer)
	b = binary.BigEndian.AppendUint64(b, magicOption)
	b = binary.BigEndian.AppendUint16(b, flagFixedNewstyle|flagNoZeroes)
	if _, err := c.conn.Write(b); err != nil {
		return err
	}
	var answer [4]byte
	if _, err := io.ReadFull(c.conn, answer[:]); err != nil {
		return fmt.Errorf("nbd: reading the client flags: %w", err)
	}
	flags := binary.BigEndian.Uint32(answer[:])
	c.fixed, c.noZeroes = flags&flagFixedNewstyle != 0, flags&flagNoZeroes != 0
	if flags&^(flagFixedNewstyle|flagNoZeroes) != 0 || !c.fixed && !c.server.Legacy {
		return protocolErrorf("client flags %#x: fixed newstyle alone is served", flags)
	}
	return nil
}

// oneOption reads an option, whole, and answers it. Reads are of exact
// lengths, so nothing is held back from TLS when it begins.
func (c *serverConn) oneOption() error {
	var h [lenOption]byte
	if _, err := io.ReadFull(c.conn, h[:]); err != nil {
		return fmt.Errorf("nbd: reading an option: %w", err)
	}
	if magic := binary.BigEndian.Uint64(h[:]); magic != magicOption {
		return protocolErrorf("bad option magic %#x", magic)
	}
	opt, length := Option(binary.BigEndian.Uint32(h[8:])), binary.BigEndian.Uint32(h[12:])
	if err := c.count(opt, length); err != nil {
		return err
	}
	if length > serverMaxOptionData {
		return c.skipOption(opt, length)
	}
	data := make([]byte, length)
	if _, err := io.ReadFull(c.conn, data); err != nil {
		return fmt.Errorf("nbd: reading %v: %w", opt, err)
	}
	return c.answer(opt, data)
}

// count ends a negotiation that is no longer one. Without fixed newstyle no
// option can be refused, so EXPORT_NAME is all there is: not even TLS.
func (c *serverConn) count(opt Option, length uint32) error {
	c.options++
	c.bytes += int64(length)
	switch {
	case c.options > serverMaxOptions:
		return protocolErrorf("more than %d options", serverMaxOptions)
	case length > serverMaxOptionSkip || c.bytes > serverMaxNegotiation:
		return protocolErrorf("%v with %d bytes of data", opt, length)
	case !c.fixed && opt != OptExportName:
		return protocolErrorf("%v of a client without fixed newstyle", opt)
	}
	return nil
}

// skipOption drains an option that is too long to look at.
func (c *serverConn) skipOption(opt Option, length uint32) error {
	if _, err := io.CopyN(io.Discard, c.conn, int64(length)); err != nil {
		return err
	}
	if opt == OptStartTLS || opt == OptAbort {
		return c.answer(opt, make([]byte, 1)) // any data is too much, or is ignored
	}
	if v := c.judge(opt); v == refuseTLS {
		return c.reply(opt, RepErrTLSReqd, nil)
	} else if v == hangUp || opt == OptExportName {
		return protocolErrorf("an export name of %d bytes", length)
	}
	if !isServed(opt) {
		return c.reply(opt, RepErrUnsup, nil)
	}
	if opt == OptSetMetaContext {
		c.allocation = nil
	}
	return c.reply(opt, RepErrTooBig, nil)
}

// answer gives the mode's verdict, or the option its say.
func (c *serverConn) answer(opt Option, data []byte) error {
	if opt == OptStartTLS && len(data) > 0 {
		return c.replyText(opt, RepErrInvalid, "STARTTLS takes no data")
	}
	switch c.judge(opt) {
	case upgrade:
		return c.startTLS()
	case refuseTLS:
		return c.replyText(opt, RepErrTLSReqd, "start TLS first")
	case refuseMode:
		return c.replyText(opt, RepErrPolicy, "TLS is not configured here")
	case refuseDone:
		return c.replyText(opt, RepErrInvalid, "TLS is on already")
	case hangUp:
		return protocolErrorf("%v, which is served outside TLS only, and not where TLS is forced", opt)
	}
	return c.serveOption(opt, data)
}

// serveOption gives an option its say; STARTTLS is the mode's business. These are
// cases and not a table of functions, because a table would be linked into
// programs that only have the client, the browser's above all.
func (c *serverConn) serveOption(opt Option, data []byte) error {
	switch opt {
	case OptExportName:
		return c.exportNameOption(opt, data)
	case OptAbort:
		return c.abortOption(opt, data)
	case OptList:
		return c.listOption(opt, data)
	case OptInfo, OptGo:
		return c.infoOption(opt, data)
	case OptStructuredReply:
		return c.structuredOption(opt, data)
	case OptListMetaContext:
		return c.listMetaOption(opt, data)
	case OptSetMetaContext:
		return c.setMetaOption(opt, data)
	case OptExtendedHeaders:
		return c.extendedOption(opt, data)
	}
	return c.reply(opt, RepErrUnsup, nil)
}

// isServed tells whether an option that is too long to look at is known.
func isServed(opt Option) bool {
	return opt >= OptExportName && opt <= OptExtendedHeaders && opt != OptPeekExport
}

// startTLS acknowledges and upgrades. Nothing negotiated before survives.
func (c *serverConn) startTLS() error {
	if err := c.reply(OptStartTLS, RepAck, nil); err != nil {
		return err
	}
	session := tls.Server(c.raw, c.server.tlsConfig())
	if err := session.Handshake(); err != nil {
		return fmt.Errorf("nbd: TLS handshake: %w", err)
	}
	if certs := session.ConnectionState().PeerCertificates; len(certs) > 0 {
		c.subject = certs[0].Subject.String()
	}
	c.conn, c.secure, c.negotiated = session, true, negotiated{}
	return nil
}

// abortOption leaves closing to the client, who may still send the end of its
// TLS session: closing first could cost it the acknowledgement.
func (c *serverConn) abortOption(opt Option, _ []byte) error {
	_ = c.reply(opt, RepAck, nil)
	_ = c.raw.SetDeadline(time.Now().Add(serverFarewellTimeout))
	_, _ = io.CopyN(io.Discard, c.conn, 1)
	_ = c.conn.Close()
	return errPolite
}

func (c *serverConn) structuredOption(opt Option, data []byte) error {
	switch {
	case len(data) > 0:
		return c.reply(opt, RepErrInvalid, nil)
	case c.extended:
		return c.replyText(opt, RepErrExtHeaderReqd, "extended headers are on, and with them every reply is structured")
	case c.structured:
		return c.reply(opt, RepErrInvalid, nil)
	}
	c.structured = true
	return c.reply(opt, RepAck, nil)
}

func (c *serverConn) extendedOption(opt Option, data []byte) error {
	if len(data) > 0 || c.extended {
		return c.reply(opt, RepErrInvalid, nil)
	}
	c.extended = true
	return c.reply(opt, RepAck, nil)
}

func (c *serverConn) reply(opt Option, typ ReplyType, data []byte) error {
	b := make([]byte, 0, lenOptionReply+len(data))
	b = binary.BigEndian.AppendUint64(b, magicOptionReply)
	b = binary.BigEndian.AppendUint32(b, uint32(opt))
	b = binary.BigEndian.AppendUint32(b, uint32(typ))
	b = binary.BigEndian.AppendUint32(b, uint32(len(data)))
	_, err := c.conn.Write(append(b, data...))
	return err
}

// replyText is an error reply with a text for people.
func (c *serverConn) replyText(opt Option, typ ReplyType, text string) error {
	return c.reply(opt, typ, []byte(text))
}

func (c *serverConn) exportName() string {
	if c.export == nil {
		return ""
	}
	return c.export.Name
}
