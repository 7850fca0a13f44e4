package fs

import (
	"container/list"
	"context"
	"errors"
	"io"
	"sync"
)

// Sizes of Pages, in bytes.
const (
	PageSize      = 64 << 10
	DefaultBudget = 16 << 20 // of a Pages of its own
	maxRun        = 1 << 20 / PageSize
)

// Pages is a cache over a disk: pages of 64 KiB, the latest used of them kept
// up to a budget. Pages that miss side by side are one read of at most 1 MiB,
// which goes further where the disk is read in sequence. Readers who miss the
// same page share one read; one whose context ends leaves it to the others.
// Errors aren't kept. Where a page can't be read, no more of the disk is asked
// for than the caller wants, so that a bad sector hides nothing beside itself.
type Pages struct {
	r      io.ReaderAt
	size   int64
	budget int

	mu      sync.Mutex
	pages   map[int64]*page
	used    *list.List // of *page that have been read, the latest in front
	streams streams
}

type page struct {
	number int64
	data   []byte
	err    error
	ready  chan struct{} // closed when data or err is there
	place  *list.Element // nil before
}

// NewPages caches the first size bytes of r in a budget of bytes, 0 being
// DefaultBudget. Each reader at work takes 1 MiB more.
func NewPages(r io.ReaderAt, size int64, budget int) *Pages {
	if budget == 0 {
		budget = DefaultBudget
	}
	return &Pages{r: r, size: max(size, 0), budget: budget, pages: map[int64]*page{}, used: list.New()}
}

// Size is that of the disk, in bytes.
func (c *Pages) Size() int64 { return c.size }

// ReadAt is io.ReaderAt: io.EOF comes with whatever ends at the disk's end.
func (c *Pages) ReadAt(p []byte, offset int64) (int, error) {
	return c.ReadContext(context.Background(), p, offset)
}

