package report

import (
	"errors"
	"math"
	"reflect"
	"strings"
	"testing"
)

func TestVisible(t *testing.T) {
	for _, c := range []struct{ said, want string }{
		{"plain text, ünïcödé, 日本語", "plain text, ünïcödé, 日本語"},
		{"a\nb\r\tc\x00", `a\x0Ab\x0D\x09c\x00`},
		{"\x7f\u0085\u009b", `\x7F\u0085\u009B`},
		{"left\u202eright\u2066\u200f", `left\u202Eright\u2066\u200F`},
		{"\u2028\u2029\ufeff\u200b\u00ad\u00a0", `\u2028\u2029\uFEFF\u200B\u00AD\u00A0`},
		{"\U000E0041\U0010FFFF", `\U000E0041\U0010FFFF`},
		{"\xff\xc3\x28", `\xFF\xC3(`},
		{"\ufffd", "\ufffd"},
		{`C:\x0A`, `C:\\x0A`},
		{" a b ", `\x20a b\x20`},
		{"", ""},
	} {
		if got := visible(c.said); got != c.want {
			t.Errorf("%q: %s, want %s", c.said, got, c.want)
		}
	}
}

func TestGrouped(t *testing.T) {
	for n, want := range map[int64]string{0: "0", 999: "999", 1000: "1,000", 999_999: "999,999", -1: "-1", -123: "-123", -1234: "-1,234", math.MaxInt64: "9,223,372,036,854,775,807", math.MinInt64: "-9,223,372,036,854,775,808"} {
		if got := grouped(n); got != want {
			t.Errorf("%d: %s, want %s", n, got, want)
		}
	}
}

func TestOutcome(t *testing.T) {
	session := []Session{{To: 400}, {From: 400, To: 512}}
	for _, c := range []struct {
		want string
		log  Log
	}{
		{"Complete: 1,000 bytes; nothing was unreadable.", Log{Status: Complete}},
		{"Complete: 1,000 bytes; 1 byte in 1 range could not be read and is zero in the image.", Log{Status: Complete, ZeroFilled: []Range{{5, 1}}}},
		{"Complete: 1,000 bytes; 8 bytes in 2 ranges could not be read and are zeros in the image.", Log{Status: Complete, ZeroFilled: []Range{{5, 1}, {9, 7}}}},
		{"Paused at byte 512 of 1,000: the image is right up to there; the rest is missing.", Log{Status: Paused, Sessions: session}},
		{"Paused at byte 0 of 1,000: the image is right up to there; the rest is missing.", Log{Status: Paused}},
		{"Paused at byte 512 of 1,000: the image is right up to there, but 7 bytes in 1 range could not be read and are zeros in the image; the rest is missing.", Log{Status: Paused, Sessions: session, ZeroFilled: []Range{{9, 7}}}},
		{"Running, or ended from outside, and last known at byte 512 of 1,000: the image is right up to there; the rest is missing.", Log{Status: Running, Sessions: session}},
	} {
		c.log.Source.Length = 1000
		if got := c.log.outcome(); got != c.want {
			t.Errorf("%s\nwant %s", got, c.want)
		}
	}
}

// TestForgery puts lines of a log, controls and bidirectional marks into every
// string: none may begin a line, or turn one.
func TestForgery(t *testing.T) {
	const forged = "x\n\nErrors\n------\r\n  None.\x1b[2K\u202e\u2028Complete: all\x9b"
	l := full()
	count := forge(reflect.ValueOf(l).Elem(), forged)
	if count < 60 {
		t.Fatalf("%d strings", count)
	}
	text := writeText(t, l)
	if strings.ContainsAny(text, "\r\x1b\u202e\u2028") || strings.Contains(text, "\x9b") {
		t.Error("something gets through that is no text")
	}
	for line, want := range map[string]int{"Errors": 1, "------": 1, "  None.": 0, "Complete: all": 0} {
		if got := strings.Count(text, "\n"+line+"\n"); got != want {
			t.Errorf("%d lines are %q, want %d", got, line, want)
		}
	}
}

// forge fills all strings but those of ours.
func forge(v reflect.Value, text string) (count int) {
	switch v.Kind() {
	case reflect.String:
		if v.Type() != reflect.TypeFor[Status]() {
			v.SetString(text)
			count++
		}
	case reflect.Pointer:
		return forge(v.Elem(), text)
	case reflect.Slice:
		for i := range v.Len() {
			count += forge(v.Index(i), text)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				count += forge(v.Field(i), text)
			}
		}
	case reflect.Map:
		v.Set(reflect.ValueOf(map[string]string{text: text}))
		count += 2
	}
	return count
}

// A full disk takes some bytes.
type fullDisk struct{ room int }

var errFull = errors.New("no space left")

func (d *fullDisk) Write(p []byte) (int, error) {
	if len(p) > d.room {
		return d.room, errFull
	}
	d.room -= len(p)
	return len(p), nil
}

func TestTextThatFails(t *testing.T) {
	for _, room := range []int{0, 100, 5000} {
		if err := full().WriteText(&fullDisk{room}); !errors.Is(err, errFull) {
			t.Errorf("room for %d bytes: %v", room, err)
		}
	}
}
