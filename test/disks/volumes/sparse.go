// Package volumes writes FAT and exFAT volumes for tests, sound ones and such
// as no system would write.
package volumes

import (
	"encoding/binary"
	"io"
)

var le = binary.LittleEndian

// A Store is what a volume is written to.
type Store interface {
	io.ReaderAt
	io.WriterAt
}

const sparsePage = 4096

// Sparse is a Store in memory that takes only what is written, and has no end.
type Sparse map[int64][]byte

// ReadAt is io.ReaderAt: what was never written is zero.
func (s Sparse) ReadAt(p []byte, offset int64) (int, error) {
	for n := 0; n < len(p); {
		at := offset + int64(n)
		rest := p[n:min(len(p), n+int(sparsePage-at%sparsePage))]
		clear(rest)
		if page := s[at/sparsePage]; page != nil {
			copy(rest, page[at%sparsePage:])
		}
		n += len(rest)
	}
	return len(p), nil
}

// WriteAt is io.WriterAt.
func (s Sparse) WriteAt(p []byte, offset int64) (int, error) {
	for n := 0; n < len(p); {
		at := offset + int64(n)
		page := s[at/sparsePage]
		if page == nil {
			page = make([]byte, sparsePage)
			s[at/sparsePage] = page
		}
		n += copy(page[at%sparsePage:], p[n:])
	}
	return len(p), nil
}

// Bytes are the first size bytes.
func (s Sparse) Bytes(size int64) []byte {
	p := make([]byte, size)
	s.ReadAt(p, 0)
	return p
}

// get and put panic where a store fails: a test has no use for going on.
func get(s Store, n int, offset int64) []byte {
	p := make([]byte, n)
	if _, err := s.ReadAt(p, offset); err != nil && err != io.EOF {
		panic(err)
	}
	return p
}

func put(s Store, p []byte, offset int64) {
	if _, err := s.WriteAt(p, offset); err != nil {
		panic(err)
	}
}
