package adversary

import (
	"encoding/binary"
	"slices"
)

// A hello is a ClientHello, taken apart so that it can be altered.
type hello struct {
	head       []byte // version, random, session id
	suites     []byte // with their length
	compress   []byte
	extensions []extension
}

type extension struct {
	typ  uint16
	data []byte
}

// Extensions of TLS.
const (
	extSessionTicket     = 35
	extPreSharedKey      = 41
	extEarlyData         = 42
	extSupportedVersions = 43
)

// parseHello reads the record that a client begins TLS with.
func parseHello(record []byte) *hello {
	b := record[5+4:]
	cut := func(n int) []byte {
		part := b[:n]
		b = b[n:]
		return part
	}
	h := &hello{head: cut(2 + 32 + 1 + int(b[34]))}
	h.suites = cut(2 + int(binary.BigEndian.Uint16(b)))
	h.compress = cut(1 + int(b[0]))
	cut(2)
	for len(b) > 0 {
		e := extension{typ: binary.BigEndian.Uint16(cut(2))}
		e.data = cut(int(binary.BigEndian.Uint16(cut(2))))
		h.extensions = append(h.extensions, e)
	}
	return h
}

// record puts it together again.
func (h *hello) record() []byte {
	var extensions []byte
	for _, e := range h.extensions {
		extensions = cat(extensions, u16(e.typ), u16(uint16(len(e.data))), e.data)
	}
	body := cat(h.head, h.suites, h.compress, u16(uint16(len(extensions))), extensions)
	handshake := cat(u32(1<<24|uint32(len(body))), body)
	return cat([]byte{recordHandshake, 3, 1}, u16(uint16(len(handshake))), handshake)
}

func (h *hello) find(typ uint16) *extension {
	i := slices.IndexFunc(h.extensions, func(e extension) bool { return e.typ == typ })
	if i < 0 {
		return nil
	}
	return &h.extensions[i]
}

func (h *hello) drop(typ uint16) {
	h.extensions = slices.DeleteFunc(h.extensions, func(e extension) bool { return e.typ == typ })
}

// edits alters the ClientHello on its way.
func edits(edit func(h *hello)) rule {
	return on(true, kindRecord, func(_ *bridge, m message) []byte {
		if m.nth > 0 {
			return m.data
		}
		h := parseHello(m.data)
		edit(h)
		return h.record()
	})
}
