package fs

import (
	"context"
	"sort"
)

// clusters are the heap of a FAT or exFAT volume, and the table that says which
// one comes after which.
type clusters struct {
	size  int64  // bytes of one
	heap  int64  // where the first lies, in the volume
	count uint32 // how many there are, numbered from 2
	table int64  // where the table lies, in the volume
	bits  int    // of an entry that count: 12, 16, 28 (FAT32) or 32 (exFAT)
}

func (c *clusters) offset(n uint32) int64 { return c.heap + int64(n-2)*c.size }

func (c *clusters) has(n uint32) bool { return n >= 2 && n-2 < c.count }

// needed is how many clusters n bytes take.
func (c *clusters) needed(n int64) int64 {
	full := n / c.size
	if n%c.size != 0 {
		full++
	}
	return full
}

// A chain is the clusters of a file or folder in their order.
type chain struct {
	*clusters
	first    uint32
	straight bool  // they follow each other, and the table knows nothing of them
	length   int64 // clusters that are wanted; a folder of FAT ends where its chain does
}

// A clusterRun is clusters of a chain that follow each other on the disk.
type clusterRun struct {
	index int64 // in the chain, of the first
	first uint32
	count int64
}

func (r clusterRun) end() int64 { return r.index + r.count }

// tableWindow is how much of the table is looked at as one, in bytes; runLimit
// how many clusters make a run at most, so that a read at the beginning of a
// large file doesn't look up all of it.
const (
	tableWindow = 2048
	runLimit    = 512
)

// A walker follows a chain. A chain that comes back to itself is told from a
// long one by a mark that is set again after twice as many steps each time.
type walker struct {
	chain
	s     *source
	last  uint32 // the cluster that was given last
	index int64  // in the chain, of the next

	window     []byte
	windowAt   int64
	mark       uint32
	steps, lap int64
}

func (c chain) walk(s *source) *walker { return &walker{chain: c, s: s, lap: 1} }

// next gives the next run; none at the end of the chain. An error comes behind
// all that is in front of it, and comes again.
func (w *walker) next() (r clusterRun, more bool, err error) {
	if w.index >= w.length {
		return clusterRun{}, false, nil
	}
	first, err := w.successor()
	if err != nil || first == 0 {
		return clusterRun{}, false, err
	}
	r = clusterRun{index: w.index, first: first}
	if w.straight {
		return w.whole(r)
	}
	for n := first; err == nil && n == first+uint32(r.count) && r.count < runLimit; n, err = w.successor() {
		w.take(n)
		if r.count++; w.index == w.length {
			break // what comes after what is wanted is nobody's business
		}
	}
	return r, true, nil
}

// whole gives all that is left of a chain that is straight.
func (w *walker) whole(r clusterRun) (clusterRun, bool, error) {
	if r.count = w.length - w.index; r.count > int64(w.count)-int64(r.first-2) {
		return clusterRun{}, false, damaged("%d clusters from %d on are more than the volume has", r.count, r.first)
	}
	w.last, w.index = r.first+uint32(r.count-1), w.length
	return r, true, nil
}

// successor is the cluster that comes next; 0 for none.
func (w *walker) successor() (uint32, error) {
	if w.index == 0 {
		if w.first != 0 && !w.has(w.first) {
			return 0, damaged("it begins with cluster %d, and the volume has those from 2 to %d", w.first, int64(w.count)+1)
		}
		return w.first, nil
	}
	next, err := w.entry(w.last)
	if err == nil && next != 0 && next == w.mark {
		return 0, damaged("the clusters lead in a circle, back to %d", next)
	}
	return next, err
}

// take goes on by one cluster.
func (w *walker) take(n uint32) {
	w.last = n
	w.index++
	if w.steps++; w.steps == w.lap {
		w.mark, w.steps, w.lap = n, 0, 2*w.lap
	}
}

// entry is which cluster comes after n; 0 for none.
func (w *walker) entry(n uint32) (uint32, error) {
	value, err := w.raw(n)
	if err != nil {
		return 0, err
	}
	mask := uint32(1)<<w.bits - 1 // all ones for 32 bits, too
	switch value &= mask; {
	case value >= mask-7:
		return 0, nil
	case value == mask-8:
		return 0, damaged("cluster %d leads to one that is marked as bad", n)
	case value == 0:
		return 0, damaged("cluster %d leads to nowhere: the table says that it is free", n)
	case !w.has(value):
		return 0, damaged("cluster %d leads to %d, and the volume has those from 2 to %d", n, value, int64(w.count)+1)
	}
	return value, nil
}

// raw reads an entry of the table.
func (w *walker) raw(n uint32) (uint32, error) {
	switch w.bits {
	case 12:
		b, err := w.look(int64(n)*3/2, 2)
		if err != nil {
			return 0, err
		}
		return uint32(le.Uint16(b)) >> (n % 2 * 4), nil
	case 16:
		b, err := w.look(int64(n)*2, 2)
		if err != nil {
			return 0, err
		}
		return uint32(le.Uint16(b)), nil
	}
	b, err := w.look(int64(n)*4, 4)
	if err != nil {
		return 0, err
	}
	return le.Uint32(b), nil
}

// look gives n bytes of the table.
func (w *walker) look(at int64, n int) ([]byte, error) {
	if at < w.windowAt || at+int64(n) > w.windowAt+int64(len(w.window)) {
		start := w.table + at
		size := min(tableWindow, max(w.s.size()-start, int64(n)))
		b, err := w.s.read(int(size), start)
		if err != nil {
			return nil, err
		}
		w.window, w.windowAt = b, at
	}
	return w.window[at-w.windowAt:][:n], nil
}

