package search

import (
	"encoding/binary"
	"errors"
	"fmt"
	"unicode/utf16"
	"unicode/utf8"
)

// MaxNeedle is how many bytes a needle may have.
const MaxNeedle = 1024

// ErrNeedle is a needle that can't be searched for.
var ErrNeedle = errors.New("this can't be searched for")

// A Needle is what is searched for.
type Needle struct {
	bytes []byte // of folded letters the small one
	fold  []bool // where both cases of a letter will do; nil for nowhere
}

// Len is in bytes.
func (n Needle) Len() int { return len(n.bytes) }

// An Encoding is how a disk may hold a text.
type Encoding string

// Encodings of texts.
const (
	UTF8    Encoding = "utf-8"
	UTF16LE Encoding = "utf-16le"
	UTF16BE Encoding = "utf-16be"
)

// Bytes is a needle of exactly these.
func Bytes(p []byte) (Needle, error) { return checked(Needle{bytes: append([]byte(nil), p...)}) }

// Text is a needle of a text. With foldCase the letters A to Z are found in
// both cases, and no others.
func Text(text string, e Encoding, foldCase bool) (Needle, error) {
	if !utf8.ValidString(text) {
		return Needle{}, fmt.Errorf("%w: the text is not valid Unicode", ErrNeedle)
	}
	if len(text) > 2*MaxNeedle {
		return checked(Needle{bytes: []byte(text)}) // too long in any encoding
	}
	encode, unit := encoder(e)
	if encode == nil {
		return Needle{}, fmt.Errorf("%w: there is no encoding %q", ErrNeedle, e)
	}
	n := Needle{bytes: encode(text)}
	if foldCase {
		n.fold = make([]bool, len(n.bytes))
		n.foldEvery(unit, e == UTF16BE)
	}
	return checked(n)
}

// encoder gives a function and how many bytes a letter takes.
func encoder(e Encoding) (encode func(string) []byte, unit int) {
	switch e {
	case UTF8:
		return func(s string) []byte { return []byte(s) }, 1
	case UTF16LE:
		return func(s string) []byte { return encode16(s, binary.LittleEndian) }, 2
	case UTF16BE:
		return func(s string) []byte { return encode16(s, binary.BigEndian) }, 2
	}
	return nil, 0
}

func encode16(s string, order binary.AppendByteOrder) []byte {
	var out []byte
	for _, u := range utf16.Encode([]rune(s)) {
		out = order.AppendUint16(out, u)
	}
	return out
}

// foldEvery marks the letters of units of one or two bytes.
func (n Needle) foldEvery(unit int, big bool) {
	for i := 0; i < len(n.bytes); i += unit {
		letter, other := i, i+unit-1
		if big {
			letter, other = other, letter
		}
		if c := n.bytes[letter] | 0x20; c >= 'a' && c <= 'z' && (unit == 1 || n.bytes[other] == 0) {
			n.bytes[letter], n.fold[letter] = c, true
		}
	}
}

func checked(n Needle) (Needle, error) {
	if len(n.bytes) == 0 || len(n.bytes) > MaxNeedle {
		return Needle{}, fmt.Errorf("%w: it has %d bytes, and 1 to %d will do", ErrNeedle, len(n.bytes), MaxNeedle)
	}
	return n, nil
}

// matches tells whether the needle stands at the beginning of p.
func (n Needle) matches(p []byte) bool {
	p = p[:len(n.bytes)]
	for i, c := range n.bytes {
		if p[i] != c && (n.fold == nil || !n.fold[i] || p[i] != c&^0x20) {
			return false
		}
	}
	return true
}
