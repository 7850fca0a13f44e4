package fs

import (
	"encoding/binary"
	"unicode/utf16"
	"unicode/utf8"
)

// utf16Name makes a child's name of UTF-16, as NTFS, FAT, exFAT and Joliet
// have it. Half a surrogate pair becomes the three bytes that UTF-8 forbids, so
// that Escape shows them and no two names become one.
func utf16Name(b []byte, order binary.ByteOrder) []byte {
	out := make([]byte, 0, len(b))
	for ; len(b) >= 2; b = b[2:] {
		r := rune(order.Uint16(b))
		if utf16.IsSurrogate(r) {
			r = surrogate(r, b, order)
		}
		if r > 0xffff {
			b = b[2:]
		}
		out = appendRune(out, r)
	}
	return out
}

// surrogate is the rune that r and what follows it in b make, or r.
func surrogate(r rune, b []byte, order binary.ByteOrder) rune {
	if len(b) < 4 {
		return r
	}
	if pair := utf16.DecodeRune(r, rune(order.Uint16(b[2:]))); pair != utf8.RuneError {
		return pair
	}
	return r
}

func appendRune(out []byte, r rune) []byte {
	if utf16.IsSurrogate(r) {
		return append(out, 0xe0|byte(r>>12), 0x80|byte(r>>6)&0xbf, 0x80|byte(r)&0xbf)
	}
	return utf8.AppendRune(out, r)
}