// maxRuns bounds the runs that are remembered of an opened file, from its
// beginning on. Behind them, only the latest is.
const maxRuns = 1 << 16

// A clusterContent is a file in clusters.
type clusterContent struct {
	chain   chain
	bytes   int64
	written int64 // what is behind reads as zeroes

	lock   chan struct{} // is full while one looks up clusters, in what follows
	runs   []clusterRun
	known  *walker // stands behind the runs
	beyond *walker // stands behind latest, where runs has no room for it
	latest clusterRun
}

// newClusterContent is a file of so many bytes. A size that the volume can't
// have is told when the missing part is read.
func newClusterContent(c *clusters, first uint32, straight bool, bytes, written int64) *clusterContent {
	ch := chain{clusters: c, first: first, straight: straight, length: c.needed(bytes)}
	return &clusterContent{chain: ch, bytes: bytes, written: min(bytes, written), lock: make(chan struct{}, 1), known: ch.walk(nil)}
}

func (c *clusterContent) size() int64 { return c.bytes }

func (c *clusterContent) readAt(s *source, p []byte, offset int64) error {
	for len(p) > 0 {
		n := int64(len(p))
		if offset >= c.written {
			clear(p)
			return nil
		}
		r, err := c.runOf(s, offset/c.chain.size)
		if err != nil {
			return err
		}
		skip := offset - r.index*c.chain.size
		n = min(n, r.count*c.chain.size-skip, c.written-offset)
		if err := s.readFull(p[:n], c.chain.offset(r.first)+skip); err != nil {
			return err
		}
		p, offset = p[n:], offset+n
	}
	return nil
}

// runOf finds the run with a cluster of the file.
func (c *clusterContent) runOf(s *source, index int64) (clusterRun, error) {
	select {
	case c.lock <- struct{}{}:
		defer func() { <-c.lock }()
	case <-s.ctx.Done():
		return clusterRun{}, context.Cause(s.ctx)
	}
	i := sort.Search(len(c.runs), func(i int) bool { return c.runs[i].end() > index })
	if i < len(c.runs) {
		return c.runs[i], nil
	}
	for len(c.runs) < maxRuns {
		r, err := c.step(s, c.known)
		if err != nil {
			return clusterRun{}, err
		}
		if c.remember(r); r.end() > index {
			return r, nil
		}
	}
	return c.findBeyond(s, index)
}

// step goes on by one run, which must be there.
func (c *clusterContent) step(s *source, w *walker) (clusterRun, error) {
	w.s = s
	defer func() { w.s = nil }() // it ends with the operation
	r, more, err := w.next()
	if err == nil && !more {
		err = damaged("the content ends after %d of %d bytes", w.index*c.chain.size, c.bytes)
	}
	return r, err
}

// remember makes one run of r and the last, if they follow each other.
func (c *clusterContent) remember(r clusterRun) {
	if n := len(c.runs); n > 0 && c.runs[n-1].first+uint32(c.runs[n-1].count) == r.first {
		c.runs[n-1].count += r.count
	} else {
		c.runs = append(c.runs, r)
	}
}

// findBeyond goes on from the latest run, or if that is too far, from the last
// that is remembered.
func (c *clusterContent) findBeyond(s *source, index int64) (clusterRun, error) {
	if c.beyond == nil || index < c.latest.index {
		again := *c.known
		c.beyond, c.latest = &again, clusterRun{}
	}
	for c.latest.end() <= index {
		r, err := c.step(s, c.beyond)
		if err != nil {
			return clusterRun{}, err
		}
		c.latest = r
	}
	return c.latest, nil
}

// maxDescribed is how many clusters are looked up to tell where a file lies.
const maxDescribed = 1 << 20

// describe adds where the clusters lie to details; behind what is written, in
// bytes, they are unwritten. It gives where it has come to.
func (c chain) describe(s *source, d *Details, written int64) (*walker, error) {
	w := c.walk(s)
	for {
		r, more, err := w.next()
		if err != nil || !more {
			return w, err
		}
		d.Allocated += r.count * c.size
		split := min(r.count, max(0, c.needed(written)-r.index))
		d.addClusters(c.clusters, clusterRun{r.index, r.first, split}, ExtentData)
		d.addClusters(c.clusters, clusterRun{r.index + split, r.first + uint32(split), r.count - split}, ExtentUnwritten)
		if d.MoreExtent = d.MoreExtent || !c.straight && w.index >= maxDescribed && w.index < w.length; d.MoreExtent {
			return w, nil
		}
	}
}

func (d *Details) addClusters(c *clusters, r clusterRun, kind ExtentKind) {
	e := Extent{Offset: r.index * c.size, Length: r.count * c.size, Disk: c.offset(r.first), Kind: kind}
	switch {
	case r.count == 0 || d.MoreExtent || d.joined(e):
	case len(d.Extents) == MaxExtents:
		d.MoreExtent = true
	default:
		d.Extents = append(d.Extents, e)
	}
}

// describe adds where the content lies to details, and what is wrong with that.
func (c *clusterContent) describe(s *source, d *Details) error {
	w, err := c.chain.describe(s, d, c.written)
	switch {
	case err != nil:
		return err
	case d.MoreExtent:
		d.Allocated = c.chain.length * c.chain.size // by its size
		return nil
	case w.index < w.length:
		return damaged("the content has %d bytes, and its clusters end after %d", c.bytes, w.index*c.chain.size)
	case c.chain.straight || w.index == 0 && w.first == 0:
		return nil
	}
	next, err := w.successor()
	if err == nil && next != 0 {
		err = damaged("its clusters go on behind its %d bytes", c.bytes)
	}
	return err
}
