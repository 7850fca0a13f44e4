//go:build linux

package main

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"sync"
)

// An order is what the sink asks of the source, in the session itself:
// a letter and a number, big endian.
const (
	orderDown     = 'd' // send so many bytes
	orderUp       = 'u' // take so many bytes, then send ackSize
	orderRequests = 'r' // answer requests until the session ends

	orderSize = 1 + 8
	ackSize   = 8
)

func newOrder(kind byte, n int64) []byte {
	return binary.BigEndian.AppendUint64([]byte{kind}, uint64(n))
}

// Sizes of NBD's requests and simple replies. Both carry a cookie of 8 bytes,
// here at the end of the header.
const (
	requestSize = 28
	replyHeader = 16
	replySize   = replyHeader + 4096
)

// addresses are where the source listens.
type addresses struct{ Native, Ethernet string }

// sourceMain serves until its standard input ends.
func sourceMain([]string) error {
	native, err := listen("127.0.0.1:0", 0)
	if err != nil {
		return err
	}
	forced, err := listen("127.0.0.1:0", ethernetMSS)
	if err != nil {
		return err
	}
	go serveSource(native)
	go serveSource(forced)
	if err := json.NewEncoder(os.Stdout).Encode(addresses{native.Addr().String(), forced.Addr().String()}); err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}

func serveSource(l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			defer c.Close()
			_ = obey(c)
		}()
	}
}

// chunk is what the source writes and reads at once.
const chunk = 256 << 10

var (
	content = noise(chunk)
	buffers = sync.Pool{New: func() any { return new([chunk]byte) }}
)

// noise is data that no layer can take for zeros.
func noise(n int) []byte {
	b := make([]byte, n)
	r := rand.NewChaCha8([32]byte{})
	_, _ = r.Read(b)
	return b
}

// obey carries out orders until the session ends.
func obey(c net.Conn) error {
	order := make([]byte, orderSize)
	for {
		if _, err := io.ReadFull(c, order); err != nil {
			return err
		}
		n := int64(binary.BigEndian.Uint64(order[1:]))
		if err := carryOut(c, order[0], n); err != nil {
			return err
		}
	}
}

func carryOut(c net.Conn, kind byte, n int64) error {
	switch kind {
	case orderDown:
		return sendDown(c, n)
	case orderUp:
		return takeUp(c, n)
	case orderRequests:
		return answer(c)
	}
	return io.ErrUnexpectedEOF
}

func sendDown(c net.Conn, n int64) error {
	for n > 0 {
		sent, err := c.Write(content[:min(n, chunk)])
		if err != nil {
			return err
		}
		n -= int64(sent)
	}
	return nil
}

func takeUp(c net.Conn, n int64) error {
	buf := buffers.Get().(*[chunk]byte)
	defer buffers.Put(buf)
	for n > 0 {
		got, err := c.Read(buf[:min(n, chunk)])
		if err != nil {
			return err
		}
		n -= int64(got)
	}
	_, err := c.Write(content[:ackSize])
	return err
}

// answer sends each reply in one write, as NBD servers do.
func answer(c net.Conn) error {
	in, request, reply := bufio.NewReaderSize(c, 64<<10), make([]byte, requestSize), make([]byte, replySize)
	copy(reply[replyHeader:], content)
	for {
		if _, err := io.ReadFull(in, request); err != nil {
			return err
		}
		copy(reply[replyHeader-8:replyHeader], request[requestSize-8:])
		if _, err := c.Write(reply); err != nil {
			return err
		}
	}
}
