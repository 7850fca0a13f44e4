package fs

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
)

// A testDisk counts what is read of it, and fails where it is told to.
type testDisk struct {
	data []byte
	bad  func(start, end int64) error // nil is a sound disk
	wait chan struct{}                // nil answers at once

	mu    sync.Mutex
	reads []int // lengths
}

func (d *testDisk) ReadAt(p []byte, offset int64) (int, error) {
	d.mu.Lock()
	d.reads = append(d.reads, len(p))
	d.mu.Unlock()
	if d.wait != nil {
		<-d.wait
	}
	if d.bad != nil {
		if err := d.bad(offset, offset+int64(len(p))); err != nil {
			return 0, err
		}
	}
	return bytes.NewReader(d.data).ReadAt(p, offset)
}

func (d *testDisk) count() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.reads)
}

func randomBytes(n int) []byte {
	source, b := rand.NewChaCha8([32]byte{1}), make([]byte, n)
	source.Read(b)
	return b
}

func TestPagesReadsAsAnyReader(t *testing.T) {
	data := randomBytes(5*PageSize + 777)
	for _, c := range []struct {
		name           string
		offset, length int
		n              int
		err            error
	}{
		{"within a page", 10, 100, 100, nil},
		{"over two pages", PageSize - 5, 10, 10, nil},
		{"all", 0, len(data), len(data), nil},
		{"up to the end", len(data) - 3, 3, 3, nil},
		{"over the end", len(data) - 3, 4, 3, io.EOF},
		{"at the end", len(data), 1, 0, io.EOF},
		{"behind the end", len(data) + PageSize, 1, 0, io.EOF},
		{"nothing at the end", len(data), 0, 0, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := make([]byte, c.length)
			n, err := NewPages(bytes.NewReader(data), int64(len(data)), 0).ReadAt(p, int64(c.offset))
			if n != c.n || err != c.err {
				t.Fatalf("got %d, %v; want %d, %v", n, err, c.n, c.err)
			}
			if !bytes.Equal(p[:n], data[min(c.offset, len(data)):][:n]) {
				t.Error("other bytes")
			}
		})
	}
	if _, err := NewPages(bytes.NewReader(data), 9, 0).ReadAt(make([]byte, 1), -1); err == nil {
		t.Error("an offset below zero is no error")
	}
}

func TestPagesCountsReads(t *testing.T) {
	const mb = 1 << 20
	for _, c := range []struct {
		name   string
		budget int
		read   func(c *Pages)
		want   []int
	}{
		{"a page once", 0, func(c *Pages) { read(c, 5, 10); read(c, 5000, 10) }, []int{PageSize}},
		{"neighbours together", 0, func(c *Pages) { read(c, 0, 3*PageSize) }, []int{3 * PageSize}},
		{"a page that is there splits", 0, func(c *Pages) { read(c, 2*PageSize, 1); read(c, 0, 5*PageSize) },
			[]int{PageSize, 2 * PageSize, 2 * PageSize}},
		{"1 MiB at most", 0, func(c *Pages) { read(c, 0, 3*mb) }, []int{mb, mb, mb}},
		{"far apart, no more than asked", 0, func(c *Pages) { read(c, 0, 1); read(c, 3*mb, 1); read(c, mb, 1) },
			[]int{PageSize, PageSize, PageSize}},
		{"in sequence, ever more", 0, func(c *Pages) {
			for at := int64(0); at < 2*mb; at += 4096 {
				read(c, at, 4096)
			}
		}, []int{PageSize, 2 * PageSize, 5 * PageSize, mb, mb}},
		{"the end of the disk", 0, func(c *Pages) { read(c, 4*mb-1, 1) }, []int{PageSize}},
		{"what is over the budget is forgotten", 2 * PageSize, func(c *Pages) {
			read(c, 0, 1)
			read(c, mb, 1)
			read(c, 0, 1) // the latest
			read(c, 2*mb, 1)
			read(c, 0, 1)
			read(c, mb, 1)
		}, []int{PageSize, PageSize, PageSize, PageSize}},
	} {
		t.Run(c.name, func(t *testing.T) {
			disk := &testDisk{data: make([]byte, 4*mb)}
			c.read(NewPages(disk, int64(len(disk.data)), c.budget))
			slices.Sort(disk.reads)
			slices.Sort(c.want)
			if !slices.Equal(disk.reads, c.want) {
				t.Errorf("reads of %v bytes, want %v", disk.reads, c.want)
			}
		})
	}
}

func read(c *Pages, offset int64, length int) {
	if _, err := c.ReadAt(make([]byte, length), offset); err != nil {
		panic(err)
	}
}

func TestPagesReadsOnceForAll(t *testing.T) {
	disk := &testDisk{data: randomBytes(PageSize), wait: make(chan struct{})}
	c := NewPages(disk, PageSize, 0)
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() { read(c, 100, 100) })
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.ReadContext(ctx, make([]byte, 1), 0); !errors.Is(err, context.Canceled) {
		t.Errorf("a context that has ended: %v", err)
	}
	close(disk.wait)
	all.Wait()
	if disk.count() != 1 {
		t.Errorf("%d reads", disk.count())
	}
}

var errBad = errors.New("bad sector")

func TestPagesGoAroundBadSectors(t *testing.T) {
	data := randomBytes(4 * PageSize)
	const at = 2*PageSize + 4096
	disk := &testDisk{data: data, bad: func(start, end int64) error {
		if start < at+512 && end > at {
			return errBad
		}
		return nil
	}}
	c := NewPages(disk, int64(len(data)), 0)
	for _, part := range []struct {
		offset, length, n int
		err               error
	}{{0, len(data), 2 * PageSize, errBad}, {at - 100, 100, 100, nil}, {at + 512, PageSize, PageSize, nil}, {at, 1, 0, errBad}} {
		p := make([]byte, part.length)
		n, err := c.ReadAt(p, int64(part.offset))
		if n != part.n || !errors.Is(err, part.err) || !bytes.Equal(p[:n], data[part.offset:][:n]) {
			t.Errorf("%d bytes at %d: got %d, %v; want %d, %v", part.length, part.offset, n, err, part.n, part.err)
		}
	}
	disk.bad = nil
	if n, err := c.ReadAt(make([]byte, len(data)), 0); n != len(data) || err != nil {
		t.Errorf("an error was kept: %d, %v", n, err)
	}
}

func TestPagesOfADiskThatIsShorter(t *testing.T) {
	c := NewPages(bytes.NewReader(make([]byte, 1000)), 2000, 0)
	if n, err := c.ReadAt(make([]byte, 2000), 0); n != 0 || !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("got %d, %v", n, err)
	}
}
