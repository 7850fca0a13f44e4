package nbd

import (
	"encoding/binary"
	"fmt"
	"io"
	"math"
)

// What Config.Legacy adds: servers that offer no fixed newstyle negotiation,
// or no GO. All of it is in plain text. EXPORT_NAME has no error reply, and the
// length of its answer hangs on a flag that travels in the clear: it is never
// sent inside TLS (attack A8).

// lenOldstyle is what follows the magic of an oldstyle greeting, in bytes:
// size, flags of which the lower half counts, zeroes.
const lenOldstyle = 8 + 4 + lenExportZeroes

// greetOldstyle reads the rest of an oldstyle greeting. There is nothing to
// negotiate: the one export is open.
func (c *Client) greetOldstyle() error {
	var b [lenOldstyle]byte
	if err := c.read(b[:], "the oldstyle greeting"); err != nil {
		return err
	}
	size := binary.BigEndian.Uint64(b[:])
	info, err := legacyInfo("", size, TransmissionFlags(binary.BigEndian.Uint32(b[8:])))
	c.oldstyle = info
	return err
}

// legacyInfo is what an old server tells of an export.
func legacyInfo(name string, size uint64, flags TransmissionFlags) (*ExportInfo, error) {
	if size > math.MaxInt64 {
		return nil, protocolErrorf("an export size of %d bytes, beyond 2^63-1", size)
	}
	return &ExportInfo{Name: name, Size: int64(size), Flags: flags, BlockSize: defaultBlockSize}, nil
}

// openLegacy opens an export of a server that does not know GO.
func (c *Client) openLegacy(export string) (*ExportInfo, error) {
	switch {
	case c.oldstyle != nil && export != "":
		return nil, &OptionError{Option: OptGo, Reply: RepErrUnknown, Export: export, Message: ""}
	case c.oldstyle != nil:
		return c.oldstyle, nil
	}
	return c.exportName(export)
}

// exportName runs NBD_OPT_EXPORT_NAME. A server that does not have the export
// can only hang up.
func (c *Client) exportName(export string) (*ExportInfo, error) {
	if err := c.sendOption(OptExportName, []byte(export)); err != nil {
		return nil, err
	}
	n := lenExportName + lenExportZeroes
	if c.noZeroes {
		n = lenExportName
	}
	b := make([]byte, n)
	if _, err := io.ReadFull(c.conn, b); err != nil {
		return nil, fmt.Errorf("nbd: opening export %q the old way, in which a server that does not have it just hangs up: %w", export, err)
	}
	return legacyInfo(export, binary.BigEndian.Uint64(b), TransmissionFlags(binary.BigEndian.Uint16(b[8:])))
}

// isLegacy tells that the server knows no option but EXPORT_NAME, or none.
func (c *Client) isLegacy() bool { return c.oldstyle != nil || !c.fixed }

// unsupported answers for a server that can't be asked.
func (c *Client) unsupported(opt Option, export string) error {
	return &OptionError{Option: opt, Reply: RepErrUnsup, Export: export}
}
