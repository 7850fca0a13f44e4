package fs

import (
	"bytes"
	"strings"
	"unicode/utf8"
)

// cp437 is what bytes from 0x80 mean in names without Unicode, on PCs as they
// were sold in most countries. The disk doesn't say which code page it was.
var cp437 = []rune("ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜ¢£¥₧ƒáíóúñÑªº¿⌐¬½¼¡«»░▒▓│┤╡╢╖╕╣║╗╝╜╛┐└┴┬├─┼╞╟╚╔╩╦╠═╬╧╨╤╥╙╘╒╓╫╪┘┌█▄▌▐▀αßΓπΣσµτΦΘΩδ∞φε∩≡±≥≤⌠⌡÷≈°∙·√ⁿ²■\u00a0")

func oemText(b []byte) string {
	var out []byte
	for _, c := range b {
		if c < 0x80 {
			out = append(out, c)
		} else {
			out = utf8.AppendRune(out, cp437[c-0x80])
		}
	}
	return string(out)
}

// shortName is the name of 8.3 characters. Windows NT notes in two bits which
// half of it was in lower case.
func shortName(entry []byte) []byte {
	raw := bytes.Clone(entry[:11])
	if raw[0] == 0x05 {
		raw[0] = 0xe5 // which at the first place means deleted
	}
	base, extension := oemText(bytes.TrimRight(raw[:8], " ")), oemText(bytes.TrimRight(raw[8:], " "))
	if entry[12]&0x08 != 0 {
		base = strings.ToLower(base)
	}
	if entry[12]&0x10 != 0 {
		extension = strings.ToLower(extension)
	}
	if extension != "" {
		extension = "." + extension
	}
	return []byte(base + extension)
}

// longParts is how many entries a long name takes at most: 255 characters in
// pieces of 13.
const longParts = 20

// A longName gathers the entries in front of a file's own, the last piece first.
type longName struct {
	parts [longParts * 26]byte
	want  int // the number of the next piece; 0 when all are there
	total int
	sum   byte
}

// add takes an entry. One that doesn't fit makes an end of what was gathered.
func (l *longName) add(entry []byte) {
	number, last := int(entry[0]&0x3f), entry[0]&0x40 != 0
	switch {
	case last && number >= 1 && number <= longParts:
		l.total, l.want, l.sum = number, number, entry[13]
	case number == 0 || number != l.want || entry[13] != l.sum:
		l.drop()
		return
	}
	if number == 0 || number > longParts {
		return
	}
	at := l.parts[(number-1)*26:]
	copy(at[0:], entry[1:11])
	copy(at[10:], entry[14:26])
	copy(at[22:], entry[28:32])
	l.want--
}

func (l *longName) drop() { l.total, l.want = 0, 0 }

// take is the name for a short one, nil where there is none that belongs to it,
// as when the file was renamed by a system that knows no long names.
func (l *longName) take(short []byte) []byte {
	defer l.drop()
	if l.total == 0 || l.want != 0 || l.sum != shortSum(short) {
		return nil
	}
	text := l.parts[:l.total*26]
	for i := 0; i+1 < len(text); i += 2 {
		if text[i] == 0 && text[i+1] == 0 {
			text = text[:i]
		}
	}
	if len(text) == 0 {
		return nil
	}
	return utf16Name(text, le)
}

// shortSum ties long names to their short one.
func shortSum(name []byte) (sum byte) {
	for _, c := range name[:11] {
		sum = sum<<7 + sum>>1 + c
	}
	return sum
}
