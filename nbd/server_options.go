package nbd

import (
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
	server *Server
	raw    net.Conn
	conn   net.Conn // raw, or the TLS session over it
	secure bool

	// What the client has negotiated. STARTTLS forgets all of it.
	structured bool
	export     *Export // set by GO
}

// serve runs the negotiation within its time limit, then the transmission.
func (c *serverConn) serve() error {
	_ = c.raw.SetDeadline(time.Now().Add(serverHandshakeTimeout))
	if err := c.greet(); err != nil {
		return err
	}
	for range serverMaxOptions {
		if err := c.oneOption(); err != nil {
			return err
		}
		if c.export != nil {
			_ = c.raw.SetDeadline(time.Time{})
			return c.transmit()
		}
	}
	return protocolErrorf("more than %d options", serverMaxOptions)
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
	if flags&^(flagFixedNewstyle|flagNoZeroes) != 0 || flags&flagFixedNewstyle == 0 {
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
	if length > serverMaxOptionData {
		return c.skipOption(opt, length)
	}
	data := make([]byte, length)
	if _, err := io.ReadFull(c.conn, data); err != nil {
		return fmt.Errorf("nbd: reading %v: %w", opt, err)
	}
	return c.answer(opt, data)
}

// skipOption drains an option that is too long to look at.
func (c *serverConn) skipOption(opt Option, length uint32) error {
	if length > serverMaxOptionSkip {
		return protocolErrorf("%v with %d bytes of data", opt, length)
	}
	if _, err := io.CopyN(io.Discard, c.conn, int64(length)); err != nil {
		return err
	}
	if opt == OptStartTLS || opt == OptAbort {
		return c.answer(opt, make([]byte, 1)) // any data is too much, or is ignored
	}
	if v := judge(c.stage(), opt); v == refuseTLS {
		return c.reply(opt, RepErrTLSReqd, nil)
	} else if v == hangUp || opt == OptExportName {
		return protocolErrorf("an export name of %d bytes", length)
	}
	if _, known := serverOptions[opt]; !known {
		return c.reply(opt, RepErrUnsup, nil)
	}
	return c.reply(opt, RepErrTooBig, nil)
}

// answer gives the mode's verdict, or the option its say.
func (c *serverConn) answer(opt Option, data []byte) error {
	if opt == OptStartTLS && len(data) > 0 {
		return c.replyText(opt, RepErrInvalid, "STARTTLS takes no data")
	}
	switch judge(c.stage(), opt) {
	case upgrade:
		return c.startTLS()
	case refuseTLS:
		return c.replyText(opt, RepErrTLSReqd, "start TLS first")
	case refuseMode:
		return c.replyText(opt, RepErrPolicy, "TLS is not configured here")
	case refuseDone:
		return c.replyText(opt, RepErrInvalid, "TLS is on already")
	case hangUp:
		return protocolErrorf("%v before TLS", opt)
	}
	if serve, ok := serverOptions[opt]; ok {
		return serve(c, opt, data)
	}
	return c.reply(opt, RepErrUnsup, nil)
}

// serverOptions holds one function per option. STARTTLS is the mode's business.
var serverOptions = map[Option]func(*serverConn, Option, []byte) error{
	OptExportName:      (*serverConn).exportNameOption,
	OptAbort:           (*serverConn).abortOption,
	OptList:            (*serverConn).listOption,
	OptInfo:            (*serverConn).infoOption,
	OptGo:              (*serverConn).infoOption,
	OptStructuredReply: (*serverConn).structuredOption,
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
	c.conn, c.secure, c.structured = session, true, false
	return nil
}

// exportNameOption can't answer with an error, and its reply shifts with a
// flag that travels in the clear: it is served to nobody.
func (c *serverConn) exportNameOption(Option, []byte) error {
	return protocolErrorf("EXPORT_NAME is not served: use GO")
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
	if len(data) > 0 || c.structured {
		return c.reply(opt, RepErrInvalid, nil)
	}
	c.structured = true
	return c.reply(opt, RepAck, nil)
}

func (c *serverConn) listOption(opt Option, data []byte) error {
	if len(data) > 0 {
		return c.reply(opt, RepErrInvalid, nil)
	}
	for _, e := range c.server.Exports {
		b := binary.BigEndian.AppendUint32(nil, uint32(len(e.Name)))
		b = append(append(b, e.Name...), e.Description...)
		if err := c.reply(opt, RepServer, b); err != nil {
			return err
		}
	}
	return c.reply(opt, RepAck, nil)
}

// infoOption serves INFO and GO.
func (c *serverConn) infoOption(opt Option, data []byte) error {
	name, wanted, ok := parseExportRequest(data)
	if !ok {
		return c.replyText(opt, RepErrInvalid, "malformed request")
	}
	e := c.server.find(name)
	if e == nil {
		return c.replyText(opt, RepErrUnknown, fmt.Sprintf("no export %.256q; LIST tells the names", name))
	}
	for _, info := range e.infos(wanted) {
		if err := c.reply(opt, RepInfo, info); err != nil {
			return err
		}
	}
	if err := c.reply(opt, RepAck, nil); err != nil {
		return err
	}
	if opt == OptGo {
		c.export = e
	}
	return nil
}

// parseExportRequest reads the data of INFO and GO.
func parseExportRequest(data []byte) (name string, wanted map[uint16]bool, ok bool) {
	if len(data) < 6 {
		return "", nil, false
	}
	n := binary.BigEndian.Uint32(data)
	if n > maxString || int(n) > len(data)-6 {
		return "", nil, false
	}
	name, data = string(data[4:4+n]), data[4+n:]
	count, data := int(binary.BigEndian.Uint16(data)), data[2:]
	if len(data) != 2*count || checkName(name) != nil {
		return "", nil, false
	}
	wanted = map[uint16]bool{}
	for ; len(data) > 0; data = data[2:] {
		wanted[binary.BigEndian.Uint16(data)] = true
	}
	return name, wanted, true
}

// infos are the information replies for an export: EXPORT always, the others
// on request. Our block sizes are the defaults, so nobody need ask.
func (e *Export) infos(wanted map[uint16]bool) [][]byte {
	b := binary.BigEndian.AppendUint16(nil, infoExport)
	b = binary.BigEndian.AppendUint64(b, uint64(e.Device.Size()))
	b = binary.BigEndian.AppendUint16(b, uint16(e.flags()))
	replies := [][]byte{b}
	if wanted[infoName] {
		replies = append(replies, append(binary.BigEndian.AppendUint16(nil, infoName), e.Name...))
	}
	if wanted[infoDescription] && e.Description != "" {
		replies = append(replies, append(binary.BigEndian.AppendUint16(nil, infoDescription), e.Description...))
	}
	if wanted[infoBlockSize] {
		b := binary.BigEndian.AppendUint16(nil, infoBlockSize)
		b = binary.BigEndian.AppendUint32(b, 1)
		b = binary.BigEndian.AppendUint32(b, defaultPreferred)
		replies = append(replies, binary.BigEndian.AppendUint32(b, serverMaxPayload))
	}
	return replies
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
