package bridge

import (
	"encoding/binary"

	"github.com/coder/websocket"
)

// Kinds of frames, each final (RFC 6455, 5.2).
const (
	binaryFrame = 0x82
	closeFrame  = 0x88
	pingFrame   = 0x89
)

// headroom is the length of the longest header of an unmasked frame.
const headroom = 10

// largestFrame bounds a message to a client, in bytes of payload. Chromium
// takes messages of this size at twice the speed of small ones, and larger
// ones no faster.
const largestFrame = 256 << 10

// appendHeader adds the header of a frame with n bytes of payload.
func appendHeader(b []byte, kind byte, n int) []byte {
	switch {
	case n < 126:
		return append(b, kind, byte(n))
	case n < 1<<16:
		return binary.BigEndian.AppendUint16(append(b, kind, 126), uint16(n))
	default:
		return binary.BigEndian.AppendUint64(append(b, kind, 127), uint64(n))
	}
}

// frame writes a header right before the payload, which begins at
// buf[headroom], so that both go out in one call.
func frame(kind byte, buf []byte) []byte {
	var header [headroom]byte
	return prepend(appendHeader(header[:0], kind, len(buf)-headroom), buf)
}

// prepend puts a header right before buf[headroom].
func prepend(header, buf []byte) []byte {
	buf = buf[headroom-len(header):]
	copy(buf, header)
	return buf
}

func newClose(code websocket.StatusCode, reason string) []byte {
	payload := binary.BigEndian.AppendUint16(nil, uint16(code))
	payload = append(payload, reason...)
	return append(appendHeader(nil, closeFrame, len(payload)), payload...)
}

func newPing() []byte { return appendHeader(nil, pingFrame, 0) }

// wholeMessage tells the size of the message that b begins with, if all of it
// is there in one masked frame.
func wholeMessage(b []byte) (size int, ok bool) {
	if len(b) < 2 || b[0] != binaryFrame || b[1] < 0x80 {
		return 0, false
	}
	header := 2 + 4
	switch size = int(b[1] & 0x7f); size {
	case 126:
		if len(b) < 4 {
			return 0, false
		}
		header, size = header+2, int(binary.BigEndian.Uint16(b[2:]))
	case 127:
		return 0, false // longer than any read-ahead
	}
	return size, len(b) >= header+size
}
