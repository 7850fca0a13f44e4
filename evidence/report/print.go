package report

import (
	"bufio"
	"fmt"
	"iter"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// labelWidth is how wide labels are, with the space behind them.
const labelWidth = 22

// A printer writes plain text. Its Flush returns the first error.
type printer struct{ *bufio.Writer }

func (p *printer) line(indent int, text string) {
	_, _ = p.WriteString(strings.TrimRight(strings.Repeat(" ", indent)+text, " ") + "\n")
}

func (p *printer) heading(text string) {
	p.line(0, "")
	p.line(0, text)
	p.line(0, strings.Repeat("-", utf8.RuneCountInString(text)))
}

// row writes a value of our own, or one that is escaped.
func (p *printer) row(label, value string) {
	p.line(2, fmt.Sprintf("%-*s%s", labelWidth, label, value))
}

// said writes what others say, and nothing where they say nothing. Each of their
// lines has the label, so that none can look like one of ours.
func (p *printer) said(label, value string) {
	if value == "" {
		return
	}
	for line := range strings.SplitSeq(strings.TrimRight(value, "\r\n"), "\n") {
		p.row(label, visible(strings.TrimSuffix(line, "\r")))
	}
}

func (p *printer) time(label string, t time.Time) {
	if !t.IsZero() {
		p.row(label, utc(t))
	}
}

func utc(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") }

// table aligns columns to the right, or to the left where the header begins
// with "<". It goes through the rows twice, since there can be many.
func (p *printer) table(header []string, rows iter.Seq[[]string]) {
	titles, widths := make([]string, len(header)), make([]int, len(header))
	for i, title := range header {
		titles[i] = strings.TrimPrefix(title, "<")
		widths[i] = len(titles[i])
	}
	for cells := range rows {
		for i, cell := range cells {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	for i := range widths {
		if titles[i] != header[i] {
			widths[i] = -widths[i] // of fmt, to the left
		}
	}
	p.cells(widths, titles)
	for cells := range rows {
		p.cells(widths, cells)
	}
}

func (p *printer) cells(widths []int, cells []string) {
	var b strings.Builder
	for i, cell := range cells {
		fmt.Fprintf(&b, "%*s  ", widths[i], cell)
	}
	p.line(2, b.String())
}

// grouped writes a number with its thousands apart.
func grouped(n int64) string {
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// counted is a number of things, whose name in the plural ends in "s".
func counted(n int64, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return grouped(n) + " " + thing + "s"
}

// visible is what others say, in one line and with nothing hidden: what does not
// print, and what turns the direction of writing, is \xNN for a byte or a
// control character, and else \uNNNN or \UNNNNNNNN. A backslash is \\, and a
// space at an end \x20.
func visible(s string) string {
	b := make([]byte, 0, len(s))
	for i, r := range s {
		switch {
		case r == '\\':
			b = append(b, `\\`...)
		case r == utf8.RuneError && !strings.HasPrefix(s[i:], "\uFFFD"):
			b = appendHex(b, 'x', 2, rune(s[i]))
		case r < ' ', r == ' ' && (i == 0 || i == len(s)-1), r == 0x7F:
			b = appendHex(b, 'x', 2, r)
		case strconv.IsPrint(r):
			b = utf8.AppendRune(b, r)
		case r <= 0xFFFF:
			b = appendHex(b, 'u', 4, r)
		default:
			b = appendHex(b, 'U', 8, r)
		}
	}
	return string(b)
}

func appendHex(b []byte, kind byte, digits int, r rune) []byte {
	b = append(b, '\\', kind)
	for shift := 4 * (digits - 1); shift >= 0; shift -= 4 {
		b = append(b, "0123456789ABCDEF"[r>>shift&0xF])
	}
	return b
}
