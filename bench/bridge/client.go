//go:build linux

package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
)

// A client is the sink's end of a session: raw TCP, or a WebSocket that costs
// next to nothing, so that the contender is what is measured.
type client struct {
	conn   *net.TCPConn
	framed bool
	left   uint64 // bytes of the frame at hand that are still to come

	buf  *[chunk]byte // nil while nothing waits in it
	r, w int          // buf[r:w] waits
	out  []byte       // reused by send
}

// connect opens a session at tcp://ADDR, or at ws://ADDR/PATH#SUBPROTOCOL.
func connect(endpoint string, mss int) (*client, error) {
	u, err := url.Parse(endpoint)
	if err != nil {
		return nil, err
	}
	conn, err := dial(u.Host, mss)
	if err != nil {
		return nil, err
	}
	c := &client{conn: conn}
	if u.Scheme == "ws" {
		if err := c.upgrade(u); err != nil {
			conn.Close()
			return nil, fmt.Errorf("%s: %w", endpoint, err)
		}
	}
	return c, nil
}

// upgrade is the opening handshake (RFC 6455, 4.1). The server is ours to
// trust: its accept key is not checked.
func (c *client) upgrade(u *url.URL) error {
	_, err := fmt.Fprintf(c.conn, "GET %s HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: %s\r\n\r\n",
		u.Path, u.Host, u.Fragment)
	if err != nil {
		return err
	}
	for {
		if err := c.fill(); err != nil {
			return err
		}
		if end := bytes.Index(c.buf[:c.w], []byte("\r\n\r\n")); end >= 0 {
			return c.upgraded(end + 4)
		}
	}
}

func (c *client) upgraded(length int) error {
	if !bytes.HasPrefix(c.buf[:c.w], []byte("HTTP/1.1 101 ")) {
		return fmt.Errorf("no upgrade: %q", c.buf[:min(length, 200)])
	}
	c.framed = true
	c.consume(length)
	return nil
}

// fill reads more into buf, which has room.
func (c *client) fill() error {
	if c.buf == nil {
		c.buf = buffers.Get().(*[chunk]byte)
	}
	if c.r > 0 && c.w == chunk {
		c.r, c.w = 0, copy(c.buf[:], c.buf[c.r:c.w])
	}
	if c.w == chunk {
		return errors.New("more waits than any answer needs")
	}
	n, err := c.conn.Read(c.buf[c.w:])
	c.w += n
	return err
}

func (c *client) consume(n int) {
	c.r += n
	if c.r == c.w {
		c.r, c.w = 0, 0
	}
}

// rest gives the empty buffer back, so that idle sessions are cheap here too.
func (c *client) rest() {
	if c.buf != nil && c.r == c.w {
		buffers.Put(c.buf)
		c.buf = nil
	}
}

// next returns payload that has come, at least one byte, and waits for it if
// there is none. It is valid up to the next call.
func (c *client) next() ([]byte, error) {
	for {
		if c.framed && c.left == 0 {
			if err := c.nextFrame(); err != nil {
				return nil, err
			}
		}
		if c.r < c.w && (!c.framed || c.left > 0) {
			return c.waiting(), nil
		}
		if c.r == c.w {
			if err := c.fill(); err != nil {
				return nil, err
			}
		}
	}
}

func (c *client) waiting() []byte {
	if c.framed {
		return c.buf[c.r:][:min(uint64(c.w-c.r), c.left)]
	}
	return c.buf[c.r:c.w]
}

// take consumes payload that next has returned.
func (c *client) take(n int) {
	if c.framed {
		c.left -= uint64(n)
	}
	c.consume(n)
}

// nextFrame reads a header, and the whole frame if it is one of control.
func (c *client) nextFrame() error {
	for {
		if c.buf != nil {
			h, size, err := parseHeader(c.buf[c.r:c.w])
			switch {
			case err != nil:
				return err
			case size > 0 && h.opcode < opClose:
				c.consume(size)
				c.left = h.length
				return nil
			case size > 0 && uint64(c.w-c.r-size) >= h.length:
				body := c.buf[c.r+size:][:h.length]
				defer c.consume(size + int(h.length))
				return c.control(h.opcode, body)
			}
		}
		if err := c.fill(); err != nil {
			return err
		}
	}
}

func (c *client) control(opcode byte, body []byte) error {
	switch opcode {
	case opPing:
		_, err := c.conn.Write(appendFrame(nil, opPong, maskKey, body))
		return err
	case opClose:
		return fmt.Errorf("closed: %q", body)
	}
	return nil
}

// maskKey is no secret here. It is not zero, so that unmasking is work.
var maskKey = [4]byte{0x9e, 0x37, 0x79, 0xb9}

// message is payload as it goes over the wire: as one message, if framed.
func (c *client) message(dst, payload []byte) []byte {
	if c.framed {
		return appendFrame(dst, opBinary, maskKey, payload)
	}
	return append(dst, payload...)
}

func (c *client) send(payload []byte) error {
	c.out = c.message(c.out[:0], payload)
	_, err := c.conn.Write(c.out)
	return err
}

// discard takes n bytes of payload and looks at none.
func (c *client) discard(n int64) error {
	for n > 0 {
		b, err := c.next()
		if err != nil {
			return err
		}
		got := min(int64(len(b)), n)
		c.take(int(got))
		n -= got
	}
	return nil
}

func (c *client) Read(p []byte) (int, error) {
	b, err := c.next()
	n := copy(p, b)
	if err == nil {
		c.take(n)
	}
	return n, err
}

// down asks for n bytes and takes them.
func (c *client) down(n int64) error {
	if err := c.send(newOrder(orderDown, n)); err != nil {
		return err
	}
	return c.discard(n)
}

// upMessage is the size of the messages that are sent in bulk.
const upMessage = 64 << 10

// up sends n bytes, a multiple of upMessage, and waits until they are there.
func (c *client) up(n int64) error {
	if err := c.send(newOrder(orderUp, n)); err != nil {
		return err
	}
	message := c.message(nil, content[:upMessage])
	for ; n > 0; n -= upMessage {
		if _, err := c.conn.Write(message); err != nil {
			return err
		}
	}
	_, err := io.ReadFull(c, make([]byte, ackSize))
	return err
}
