package nbd_test

import (
	"encoding/binary"
	"io"
	"net"
	"testing"

	"nbdbridge/nbd"
)

// A manner is how requests and replies are framed.
type manner int

const (
	simpleReplies manner = iota
	structuredReplies
	extendedHeaders
)

var manners = []manner{simpleReplies, structuredReplies, extendedHeaders}

func (m manner) String() string { return [...]string{"simple", "structured", "extended"}[m] }

// metaRequest is the data of LIST_META_CONTEXT and SET_META_CONTEXT.
func metaRequest(export string, queries ...string) []byte {
	b := cat(u32(uint32(len(export))), []byte(export), u32(uint32(len(queries))))
	for _, q := range queries {
		b = cat(b, u32(uint32(len(q))), []byte(q))
	}
	return b
}

// begun negotiates raw, up to the transmission phase, with base:allocation
// where the manner has it.
func begun(t testing.TB, srv *nbd.Server, export string, m manner) (c net.Conn, verdict func() error) {
	t.Helper()
	c, verdict = serve(t, srv)
	expect(t, c, greeting(3))
	send(t, c, u32(3))
	inStep := func(opt uint32, data []byte) {
		if got, text := ask(t, c, opt, data); got != repAck {
			t.Fatalf("option %d: %#x %q", opt, got, text)
		}
	}
	if m == structuredReplies {
		inStep(optStructured, nil)
	} else if m == extendedHeaders {
		inStep(optExtended, nil)
	}
	if m != simpleReplies {
		inStep(optSetMeta, metaRequest(export, "base:allocation"))
	}
	inStep(optGo, exportRequest(export, 3))
	return c, verdict
}

// request is a request in that manner; a payload sets PAYLOAD_LEN where there
// is such a flag.
func (m manner) request(flags, cmd uint16, cookie, offset, length uint64, payload ...byte) []byte {
	if m != extendedHeaders {
		return cat(request(flags, cmd, cookie, offset, uint32(length)), payload)
	}
	if len(payload) > 0 {
		flags |= 1 << 5
	}
	return cat(u32(0x21e41c71), u16(flags), u16(cmd), u64(cookie), u64(offset), u64(length), payload)
}

// A heard reply: its error, its content put together, and its chunks as
// "type:length of the payload".
type heard struct {
	cookie uint64
	errno  uint32
	text   string
	chunks []heardChunk
}

type heardChunk struct {
	typ     uint16
	payload []byte
}

// data puts the content of a read together; from is the request's offset.
func (h heard) data(t testing.TB, from uint64, n int) []byte {
	t.Helper()
	b, covered := make([]byte, n), 0
	for _, c := range h.chunks {
		at := binary.BigEndian.Uint64(c.payload) - from
		switch c.typ {
		case 1:
			covered += copy(b[at:], c.payload[8:])
		case 2:
			covered += int(binary.BigEndian.Uint32(c.payload[8:]))
		default:
			t.Fatalf("a chunk of type %d in a read", c.typ)
		}
	}
	if covered != n {
		t.Fatalf("%d of %d bytes are covered", covered, n)
	}
	return b
}

// hear reads one whole reply. n is the length of the data in a simple reply
// without an error.
func hear(t testing.TB, c net.Conn, m manner, n int) (h heard) {
	t.Helper()
	recv := func(n int) []byte {
		b := make([]byte, n)
		if _, err := io.ReadFull(c, b); err != nil {
			t.Fatalf("hearing a reply: %v", err)
		}
		return b
	}
	for {
		switch magic := binary.BigEndian.Uint32(recv(4)); {
		case magic == 0x67446698 && m != extendedHeaders:
			b := recv(12)
			h.errno, h.cookie = binary.BigEndian.Uint32(b), binary.BigEndian.Uint64(b[4:])
			if h.errno == 0 && n > 0 {
				h.chunks = []heardChunk{{1, cat(u64(0), recv(n))}}
			}
			return h
		case magic == 0x668e33ef && m == structuredReplies, magic == 0x6e8a278c && m == extendedHeaders:
			b := recv(map[manner]int{structuredReplies: 16, extendedHeaders: 28}[m])
			size := uint64(binary.BigEndian.Uint32(b[12:]))
			if m == extendedHeaders {
				size = binary.BigEndian.Uint64(b[20:])
			}
			if size > 64<<20 {
				t.Fatalf("a chunk of %d bytes", size)
			}
			chunk := heardChunk{binary.BigEndian.Uint16(b[2:]), recv(int(size))}
			h.cookie = binary.BigEndian.Uint64(b[4:])
			if chunk.typ == 0x8001 {
				h.errno, h.text = binary.BigEndian.Uint32(chunk.payload), string(chunk.payload[6:])
				if want := int(binary.BigEndian.Uint16(chunk.payload[4:])); want != len(h.text) || want > 4096 {
					t.Fatalf("an error's text of %d bytes is said to have %d", len(h.text), want)
				}
			} else if chunk.typ != 0 {
				h.chunks = append(h.chunks, chunk)
			}
			if flags := binary.BigEndian.Uint16(b); flags == done {
				return h
			} else if flags != 0 {
				t.Fatalf("chunk flags %#x", flags)
			}
		default:
			t.Fatalf("a reply with magic %#x in the manner %v", magic, m)
		}
	}
}

// bare is a device without any of the abilities that are optional.
type bare struct{ nbd.Device }
