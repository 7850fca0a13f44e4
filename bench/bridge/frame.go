//go:build linux

package main

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// Opcodes (RFC 6455, 5.2).
const (
	opContinuation = 0x0
	opBinary       = 0x2
	opClose        = 0x8
	opPing         = 0x9
	opPong         = 0xa
)

// A header is that of one frame from a server.
type header struct {
	opcode byte
	length uint64 // of the payload
}

var errMasked = errors.New("the server's frame is masked")

// parseHeader reads the header at the begin of b and tells its length, which
// is 0 if b does not hold all of it.
func parseHeader(b []byte) (h header, size int, err error) {
	if len(b) < 2 {
		return h, 0, nil
	}
	if b[1]&0x80 != 0 {
		return h, 0, errMasked
	}
	size = 2 + map[byte]int{126: 2, 127: 8}[b[1]]
	if len(b) < size {
		return h, 0, nil
	}
	h = header{b[0] & 0x0f, payloadLength(b[:size])}
	return h, size, h.check()
}

func payloadLength(b []byte) uint64 {
	switch b[1] {
	case 126:
		return uint64(binary.BigEndian.Uint16(b[2:]))
	case 127:
		return binary.BigEndian.Uint64(b[2:])
	}
	return uint64(b[1])
}

func (h header) check() error {
	switch h.opcode {
	case opContinuation, opBinary:
		return nil
	case opClose, opPing, opPong:
		if h.length <= 125 {
			return nil
		}
	}
	return fmt.Errorf("a frame of opcode %d and %d bytes: no data and no control frame", h.opcode, h.length)
}

// appendFrame adds a masked frame to dst, as clients must send them.
func appendFrame(dst []byte, opcode byte, key [4]byte, payload []byte) []byte {
	dst = append(dst, 0x80|opcode)
	switch n := len(payload); {
	case n < 126:
		dst = append(dst, 0x80|byte(n))
	case n < 1<<16:
		dst = binary.BigEndian.AppendUint16(append(dst, 0x80|126), uint16(n))
	default:
		dst = binary.BigEndian.AppendUint64(append(dst, 0x80|127), uint64(n))
	}
	dst = append(dst, key[:]...)
	for i, b := range payload {
		dst = append(dst, b^key[i&3])
	}
	return dst
}
