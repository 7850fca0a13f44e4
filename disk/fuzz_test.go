package disk

import (
	"bytes"
	"encoding/json"
	"testing"
	"unicode/utf8"
)

// fuzzDisk reads a disk from a list of pieces, so that inputs stay small: a
// place of four bytes, the length, and the bytes. Places with the highest bit
// set count from the disk's end. One sector can't be read.
func fuzzDisk(pieces []byte, size, bad int64) *testDisk {
	d := newDisk(size & (1<<42 - 1))
	for len(pieces) > 5 {
		at, length := int64(le.Uint32(pieces)), min(int(pieces[4]), len(pieces)-5)
		if at >= fromEnd {
			at = d.size - (at - fromEnd)
		}
		piece := pieces[5 : 5+length]
		pieces = pieces[5+length:]
		if at >= 0 && at < d.size && len(d.blocks) < 10000 {
			d.put(at, piece[:min(int64(length), d.size-at)])
		}
	}
	if bad >= 0 {
		d.bad, d.badEnd = bad, bad+testBlock
	}
	return d
}

const fromEnd = 1 << 31

// seed adds a disk as it is, with its first sector lost, and cut in half.
func seed(f *testing.F, d *testDisk) {
	var pieces []byte
	for number, block := range d.blocks {
		for i := 0; i < testBlock; i += 128 {
			if piece := bytes.TrimRight(block[i:i+128], "\x00"); len(piece) > 0 {
				pieces = le.AppendUint32(pieces, place(number*testBlock+int64(i), d.size))
				pieces = append(append(pieces, byte(len(piece))), piece...)
			}
		}
	}
	f.Add(pieces, d.size, int64(-1))
	f.Add(pieces, d.size, int64(0))
	f.Add(pieces, d.size/2+1, d.size/2)
}

func place(at, size int64) uint32 {
	if size-at <= 2*window && at > 2*window {
		return uint32(fromEnd + size - at)
	}
	return uint32(at)
}

func FuzzReadLayout(f *testing.F) {
	for _, test := range layouts {
		seed(f, test.disk(new(testing.T)))
	}
	f.Fuzz(func(t *testing.T, pieces []byte, size, bad int64) {
		d := fuzzDisk(pieces, size, bad)
		l, err := ReadLayout(d, d.size)
		if d.reads > layoutReads+6*2*4 || d.largest > maxEntryBytes {
			t.Fatalf("%d reads of at most %d bytes", d.reads, d.largest)
		}
		if err != nil {
			return
		}
		checkCover(t, l)
		if len(l.Problems) > maxProblems {
			t.Fatal(len(l.Problems), "problems")
		}
		for _, p := range append(l.Parts, l.Containers...) {
			if !utf8.ValidString(p.Name) {
				t.Fatalf("%q", p.Name)
			}
		}
		if _, err := json.Marshal(l); err != nil {
			t.Fatal(err)
		}
	})
}

func FuzzProbe(f *testing.F) {
	for _, test := range layouts {
		seed(f, test.disk(new(testing.T)))
	}
	for _, test := range formats {
		seed(f, test.disk())
	}
	f.Fuzz(func(t *testing.T, pieces []byte, size, bad int64) {
		d := fuzzDisk(pieces, size, bad)
		found, err := Probe(d, 0, d.size)
		if d.reads > probeReads || d.largest > 2*window {
			t.Fatalf("%d reads of at most %d bytes", d.reads, d.largest)
		}
		if err != nil && bad < 0 {
			t.Fatal(err)
		}
		for _, s := range found {
			if s.Kind == "" || s.Name == "" || s.Class == "" || s.Offset < 0 || s.Offset >= d.size || s.Size < 0 || s.BlockSize < 0 || !utf8.ValidString(s.Label+s.UUID+s.Version) {
				t.Fatalf("%+v", s)
			}
		}
	})
}
