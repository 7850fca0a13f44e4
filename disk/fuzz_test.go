package disk

import (
	"encoding/json"
	"testing"
	"unicode/utf8"
)

// fuzzDisk is a disk with a beginning and an end, and sectors that can't be read.
func fuzzDisk(head, tail []byte, size, bad int64) *testDisk {
	d := newDisk(size % (1 << 42))
	if d.size < 0 {
		d.size = -d.size
	}
	d.put(0, head[:min(int64(len(head)), d.size)])
	tail = tail[:min(int64(len(tail)), d.size)]
	d.put(d.size-int64(len(tail)), tail)
	if bad >= 0 {
		d.bad, d.badEnd = bad, bad+testBlock
	}
	return d
}

// seed adds a disk: the parts of it that formats have something in, without the
// zeros that follow.
func seed(f *testing.F, d *testDisk) {
	head, tail := d.dump(160<<10), make([]byte, min(64<<10, d.size))
	for len(head) > 0 && head[len(head)-1] == 0 {
		head = head[:len(head)-1]
	}
	_, _ = d.ReadAt(tail, d.size-int64(len(tail)))
	for len(tail) > 0 && tail[0] == 0 {
		tail = tail[1:]
	}
	f.Add(head, tail, d.size, int64(-1))
	f.Add(head, tail, d.size, int64(0))
	f.Add(head, tail, d.size/2+1, d.size/2)
}

func FuzzReadLayout(f *testing.F) {
	for _, test := range layouts {
		seed(f, test.disk(new(testing.T)))
	}
	f.Fuzz(func(t *testing.T, head, tail []byte, size, bad int64) {
		d := fuzzDisk(head, tail, size, bad)
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
	f.Fuzz(func(t *testing.T, head, tail []byte, size, bad int64) {
		d := fuzzDisk(head, tail, size, bad)
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
