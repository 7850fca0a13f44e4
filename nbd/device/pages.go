package device

import (
	"bytes"
	"cmp"
	"iter"
	"slices"
)

// pageSize is what an Overlay copies at once, in bytes.
const pageSize = 64 << 10

type page [pageSize]byte

// zeroes is compared with and copied from.
var zeroes page

// A kind says where the content of a page is.
type kind int

const (
	ofBase kind = iota // in the base
	hole               // nowhere: zeroes, not allocated
	zero               // nowhere: zeroes, told as allocated
	data               // in memory
)

// A run is pages of one kind, up to where the next one begins.
type run struct {
	first int64 // its first page
	kind  kind
	data  *page // with kind data, whose runs are single pages
}

// pages are runs in order that cover a device without a gap, so that a hole of
// an exbibyte is as cheap as one of a page.
type pages struct {
	runs  []run
	count int64
}

func newPages(size int64, k kind) pages {
	return pages{runs: []run{{kind: k}}, count: pagesOf(size)}
}

// pagesOf is how many pages it takes to hold n bytes.
func pagesOf(n int64) int64 {
	full := n / pageSize
	if n%pageSize != 0 {
		full++
	}
	return full
}

// find returns the index of the run that page i is in.
func (p *pages) find(i int64) int {
	at, exact := slices.BinarySearchFunc(p.runs, i, func(r run, i int64) int { return cmp.Compare(r.first, i) })
	if !exact {
		at--
	}
	return at
}

func (p *pages) at(i int64) run { return p.runs[p.find(i)] }

// end returns the page behind the run at index at.
func (p *pages) end(at int) int64 {
	if at+1 < len(p.runs) {
		return p.runs[at+1].first
	}
	return p.count
}

// extent returns the kind of page i, and the page at which another kind
// begins, if that is before limit.
func (p *pages) extent(i, limit int64) (k kind, end int64) {
	at := p.find(i)
	k, end = p.runs[at].kind, p.end(at)
	for end < limit && p.runs[at+1].kind == k {
		at++
		end = p.end(at)
	}
	return k, min(end, limit)
}

// fill makes the pages from up to to one run. Data in them is given back.
func (p *pages) fill(from, to int64, k kind) {
	if from < to {
		p.replace(to, run{first: from, kind: k})
	}
}

// replace puts r over the pages up to to, and cuts what reaches into them.
func (p *pages) replace(to int64, r run) {
	i, j := p.find(r.first), p.find(to-1)
	var put []run
	if p.runs[i].first < r.first {
		put = append(put, p.runs[i])
	}
	put = append(put, r)
	if p.end(j) > to {
		put = append(put, run{first: to, kind: p.runs[j].kind})
	}
	p.runs = slices.Replace(p.runs, i, j+1, put...)
}

// write puts w in place; edges holds the page of the base that it is a part of.
func (p *pages) write(w window, edges map[int64]*page) {
	i := w.page()
	r := p.at(i)
	switch {
	case r.kind == data:
	case r.kind != ofBase && bytes.Equal(w.bytes, zeroes[:len(w.bytes)]):
		return
	case r.kind == ofBase && edges[i] != nil:
		r.data = edges[i]
	default:
		r.data = new(page)
	}
	copy(r.data[w.off%pageSize:], w.bytes)
	if r.kind != data {
		p.replace(i+1, run{first: i, kind: data, data: r.data})
	}
}

// zeroPart makes a part of a page zeroes. A hole that must be one no more is
// so as a whole.
func (p *pages) zeroPart(w window, edges map[int64]*page, k kind) {
	if i := w.page(); k == zero && p.at(i).kind == hole {
		p.fill(i, i+1, zero)
	}
	p.write(w, edges)
}

// A window is a part of a caller's bytes that lies in one page.
type window struct {
	bytes []byte
	off   int64
}

func (w window) page() int64 { return w.off / pageSize }

// windows cuts p, which is at off, at the borders of pages.
func windows(p []byte, off int64) iter.Seq[window] {
	return func(yield func(window) bool) {
		for len(p) > 0 {
			n := min(int64(len(p)), pageSize-off%pageSize)
			if !yield(window{p[:n], off}) {
				return
			}
			p, off = p[n:], off+n
		}
	}
}
