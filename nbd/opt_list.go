package nbd

import (
	"context"
	"encoding/binary"
)

// An ExportEntry is one export in a server's list.
type ExportEntry struct {
	Name        string // at most 4096 bytes, as the server sent it; may be empty
	Description string // free text for people; may be empty
}

// List asks for the server's exports, NBD_OPT_LIST. An export that is not
// listed may exist all the same, and a server may refuse to list. At most
// 10000 exports are taken. nbdkit answers only one List per connection.
func (c *Client) List(ctx context.Context) (entries []ExportEntry, err error) {
	if c.isLegacy() {
		return nil, c.unsupported(OptList, "")
	}
	err = c.step(ctx, func() error {
		entries, err = c.list()
		return err
	})
	return entries, err
}

func (c *Client) list() ([]ExportEntry, error) {
	if err := c.sendOption(OptList, nil); err != nil {
		return nil, err
	}
	entries, bytes := []ExportEntry{}, 0
	for {
		typ, data, err := c.recvReply(OptList)
		if err != nil {
			return nil, err
		}
		if typ == RepAck {
			return entries, nil
		}
		entry, err := parseServer(typ, data)
		if err != nil {
			return nil, err
		}
		entries, bytes = append(entries, entry), bytes+len(data)
		if len(entries) > maxServerReplies || bytes > maxServerReplyBytes {
			return nil, protocolErrorf("the server's list does not end: %d exports, %d bytes", len(entries), bytes)
		}
	}
}

// parseServer reads NBD_REP_SERVER: name length, name, description.
func parseServer(typ ReplyType, data []byte) (ExportEntry, error) {
	if typ != RepServer {
		return ExportEntry{}, protocolErrorf("unexpected reply %v to LIST", typ)
	}
	if len(data) < 4 {
		return ExportEntry{}, protocolErrorf("an export entry of %d bytes", len(data))
	}
	n, rest := binary.BigEndian.Uint32(data), data[4:]
	if n > maxString || int(n) > len(rest) {
		return ExportEntry{}, protocolErrorf("an export name of %d bytes in an entry of %d", n, len(data))
	}
	return ExportEntry{Name: string(rest[:n]), Description: string(rest[n:])}, nil
}
