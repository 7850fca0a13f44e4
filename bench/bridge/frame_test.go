//go:build linux

package main

import (
	"bytes"
	"testing"
)

func TestParseHeader(t *testing.T) {
	for _, c := range []struct {
		name string
		in   []byte
		want header
		size int
		bad  bool
	}{
		{"nothing", nil, header{}, 0, false},
		{"a byte", []byte{0x82}, header{}, 0, false},
		{"short", []byte{0x82, 5, 'x'}, header{opBinary, 5}, 2, false},
		{"longest of the short", []byte{0x82, 125}, header{opBinary, 125}, 2, false},
		{"half of 16 bits", []byte{0x82, 126, 1}, header{}, 0, false},
		{"16 bits", []byte{0x82, 126, 1, 2}, header{opBinary, 0x102}, 4, false},
		{"half of 64 bits", []byte{0x82, 127, 0, 0, 0, 0, 0, 1, 0}, header{}, 0, false},
		{"64 bits", []byte{0x82, 127, 0, 0, 0, 0, 0, 1, 0, 2}, header{opBinary, 0x10002}, 10, false},
		{"not final", []byte{0x02, 1}, header{opBinary, 1}, 2, false},
		{"continuation", []byte{0x80, 1}, header{opContinuation, 1}, 2, false},
		{"close", []byte{0x88, 2}, header{opClose, 2}, 2, false},
		{"ping", []byte{0x89, 0}, header{opPing, 0}, 2, false},
		{"masked", []byte{0x82, 0x85, 1, 2, 3, 4}, header{}, 0, true},
		{"text", []byte{0x81, 1}, header{}, 0, true},
		{"long ping", []byte{0x89, 126, 0, 200}, header{}, 0, true},
	} {
		h, size, err := parseHeader(c.in)
		if (err != nil) != c.bad {
			t.Errorf("%s: error %v", c.name, err)
		}
		if err == nil && (h != c.want || size != c.size) {
			t.Errorf("%s: %+v in %d bytes, want %+v in %d", c.name, h, size, c.want, c.size)
		}
	}
}

func TestAppendFrame(t *testing.T) {
	key := [4]byte{1, 2, 3, 4}
	for _, c := range []struct {
		length int
		head   []byte
	}{
		{0, []byte{0x82, 0x80}},
		{125, []byte{0x82, 0x80 | 125}},
		{126, []byte{0x82, 0x80 | 126, 0, 126}},
		{1<<16 - 1, []byte{0x82, 0x80 | 126, 0xff, 0xff}},
		{1 << 16, []byte{0x82, 0x80 | 127, 0, 0, 0, 0, 0, 1, 0, 0}},
	} {
		payload := noise(c.length)
		frame := appendFrame(nil, opBinary, key, payload)
		head, ok := bytes.CutPrefix(frame, append(c.head, key[:]...))
		if !ok || len(head) != c.length {
			t.Errorf("%d bytes: the frame begins with % x", c.length, frame[:min(len(frame), 14)])
			continue
		}
		for i := range head {
			head[i] ^= key[i%4]
		}
		if !bytes.Equal(head, payload) {
			t.Errorf("%d bytes: unmasked they differ", c.length)
		}
	}
}
