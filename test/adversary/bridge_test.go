package adversary

import (
	"encoding/binary"
	"io"
	"net"
	"slices"
	"sync"
)

// A bridge sits between a client and a server, as the real one does, but
// understands what it carries and alters it by a rule.
type bridge struct {
	client, server net.Conn // its own ends
	alter          rule

	mu   sync.Mutex
	sent []byte // by the client, as it sent it
	got  []byte // by the bridge from the server
	raw  bool   // a transmission in plain text has begun
	work sync.WaitGroup
}

// A rule says what becomes of a message: the bytes that go on in its place,
// nil for none. It may also write to either end, or close them. Rules of the
// two directions run at the same time.
type rule func(b *bridge, m message) []byte

// Kinds of messages.
const (
	kindGreeting = "greeting"
	kindFlags    = "client flags"
	kindOption   = "option"
	kindReply    = "option reply"
	kindRecord   = "TLS record"
	kindRaw      = "plain transmission"
)

// A message is what the bridge takes from the stream at once.
type message struct {
	up   bool // from the client to the server
	kind string
	nth  int    // of its kind in its direction, from 0
	opt  uint32 // of an option or its reply
	typ  uint32 // of an option reply, or of a TLS record
	data []byte // as on the wire, whole
}

// newBridge carries until either side ends.
func newBridge(client, server net.Conn, alter rule) *bridge {
	if alter == nil {
		alter = func(_ *bridge, m message) []byte { return m.data }
	}
	b := &bridge{client: client, server: server, alter: alter}
	b.work.Go(func() { b.carry(true, client, server) })
	b.work.Go(func() { b.carry(false, server, client) })
	return b
}

// carry moves one direction. The end of one end is the end of both.
func (b *bridge) carry(up bool, from, to net.Conn) {
	defer b.cut()
	seen := map[string]int{}
	for {
		m, err := b.next(up, len(seen) == 0, from)
		if err != nil {
			return
		}
		m.nth = seen[m.kind]
		seen[m.kind]++
		if out := b.alter(b, m); len(out) > 0 {
			if _, err := to.Write(out); err != nil {
				return
			}
		}
	}
}

func (b *bridge) cut() {
	b.client.Close()
	b.server.Close()
}

// next reads a message. Its first byte tells the kind: options begin with I,
// option replies with 0, TLS records with 20 to 23.
func (b *bridge) next(up, first bool, from io.Reader) (message, error) {
	in := &taker{from: from}
	switch {
	case up && first:
		return b.note(up, message{kind: kindFlags, data: in.take(4)}, in.err)
	case first:
		return b.note(up, message{kind: kindGreeting, data: in.take(18)}, in.err)
	}
	lead := in.take(1)
	b.mu.Lock()
	raw := b.raw
	b.mu.Unlock()
	switch {
	case in.err != nil:
		return message{}, in.err
	case raw:
		return b.note(up, message{kind: kindRaw, data: cat(lead, in.some())}, nil)
	case lead[0] >= recordCCS && lead[0] <= recordData:
		head := cat(lead, in.take(4))
		return b.note(up, message{kind: kindRecord, typ: uint32(lead[0]), data: in.rest(head, 3, 2)}, in.err)
	case up && lead[0] == 'I':
		head := cat(lead, in.take(15))
		return b.note(up, message{kind: kindOption, opt: number(head, 8), data: in.rest(head, 12, 4)}, in.err)
	case !up && lead[0] == 0:
		head := cat(lead, in.take(19))
		return b.note(up, message{kind: kindReply, opt: number(head, 8), typ: number(head, 12), data: in.rest(head, 16, 4)}, in.err)
	}
	return b.note(up, message{kind: kindRaw, data: cat(lead, in.some())}, nil)
}

func number(b []byte, at int) uint32 {
	if len(b) < at+4 {
		return 0
	}
	return binary.BigEndian.Uint32(b[at:])
}

func (b *bridge) note(up bool, m message, err error) (message, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	m.up = up
	if up {
		b.sent = append(b.sent, m.data...)
	} else {
		b.got = append(b.got, m.data...)
	}
	b.raw = b.raw || !up && m.kind == kindReply && m.opt == optGo && m.typ == repAck
	return m, err
}

// heard returns what the client has sent so far.
func (b *bridge) heard() []byte {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.sent)
}

// A taker reads pieces of exact lengths and remembers the first error.
type taker struct {
	from io.Reader
	err  error
}

// take returns what there is of n bytes.
func (in *taker) take(n int) []byte {
	if in.err != nil {
		return nil
	}
	b := make([]byte, n)
	n, in.err = io.ReadFull(in.from, b)
	return b[:n]
}

// some returns what is there of a connection in memory; of a real one nothing,
// which makes small messages and waits for none.
func (in *taker) some() []byte {
	e, ok := in.from.(*end)
	if !ok {
		return nil
	}
	e.in.mu.Lock()
	defer e.in.mu.Unlock()
	b := e.in.data
	e.in.data = nil
	e.in.changed.Broadcast()
	return b
}

// rest appends to a head the bytes that its length field, width bytes at at,
// announces.
func (in *taker) rest(head []byte, at, width int) []byte {
	if in.err != nil {
		return head
	}
	n := 0
	for _, v := range head[at : at+width] {
		n = n<<8 | int(v)
	}
	return append(head, in.take(n)...)
}
