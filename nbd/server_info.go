package nbd

import (
	"encoding/binary"
	"fmt"
)

func (c *serverConn) listOption(opt Option, data []byte) error {
	if len(data) > 0 {
		return c.reply(opt, RepErrInvalid, nil)
	}
	for i := range c.server.Exports {
		e := &c.server.Exports[i]
		if !c.lists(e) {
			continue
		}
		if err := c.reply(opt, RepServer, append(appendString(nil, e.Name), e.Description...)); err != nil {
			return err
		}
	}
	return c.reply(opt, RepAck, nil)
}

// exportNameOption serves the clients of old. It can't answer with an error.
func (c *serverConn) exportNameOption(opt Option, data []byte) error {
	if !c.server.Legacy {
		return protocolErrorf("EXPORT_NAME is not served: use GO")
	}
	e, denied := c.open(opt, string(data))
	switch {
	case e == nil:
		return protocolErrorf("EXPORT_NAME of %.256q: %v", data, denied)
	case c.extended || e.needsBlockSize():
		return protocolErrorf("EXPORT_NAME where GO is the only way")
	}
	b := binary.BigEndian.AppendUint64(nil, uint64(e.Device.Size()))
	b = binary.BigEndian.AppendUint16(b, uint16(c.flags(e)))
	if !c.noZeroes {
		b = append(b, make([]byte, lenExportZeroes)...)
	}
	c.enter(e)
	_, err := c.conn.Write(b)
	return err
}

// enter ends the negotiation. What was selected for another export is void.
func (c *serverConn) enter(e *Export) {
	c.export = e
	if c.allocation != e {
		c.allocation = nil
	}
}

// infoOption serves INFO and GO.
func (c *serverConn) infoOption(opt Option, data []byte) error {
	name, wanted, ok := parseExportRequest(data)
	if !ok {
		return c.replyText(opt, RepErrInvalid, "malformed request")
	}
	e, denied := c.open(opt, name)
	if e == nil {
		return c.deny(opt, denied, name)
	}
	if e.needsBlockSize() && !wanted[infoBlockSize] {
		return c.demandBlockSize(opt, e)
	}
	for _, info := range c.infos(e, wanted) {
		if err := c.reply(opt, RepInfo, info); err != nil {
			return err
		}
	}
	if err := c.reply(opt, RepAck, nil); err != nil {
		return err
	}
	if opt == OptGo {
		c.enter(e)
	}
	return nil
}

// deny tells no more than the reply does: the text is the same whether the
// export exists or not.
func (c *serverConn) deny(opt Option, denied ReplyType, name string) error {
	texts := map[ReplyType]string{
		RepErrUnknown: fmt.Sprintf("no export %.256q; LIST tells the names", name),
		RepErrTLSReqd: "start TLS first",
		RepErrPolicy:  "this export is served inside TLS only",
	}
	return c.replyText(opt, denied, texts[denied])
}

// demandBlockSize is for clients that would send what the export can't serve.
// It tells them what they need to try again.
func (c *serverConn) demandBlockSize(opt Option, e *Export) error {
	if err := c.reply(opt, RepInfo, e.blockSizeInfo()); err != nil {
		return err
	}
	return c.replyText(opt, RepErrBlockSizeReqd, "ask for the block sizes, and keep to them")
}

// needsBlockSize tells whether a client must ask for the block sizes: one
// that does not may well use blocks of 512 bytes, but of no more.
func (e *Export) needsBlockSize() bool { return e.blockSize().Minimum > minPreferredBlock }

// parseExportRequest reads the data of INFO and GO.
func parseExportRequest(data []byte) (name string, wanted map[uint16]bool, ok bool) {
	name, data, ok = cutName(data)
	if !ok || len(data) < 2 {
		return "", nil, false
	}
	count, data := int(binary.BigEndian.Uint16(data)), data[2:]
	if len(data) != 2*count {
		return "", nil, false
	}
	wanted = map[uint16]bool{}
	for ; len(data) > 0; data = data[2:] {
		wanted[binary.BigEndian.Uint16(data)] = true
	}
	return name, wanted, true
}

// cutName reads a length of 32 bits and a name, and returns what follows.
func cutName(data []byte) (name string, rest []byte, ok bool) {
	if len(data) < 4 {
		return "", nil, false
	}
	n := binary.BigEndian.Uint32(data)
	if n > maxString || int(n) > len(data)-4 {
		return "", nil, false
	}
	name, rest = string(data[4:4+n]), data[4+n:]
	return name, rest, checkName(name) == nil
}

// infos are the information replies for an export: EXPORT always, the others
// on request. Block sizes that are not the defaults are told unasked.
func (c *serverConn) infos(e *Export, wanted map[uint16]bool) [][]byte {
	b := binary.BigEndian.AppendUint16(nil, infoExport)
	b = binary.BigEndian.AppendUint64(b, uint64(e.Device.Size()))
	b = binary.BigEndian.AppendUint16(b, uint16(c.flags(e)))
	replies := [][]byte{b}
	if wanted[infoName] {
		replies = append(replies, append(binary.BigEndian.AppendUint16(nil, infoName), e.Name...))
	}
	if wanted[infoDescription] && e.Description != "" {
		replies = append(replies, append(binary.BigEndian.AppendUint16(nil, infoDescription), e.Description...))
	}
	if wanted[infoBlockSize] || e.blockSize() != defaultBlockSize {
		replies = append(replies, e.blockSizeInfo())
	}
	return replies
}

func (e *Export) blockSizeInfo() []byte {
	size := e.blockSize()
	b := binary.BigEndian.AppendUint16(nil, infoBlockSize)
	b = binary.BigEndian.AppendUint32(b, size.Minimum)
	b = binary.BigEndian.AppendUint32(b, size.Preferred)
	return binary.BigEndian.AppendUint32(b, size.MaximumPayload)
}

// flags are the transmission flags of an export: what works with this device
// and with what has been negotiated. Every connection to a device sees what
// another has flushed, so several are as good as one.
func (c *serverConn) flags(e *Export) TransmissionFlags {
	f := FlagHasFlags | FlagSendFlush | FlagSendFUA | FlagCanMultiConn
	for _, has := range []struct {
		flag TransmissionFlags
		ok   bool
	}{
		{FlagReadOnly, e.ReadOnly},
		{FlagSendTrim, !e.ReadOnly && is[Trimmer](e.Device)},
		{FlagSendWriteZeroes, !e.ReadOnly},
		{FlagSendFastZero, !e.ReadOnly && is[Zeroer](e.Device)},
		{FlagSendCache, is[Cacher](e.Device)},
		{FlagSendDF, c.structured || c.extended},
		{FlagBlockStatusPayload, c.extended && c.allocation == e},
	} {
		if has.ok {
			f |= has.flag
		}
	}
	return f
}

func is[T any](d Device) bool {
	_, ok := d.(T)
	return ok
}
