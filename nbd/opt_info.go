package nbd

import (
	"context"
	"encoding/binary"
	"errors"
	"math"
	"math/bits"
)

// A BlockSize holds the size constraints of an export, in bytes, proto.md
// "Block size constraints". Where the server named none, they are 1, 4096 and
// 33554432.
type BlockSize struct {
	Minimum        uint32 // a power of two up to 65536; every request is a multiple of it
	Preferred      uint32 // requests of this size are efficient
	MaximumPayload uint32 // the most data that one request may carry
}

var defaultBlockSize = BlockSize{1, defaultPreferred, defaultMaxPayload}

// ExportInfo is what a server tells of an export.
type ExportInfo struct {
	Name        string // the canonical name, or the one that was asked for
	Description string // free text for people; may be empty
	Size        int64  // bytes; a hint after Info: nbd-server says 0 there
	Flags       TransmissionFlags
	BlockSize   BlockSize
}

// ReadOnly tells whether the export refuses writes.
func (i *ExportInfo) ReadOnly() bool { return i.Flags&FlagReadOnly != 0 }

// Info asks about an export without opening it, NBD_OPT_INFO. The empty name
// is the server's default export.
func (c *Client) Info(ctx context.Context, export string) (info *ExportInfo, err error) {
	if err := checkName(export); err != nil {
		return nil, err
	}
	if c.isLegacy() {
		return nil, c.unsupported(OptInfo, export)
	}
	err = c.step(ctx, func() error {
		info, err = c.exportOption(OptInfo, export)
		return err
	})
	return info, err
}

// Open ends the negotiation on an export, NBD_OPT_GO, and returns it as a
// Disk, which then owns the connection. The empty name is the server's default
// export. After an *OptionError another export may be tried.
func (c *Client) Open(ctx context.Context, export string) (*Disk, error) {
	if err := checkName(export); err != nil {
		return nil, err
	}
	var info *ExportInfo
	err := c.step(ctx, func() (err error) {
		info, err = c.open(export)
		return err
	})
	if err != nil {
		return nil, err
	}
	c.closed = true // spent: the Disk has the connection
	return newDisk(c, info), nil
}

func (c *Client) open(export string) (*ExportInfo, error) {
	if c.isLegacy() {
		return c.openLegacy(export)
	}
	if err := c.negotiateFraming(); err != nil {
		return nil, err
	}
	if err := c.setMetaContexts(export); err != nil {
		return nil, err
	}
	info, err := c.exportOption(OptGo, export)
	if refused := (*OptionError)(nil); c.cfg.Legacy && c.framing != FramingExtended && errors.As(err, &refused) && refused.Reply == RepErrUnsup {
		return c.exportName(export)
	}
	return info, err
}

// exportOption runs INFO or GO, which differ only in what follows.
func (c *Client) exportOption(opt Option, export string) (*ExportInfo, error) {
	if err := c.sendOption(opt, appendExportRequest(nil, export)); err != nil {
		return nil, err
	}
	info, err := c.recvInfo(opt, export)
	if refused := (*OptionError)(nil); errors.As(err, &refused) {
		refused.Export = export
	}
	return info, err
}

// appendExportRequest writes the data of INFO and GO: name, and the
// information types that we ask for. Asking for block sizes binds us to them.
func appendExportRequest(b []byte, export string) []byte {
	b = appendString(b, export)
	wanted := []uint16{infoName, infoDescription, infoBlockSize}
	b = binary.BigEndian.AppendUint16(b, uint16(len(wanted)))
	for _, w := range wanted {
		b = binary.BigEndian.AppendUint16(b, w)
	}
	return b
}

func (c *Client) recvInfo(opt Option, export string) (*ExportInfo, error) {
	info := &ExportInfo{Name: export, BlockSize: defaultBlockSize}
	described := false
	for range maxInfoReplies {
		typ, data, err := c.recvReply(opt)
		switch {
		case err != nil:
			return nil, err
		case typ == RepAck && described:
			return info, nil
		case typ == RepAck:
			return nil, protocolErrorf("%v was acknowledged without the export's size", opt)
		case typ != RepInfo:
			return nil, protocolErrorf("unexpected reply %v to %v", typ, opt)
		}
		isExport, err := info.parse(data)
		if err != nil {
			return nil, err
		}
		described = described || isExport
	}
	return nil, protocolErrorf("more than %d replies to %v", maxInfoReplies, opt)
}

// parse takes one NBD_REP_INFO; unknown types are ignored.
func (i *ExportInfo) parse(data []byte) (isExport bool, err error) {
	if len(data) < 2 {
		return false, protocolErrorf("an information reply of %d bytes", len(data))
	}
	switch typ := binary.BigEndian.Uint16(data); typ {
	case infoExport:
		return true, i.parseExport(data)
	case infoBlockSize:
		return false, i.parseBlockSize(data)
	case infoName, infoDescription:
		return false, i.parseText(typ, data[2:])
	}
	return false, nil
}

func (i *ExportInfo) parseExport(data []byte) error {
	if len(data) != lenInfoExport {
		return protocolErrorf("export information of %d bytes, not %d", len(data), lenInfoExport)
	}
	size := binary.BigEndian.Uint64(data[2:])
	if size > math.MaxInt64 {
		return protocolErrorf("an export size of %d bytes, beyond 2^63-1", size)
	}
	i.Size, i.Flags = int64(size), TransmissionFlags(binary.BigEndian.Uint16(data[10:]))
	return nil
}

func (i *ExportInfo) parseBlockSize(data []byte) error {
	if len(data) != lenInfoBlock {
		return protocolErrorf("block size information of %d bytes, not %d", len(data), lenInfoBlock)
	}
	b := BlockSize{
		Minimum:        binary.BigEndian.Uint32(data[2:]),
		Preferred:      binary.BigEndian.Uint32(data[6:]),
		MaximumPayload: binary.BigEndian.Uint32(data[10:]),
	}
	if !b.valid() {
		return protocolErrorf("impossible block sizes: minimum %d, preferred %d, maximum %d", b.Minimum, b.Preferred, b.MaximumPayload)
	}
	i.BlockSize = b
	return nil
}

func (i *ExportInfo) parseText(typ uint16, text []byte) error {
	if len(text) > maxString {
		return protocolErrorf("an export name or description of %d bytes", len(text))
	}
	if typ == infoName {
		i.Name = string(text)
	} else {
		i.Description = string(text)
	}
	return nil
}

// valid checks what proto.md "Block size constraints" demands of a server.
func (b BlockSize) valid() bool {
	powers := bits.OnesCount32(b.Minimum) == 1 && bits.OnesCount32(b.Preferred) == 1
	return powers && b.Minimum <= maxMinimumBlock && b.Preferred >= max(b.Minimum, minPreferredBlock) &&
		b.MaximumPayload >= b.Preferred
}
