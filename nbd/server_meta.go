package nbd

import (
	"encoding/binary"
	"slices"
)

// The one metadata context that is served. A device that is no Mapper has it
// too: "allocated or unknown" is always true.
const (
	allocationNamespace = "base:"
	allocationContext   = "base:allocation"
	allocationID        = 1 // in the replies of this server
)

// listMetaOption tells the contexts that match a query, or all of them where
// there is none. The namespace alone stands for everything in it.
func (c *serverConn) listMetaOption(opt Option, data []byte) error {
	queries, e, err := c.metaRequest(opt, data)
	if e == nil {
		return err
	}
	if len(queries) == 0 || slices.Contains(queries, allocationNamespace) || slices.Contains(queries, allocationContext) {
		if err := c.replyContext(opt, 0); err != nil {
			return err
		}
	}
	return c.reply(opt, RepAck, nil)
}

// setMetaOption replaces the selection, even where it fails.
func (c *serverConn) setMetaOption(opt Option, data []byte) error {
	c.allocation = nil
	queries, e, err := c.metaRequest(opt, data)
	if e == nil {
		return err
	}
	if slices.Contains(queries, allocationContext) {
		c.allocation = e
		if err := c.replyContext(opt, allocationID); err != nil {
			return err
		}
	}
	return c.reply(opt, RepAck, nil)
}

func (c *serverConn) replyContext(opt Option, id uint32) error {
	return c.reply(opt, RepMetaContext, append(binary.BigEndian.AppendUint32(nil, id), allocationContext...))
}

// metaRequest reads and checks either option. Without an export it has been
// answered already.
func (c *serverConn) metaRequest(opt Option, data []byte) (queries []string, e *Export, err error) {
	if !c.structured && !c.extended {
		return nil, nil, c.replyText(opt, RepErrInvalid, "negotiate structured replies first")
	}
	name, queries, ok := parseMetaRequest(data)
	if !ok {
		return nil, nil, c.replyText(opt, RepErrInvalid, "malformed request")
	}
	e, denied := c.open(opt, name)
	if e == nil {
		return nil, nil, c.deny(opt, denied, name)
	}
	return queries, e, nil
}

// parseMetaRequest reads export name, number of queries, and each query. What
// a query says is not a matter of syntax: one that nobody knows is ignored.
func parseMetaRequest(data []byte) (name string, queries []string, ok bool) {
	name, data, ok = cutName(data)
	if !ok || len(data) < 4 {
		return "", nil, false
	}
	count, data := binary.BigEndian.Uint32(data), data[4:]
	for ; count > 0; count-- { // each takes four bytes at least, so data ends it
		var query string
		if query, data, ok = cutName(data); !ok {
			return "", nil, false
		}
		queries = append(queries, query)
	}
	return name, queries, len(data) == 0
}
