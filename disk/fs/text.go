package fs

import (
	"bytes"
	"fmt"
)

// zeroEnded is what comes before the first NUL.
func zeroEnded(b []byte) []byte {
	before, _, _ := bytes.Cut(b, []byte{0})
	return before
}

// uuidText writes 16 bytes in their order. None for zeroes.
func uuidText(b []byte) string {
	if len(bytes.Trim(b, "\x00")) == 0 {
		return ""
	}
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:16])
}

// POSIX kinds of files, of a mode.
const (
	modeKind   = 0xf000
	modeFolder = 0x4000
	modeFile   = 0x8000
	modeLink   = 0xa000
)

var modeTypes = map[uint16]struct {
	letter byte
	kind   Type
}{
	modeFolder: {'d', TypeFolder}, modeFile: {'-', TypeFile}, modeLink: {'l', TypeSymlink},
	0x1000: {'p', TypeFIFO}, 0x2000: {'c', TypeChar}, 0x6000: {'b', TypeBlock}, 0xc000: {'s', TypeSocket},
}

// modeType is what a POSIX mode says a file is.
func modeType(mode uint16) Type {
	if t, ok := modeTypes[mode&modeKind]; ok {
		return t.kind
	}
	return TypeOther
}

// modeText writes a POSIX mode as ls does.
func modeText(mode uint16) string {
	text := []byte("?rwxrwxrwx")
	if t, ok := modeTypes[mode&modeKind]; ok {
		text[0] = t.letter
	}
	for bit := range 9 {
		if mode>>(8-bit)&1 == 0 {
			text[1+bit] = '-'
		}
	}
	for i, special := range []struct {
		bit       uint16
		with, not byte
	}{{0x800, 's', 'S'}, {0x400, 's', 'S'}, {0x200, 't', 'T'}} {
		if at := 3 + 3*i; mode&special.bit != 0 && text[at] == 'x' {
			text[at] = special.with
		} else if mode&special.bit != 0 {
			text[at] = special.not
		}
	}
	return string(text)
}