// ReadContext is ReadAt that waits no longer than the context allows.
func (c *Pages) ReadContext(ctx context.Context, p []byte, offset int64) (int, error) {
	if offset < 0 {
		return 0, errors.New("read before the beginning of the disk")
	}
	wanted := p[:min(int64(len(p)), max(c.size-offset, 0))]
	n := 0
	for n < len(wanted) {
		m, err := c.readRun(ctx, wanted[n:], offset+int64(n))
		if n += m; err != nil {
			return n, err
		}
	}
	if len(wanted) < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// readRun reads what of p lies in the first maxRun pages from offset.
func (c *Pages) readRun(ctx context.Context, p []byte, offset int64) (n int, err error) {
	first := offset / PageSize
	last := min((offset+int64(len(p))-1)/PageSize, first+maxRun-1)
	for _, page := range c.take(first, last) {
		start := offset + int64(n)
		end := min(offset+int64(len(p)), (page.number+1)*PageSize)
		part := p[n : n+int(end-start)]
		if err := c.copyPage(ctx, part, page, start); err != nil {
			return n, err
		}
		n += len(part)
	}
	return n, nil
}

// copyPage waits for a page and copies what of it begins at offset.
func (c *Pages) copyPage(ctx context.Context, p []byte, from *page, offset int64) error {
	select {
	case <-from.ready:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	if from.err != nil {
		return c.readPart(ctx, p, offset)
	}
	copy(p, from.data[offset-from.number*PageSize:])
	return nil
}

// take gives the pages first to last, and sets off the reads of those that
// miss.
func (c *Pages) take(first, last int64) []*page {
	c.mu.Lock()
	defer c.mu.Unlock()
	ahead := c.streams.ahead(first, last)
	taken := make([]*page, 0, last-first+1)
	var run []*page
	for number := first; number <= last; number++ {
		got, missed := c.pageLocked(number)
		taken = append(taken, got)
		if missed {
			run = append(run, got)
		} else {
			c.start(run, len(run))
			run = nil
		}
	}
	if len(run) > 0 {
		wanted := len(run)
		c.start(c.extendLocked(run, ahead), wanted)
	}
	return taken
}

// pageLocked finds a page, or puts an empty one in its place.
func (c *Pages) pageLocked(number int64) (found *page, missed bool) {
	found = c.pages[number]
	if found == nil {
		found = &page{number: number, ready: make(chan struct{})}
		c.pages[number] = found
		return found, true
	}
	if found.place != nil {
		c.used.MoveToFront(found.place)
	}
	return found, false
}

// extendLocked adds up to ahead pages behind a run that miss as well.
func (c *Pages) extendLocked(run []*page, ahead int) []*page {
	for ; ahead > 0 && len(run) < maxRun; ahead-- {
		number := run[len(run)-1].number + 1
		if number*PageSize >= c.size || c.pages[number] != nil {
			break
		}
		next, _ := c.pageLocked(number)
		run = append(run, next)
	}
	return run
}

// start reads a run of neighbours, of which the first wanted ones are waited
// for. The goroutine ends with the disk's answer.
func (c *Pages) start(run []*page, wanted int) {
	if len(run) > 0 {
		go c.load(run, wanted)
	}
}

func (c *Pages) load(run []*page, wanted int) {
	err := c.loadAll(run)
	for i, page := range run {
		one := err
		if err != nil && i < wanted && len(run) > 1 {
			one = c.loadAll(run[i : i+1])
		}
		c.finish(page, one)
	}
}

// loadAll reads pages that lie side by side, in one go.
func (c *Pages) loadAll(run []*page) error {
	offset := run[0].number * PageSize
	end := min((run[len(run)-1].number+1)*PageSize, c.size)
	data := make([]byte, end-offset)
	if err := readFull(c.r, data, offset); err != nil {
		return err
	}
	for i, page := range run {
		page.data = data[i*PageSize : min((i+1)*PageSize, len(data))]
		if len(run) > 1 { // a page that stays must not hold its neighbours
			page.data = append(make([]byte, 0, len(page.data)), page.data...)
		}
	}
	return nil
}

// finish gives a page to those who wait, and forgets one that failed.
func (c *Pages) finish(p *page, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	p.err = err
	if err != nil {
		delete(c.pages, p.number)
	} else {
		p.place = c.used.PushFront(p)
	}
	close(p.ready)
	for c.used.Len()*PageSize > c.budget && c.used.Len() > 1 {
		oldest := c.used.Remove(c.used.Back()).(*page)
		delete(c.pages, oldest.number)
	}
}

// sector is what readPart rounds to: a bad sector is at least this large.
const sector = 512

// readPart reads what is wanted of a page that can't be read as a whole.
func (c *Pages) readPart(ctx context.Context, p []byte, offset int64) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	start := offset / sector * sector
	end := min((offset+int64(len(p))+sector-1)/sector*sector, c.size)
	part := make([]byte, end-start)
	if err := readFull(c.r, part, start); err != nil {
		return err
	}
	copy(p, part[offset-start:])
	return nil
}

// readFull reads all of p, which the disk has by its size.
func readFull(r io.ReaderAt, p []byte, offset int64) error {
	n, err := r.ReadAt(p, offset)
	switch {
	case n == len(p):
		return nil
	case err == nil, errors.Is(err, io.EOF):
		return io.ErrUnexpectedEOF
	}
	return err
}

// streams are the places up to which the disk was read of late, so that several
// files at once are each read ahead.
type streams [8]struct {
	next   int64 // the page that goes on
	window int   // pages to read ahead
}

// ahead notes a read of pages first to last, and says how many more are likely
// to follow.
func (s *streams) ahead(first, last int64) int {
	i, window := len(s)-1, 0
	for j := range s {
		if s[j].next > 0 && (s[j].next == first || s[j].next == first+1) {
			i, window = j, s[j].window
			if last >= s[j].next {
				window = min(max(2*window, 1), maxRun)
			}
			last = max(last, s[j].next-1)
			break
		}
	}
	copy(s[1:i+1], s[:i])
	s[0].next, s[0].window = last+1, window
	return window
}

// forget gives the memory back. Pages that are being read stay until they are.
func (c *Pages) forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.used.Len() > 0 {
		delete(c.pages, c.used.Remove(c.used.Back()).(*page).number)
	}
}
