package fs

import (
	"fmt"
	"sort"
	"sync"
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

// tableWindow is how much of the table is looked at as one, in bytes.
const tableWindow = 2048

// A walker follows a chain. A chain that comes back to itself is told from a
// long one by a mark that is set again after twice as many steps each time.
type walker struct {
	chain
	s     *source
	at    uint32 // the next cluster; 0 behind the last
	index int64

	window     []byte
	windowAt   int64
	mark       uint32
	steps, lap int64
}

func (c chain) walk(s *source) *walker { return c.walkFrom(s, c.first, 0) }

func (c chain) walkFrom(s *source, at uint32, index int64) *walker {
	return &walker{chain: c, s: s, at: at, index: index, lap: 1}
}

// next gives the next run; none at the end of the chain.
func (w *walker) next() (r clusterRun, more bool, err error) {
	if w.at == 0 || w.index >= w.length {
		return clusterRun{}, false, nil
	}
	if !w.has(w.at) {
		return clusterRun{}, false, damaged("it begins with cluster %d, and the volume has those from 2 to %d", w.at, int64(w.count)+1)
	}
	if w.straight {
		return w.whole()
	}
	r = clusterRun{index: w.index, first: w.at}
	for w.at == r.first+uint32(r.count) && w.index < w.length {
		if err := w.follow(); err != nil {
			return clusterRun{}, false, err
		}
		r.count++
	}
	return r, true, nil
}

func (w *walker) whole() (clusterRun, bool, error) {
	r := clusterRun{index: w.index, first: w.at, count: w.length - w.index}
	if r.count > int64(w.count)-int64(w.at-2) {
		return clusterRun{}, false, damaged("%d clusters from %d on are more than the volume has", r.count, w.at)
	}
	w.at, w.index = 0, w.length
	return r, true, nil
}

// follow goes on by one cluster.
func (w *walker) follow() error {
	if err := w.s.step(); err != nil {
		return err
	}
	from := w.at
	w.at = 0
	if w.index++; w.index == w.length {
		return nil // what comes after what is wanted is nobody's business
	}
	next, err := w.entry(from)
	if err != nil || next == 0 {
		return err
	}
	w.at = next
	if next == w.mark {
		return damaged("the clusters lead in a circle, back to %d", next)
	}
	if w.steps++; w.steps == w.lap {
		w.mark, w.steps, w.lap = next, 0, 2*w.lap
	}
	return nil
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

// maxRuns bounds the runs that are remembered of an opened file. What comes
// after them is found again each time.
const maxRuns = 1 << 16

// A clusterContent is a file in clusters.
type clusterContent struct {
	chain   chain
	bytes   int64
	written int64 // what is behind reads as zeroes

	mu   sync.Mutex
	runs []clusterRun // from the beginning on
	next uint32
}

// newClusterContent is a file of so many bytes. A size that the volume can't
// have is told when the missing part is read.
func newClusterContent(c *clusters, first uint32, straight bool, bytes, written int64) *clusterContent {
	ch := chain{clusters: c, first: first, straight: straight, length: c.needed(written)}
	return &clusterContent{chain: ch, bytes: bytes, written: min(bytes, written), next: first}
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
	c.mu.Lock()
	defer c.mu.Unlock()
	i := sort.Search(len(c.runs), func(i int) bool { return c.runs[i].end() > index })
	if i < len(c.runs) {
		return c.runs[i], nil
	}
	return c.find(s, index)
}

// find follows the chain from where it is known to.
func (c *clusterContent) find(s *source, index int64) (clusterRun, error) {
	var known int64
	if len(c.runs) > 0 {
		known = c.runs[len(c.runs)-1].end()
	}
	w := c.chain.walkFrom(s, c.next, known)
	for {
		r, more, err := w.next()
		if err != nil {
			return clusterRun{}, err
		}
		if !more {
			return clusterRun{}, damaged("the content ends after %d of %d bytes", w.index*c.chain.size, c.written)
		}
		if len(c.runs) < maxRuns {
			c.runs, c.next = append(c.runs, r), w.at
		}
		if r.end() > index {
			return r, nil
		}
	}
}

// describe adds where the content lies to details.
func (c *clusterContent) describe(s *source, d *Details) error {
	w := c.chain.walk(s)
	for {
		r, more, err := w.next()
		if err != nil {
			return err
		}
		if !more {
			break
		}
		d.Allocated += r.count * c.chain.size
		e := Extent{Offset: r.index * c.chain.size, Length: r.count * c.chain.size, Disk: c.chain.offset(r.first), Kind: ExtentData}
		if !d.joined(e) {
			if len(d.Extents) == MaxExtents {
				d.MoreExtent = true
				return nil
			}
			d.Extents = append(d.Extents, e)
		}
	}
	if found := w.index * c.chain.size; found < c.written {
		return fmt.Errorf("%w: the content has %d bytes, and its clusters end after %d", ErrDamaged, c.written, found)
	}
	return nil
}
