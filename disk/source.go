package disk

import (
	"encoding/binary"
	"io"
)

// Most formats have their magic in the first or the last window of a region, in
// bytes: so two reads answer most questions.
const window = 128 << 10

var (
	le = binary.LittleEndian
	be = binary.BigEndian
)

// source reads a region of a disk through a few windows.
type source struct {
	r            io.ReaderAt
	offset, size int64
	budget       int // reads that are left
	pieces       []piece
	failed       []piece    // ranges without data, which are not tried again
	err          *ReadError // the first failure
}

type piece struct {
	at, length int64
	data       []byte
}

func (p piece) has(at int64, n int) bool { return at >= p.at && at+int64(n) <= p.at+p.length }

// newSource reads the windows at both ends.
func newSource(r io.ReaderAt, offset, size int64, budget int) *source {
	s := &source{r: r, offset: offset, size: size, budget: budget}
	if size <= 2*window {
		s.load(0, size)
		return s
	}
	s.load(0, window)
	s.load(size-window, window)
	return s
}

// load keeps a window. One that can't be read as a whole is tried in halves, so
// that a bad sector hides little.
func (s *source) load(at, length int64) {
	if s.read(at, int(length)) != nil || length < 2*smallest {
		return
	}
	half := length / 2
	s.load(at, half)
	s.load(at+half, length-half)
}

// smallest is what a window is not cut below, in bytes.
const smallest = 16 << 10

// read reads and keeps n bytes, or gives nil.
func (s *source) read(at int64, n int) []byte {
	if s.budget <= 0 || n <= 0 {
		return nil
	}
	s.budget--
	data := make([]byte, n)
	got, err := s.r.ReadAt(data, s.offset+at)
	if got == n {
		s.pieces = append(s.pieces, piece{at, int64(n), data})
		return data
	}
	if err == nil {
		err = io.ErrUnexpectedEOF
	}
	if s.err == nil {
		s.err = &ReadError{Offset: s.offset + at, Err: err}
	}
	s.failed = append(s.failed, piece{at, int64(n), nil})
	return nil
}

// bytes gives n bytes of the region, or nil when they are not in it or can't be
// read. They must not be changed.
func (s *source) bytes(at int64, n int) []byte {
	if at < 0 || n < 0 || int64(n) > s.size || at > s.size-int64(n) {
		return nil
	}
	for _, p := range s.pieces {
		if p.has(at, n) {
			return p.data[at-p.at : at-p.at+int64(n)]
		}
	}
	for _, p := range s.failed {
		if p.at == at && p.length == int64(n) {
			return nil
		}
	}
	return s.read(at, n)
}

// upTo gives as many of n bytes as the region has.
func (s *source) upTo(at int64, n int) []byte {
	if at < 0 || at >= s.size {
		return nil
	}
	return s.bytes(at, int(min(int64(n), s.size-at)))
}

// block gives n bytes from block number on, or nil where that is out of the
// region.
func (s *source) block(number uint64, blockSize int64, n int) []byte {
	at, ok := product(number, blockSize)
	if !ok {
		return nil
	}
	return s.bytes(at, n)
}

// product is count times unit, unless that is no offset.
func product(count uint64, unit int64) (int64, bool) {
	const largest = 1<<63 - 1
	if unit <= 0 || count > uint64(largest/unit) {
		return 0, false
	}
	return int64(count) * unit, true
}

// sizeOf is product, and zero for what is no size.
func sizeOf(count uint64, unit int64) int64 {
	size, _ := product(count, unit)
	return size
}

// powerOfTwo tells whether n is one, between the bounds.
func powerOfTwo(n, lowest, highest uint64) bool {
	return n >= lowest && n <= highest && n&(n-1) == 0
}

// A ReadError is a part of a disk that could not be read.
type ReadError struct {
	Offset int64 // in bytes
	Err    error
}

func (e *ReadError) Error() string {
	return "reading the disk at byte " + decimal(e.Offset) + ": " + e.Err.Error()
}

func (e *ReadError) Unwrap() error { return e.Err }
