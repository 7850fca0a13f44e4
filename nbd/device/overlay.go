package device

import (
	"errors"
	"fmt"
	"io"
	"sync"

	"nbdbridge/nbd"
)

// An Overlay is a device that keeps in memory, in pages of 64 KiB, what is
// written to it, over a base that is only ever read. A page that was trimmed
// or zeroed costs nothing, and neither do zeroes that are written where zeroes
// are; a client that may write can take as much memory as the size.
//
// It can trim, write zeroes (always fast), map and cache. Zeroes with
// FlagNoHole are told as allocated, but no memory is set aside for them.
type Overlay struct {
	base io.ReaderAt // never changes, so it is read without the lock
	size int64       // bytes

	mu    sync.RWMutex
	pages pages
}

// NewOverlay returns a device of size bytes with the content of base, which
// must not change any more. Where base has fewer bytes, reads fail. Holes are
// those of base, if it is an nbd.Mapper, and those made since.
func NewOverlay(base io.ReaderAt, size int64) *Overlay {
	return &Overlay{base: base, size: size, pages: newPages(size, ofBase)}
}

// NewSparse returns a device of size bytes, all zeroes, in memory: an overlay
// over nothing. The size may be as large as 2^63-1.
func NewSparse(size int64) *Overlay {
	return &Overlay{size: size, pages: newPages(size, hole)}
}

// Size returns the number of bytes.
func (o *Overlay) Size() int64 { return o.size }

// Sync does nothing: memory is as durable as it gets.
func (o *Overlay) Sync() error { return nil }

// ReadAt reads as io.ReaderAt says.
func (o *Overlay) ReadAt(p []byte, off int64) (int, error) {
	p, end, err := readable(p, off, o.size)
	if err != nil {
		return 0, err
	}
	var below []window
	o.mu.RLock()
	for w := range windows(p, off) {
		switch r := o.pages.at(w.page()); r.kind {
		case ofBase:
			below = append(below, w)
		case data:
			copy(w.bytes, r.data[w.off%pageSize:])
		default:
			clear(w.bytes)
		}
	}
	o.mu.RUnlock()
	for _, w := range below {
		if err := o.readBase(w.bytes, w.off); err != nil {
			return int(w.off - off), err
		}
	}
	return len(p), end
}

// readBase fills p or fails: what the base lacks is no zeroes.
func (o *Overlay) readBase(p []byte, off int64) error {
	n, err := o.base.ReadAt(p, off)
	if n == len(p) {
		return nil
	}
	if err == nil || errors.Is(err, io.EOF) {
		err = fmt.Errorf("the base ends at %d: %w", off+int64(n), io.ErrUnexpectedEOF)
	}
	return err
}

// WriteAt writes as io.WriterAt says; beyond the end the error is ENOSPC. When
// the base can't be read, nothing is written.
func (o *Overlay) WriteAt(p []byte, off int64) (int, error) {
	p, end, err := writable(p, off, o.size)
	if err != nil {
		return 0, err
	}
	edges, err := o.fetchEdges(off, int64(len(p)))
	if err != nil {
		return 0, err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	for w := range windows(p, off) {
		o.pages.write(w, edges)
	}
	return len(p), end
}

// fetchEdges reads what the base holds of the pages that n bytes at off cover
// in part. A page leaves the base once and for all: what has left it by the
// time of the write needs none of this.
func (o *Overlay) fetchEdges(off, n int64) (map[int64]*page, error) {
	edges := map[int64]*page{}
	for _, at := range []int64{off, off + n} {
		i := at / pageSize
		if at%pageSize == 0 || at == o.size || n == 0 || edges[i] != nil || !o.isBase(i) {
			continue
		}
		edges[i] = new(page)
		start := i * pageSize
		if err := o.readBase(edges[i][:min(pageSize, o.size-start)], start); err != nil {
			return nil, err
		}
	}
	return edges, nil
}

func (o *Overlay) isBase(i int64) bool {
	o.mu.RLock()
	defer o.mu.RUnlock()
	return o.pages.at(i).kind == ofBase
}

// Trim gives back the pages that lie in the range, which then read as zeroes.
func (o *Overlay) Trim(off, n int64) error {
	if err := checkRange(off, n, o.size); err != nil {
		return err
	}
	from, to := o.wholePages(off, n)
	o.mu.Lock()
	defer o.mu.Unlock()
	o.pages.fill(from, to, hole)
	return nil
}

// WriteZeroes makes the range read as zeroes, holes unless f has FlagNoHole.
func (o *Overlay) WriteZeroes(off, n int64, f nbd.Flags) error {
	if err := checkRange(off, n, o.size); err != nil {
		return err
	}
	edges, err := o.fetchEdges(off, n)
	if err != nil {
		return err
	}
	kind := hole
	if f&nbd.FlagNoHole != 0 {
		kind = zero
	}
	from, to := o.wholePages(off, n)
	o.mu.Lock()
	defer o.mu.Unlock()
	o.pages.fill(from, to, kind)
	head, tail := o.parts(off, off+n, from, to)
	for _, w := range []window{head, tail} {
		if len(w.bytes) > 0 {
			o.pages.zeroPart(w, edges, kind)
		}
	}
	return nil
}

// wholePages are the pages that lie in the range; the device's last one need
// not be full.
func (o *Overlay) wholePages(off, n int64) (from, to int64) {
	from, to = pagesOf(off), (off+n)/pageSize
	if off+n == o.size {
		to = pagesOf(o.size)
	}
	return from, max(from, to)
}

// parts are zeroes for what lies before and behind the whole pages of a range.
func (o *Overlay) parts(off, end, from, to int64) (head, tail window) {
	headEnd, tailStart := min(end, o.start(from)), max(off, o.start(to))
	head = window{zeroes[:max(0, headEnd-off)], off}
	tail = window{zeroes[:max(0, end-tailStart)], tailStart}
	return head, tail
}

// start is the offset of a page; of the one behind the last, the size: the
// product could be 2^63.
func (o *Overlay) start(i int64) int64 {
	if i >= o.pages.count {
		return o.size
	}
	return i * pageSize
}

// Map tells holes, zeroes that are told as allocated, and data.
func (o *Overlay) Map(off, n int64) (length int64, state uint64, err error) {
	if err := checkRange(off, n, o.size); err != nil || n == 0 {
		return 0, 0, err
	}
	o.mu.RLock()
	kind, end := o.pages.extent(off/pageSize, pagesOf(off+n))
	o.mu.RUnlock()
	length = min(n, o.start(end)-off)
	switch kind {
	case hole:
		state = nbd.StateHole | nbd.StateZero
	case zero:
		state = nbd.StateZero
	case ofBase:
		if m, ok := o.base.(nbd.Mapper); ok {
			return m.Map(off, length)
		}
	}
	return length, state, nil
}

// Cache has the base fetch the range, where it can.
func (o *Overlay) Cache(off, n int64) error {
	if c, ok := o.base.(nbd.Cacher); ok {
		return c.Cache(off, n)
	}
	return nil
}
