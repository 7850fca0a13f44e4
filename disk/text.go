package disk

import (
	"bytes"
	"encoding/hex"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

func decimal[N int | int64 | uint32 | uint64](n N) string { return strconv.FormatUint(uint64(n), 10) }

// guid is the text of a GUID whose first three fields are little-endian, in
// upper case as GPT has it.
func guid(b []byte) string {
	swapped := [16]byte{b[3], b[2], b[1], b[0], b[5], b[4], b[7], b[6]}
	copy(swapped[8:], b[8:16])
	return strings.ToUpper(uuid(swapped[:]))
}

// uuid is the text of a UUID, and empty for one that is all zeros.
func uuid(b []byte) string {
	if allZero(b[:16]) {
		return ""
	}
	t := hex.EncodeToString(b[:16])
	return t[:8] + "-" + t[8:12] + "-" + t[12:16] + "-" + t[16:20] + "-" + t[20:]
}

// hexadecimal is a number in upper-case digits, at least as many as said.
func hexadecimal(n uint64, digits int) string {
	t := strings.ToUpper(strconv.FormatUint(n, 16))
	return strings.Repeat("0", max(0, digits-len(t))) + t
}

func allZero(b []byte) bool { return len(bytes.Trim(b, "\x00")) == 0 }

// text is what stands before the first NUL, without the spaces that pad it.
// What is no UTF-8 is taken for Latin-1.
func text(b []byte) string {
	if end := bytes.IndexByte(b, 0); end >= 0 {
		b = b[:end]
	}
	if utf8.Valid(b) {
		return printable(string(b))
	}
	runes := make([]rune, len(b))
	for i, c := range b {
		runes[i] = rune(c)
	}
	return printable(string(runes))
}

// wide is the text of UTF-16 up to the first NUL. Half of a surrogate pair
// becomes U+FFFD.
func wide(b []byte, order interface{ Uint16([]byte) uint16 }) string {
	var units []uint16
	for ; len(b) >= 2; b = b[2:] {
		unit := order.Uint16(b)
		if unit == 0 {
			break
		}
		units = append(units, unit)
	}
	return printable(string(utf16.Decode(units)))
}

// printable replaces control characters, and drops the spaces at the end.
func printable(t string) string {
	return strings.TrimRight(strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return utf8.RuneError
		}
		return r
	}, t), " ")
}

// uuidText gives the text of a UUID that a format stores as text, if it is one.
func uuidText(b []byte) string {
	t := text(b)
	for _, c := range t {
		if c != '-' && !isHex(c) {
			return ""
		}
	}
	return t
}

func isHex(c rune) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F'
}
