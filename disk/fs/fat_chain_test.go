package fs

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"

	"nbdbridge/test/disks/volumes"
)

// openStore opens a volume that is being made, and counts its reads.
func openStore(t testing.TB, store io.ReaderAt, size int64) (Volume, *countedStore) {
	t.Helper()
	disk := &countedStore{ReaderAt: store}
	v, err := Open(disk, size)
	if err != nil {
		t.Fatal(err)
	}
	return v, disk
}

type countedStore struct {
	io.ReaderAt
	reads int
	bytes int
}

func (c *countedStore) ReadAt(p []byte, offset int64) (int, error) {
	c.reads++
	c.bytes += len(p)
	return c.ReaderAt.ReadAt(p, offset)
}

// readable is how many bytes of a file come, in small pieces, and the error
// behind them.
func readable(f File) (int64, error) {
	p := make([]byte, 100)
	for at := int64(0); ; {
		n, err := f.ReadAt(p, at)
		if at += int64(n); errors.Is(err, io.EOF) {
			return at, nil
		} else if err != nil {
			return at, err
		}
	}
}

// TestFATChains links the clusters of one file in all the wrong ways. Each has
// 512 bytes.
func TestFATChains(t *testing.T) {
	const size = 2000 // four clusters
	for _, c := range []struct {
		name    string
		first   int
		links   []uint32 // of clusters 10, 11, 12, 13
		size    uint32
		whole   int64  // bytes that can be read
		problem string // of the details, and unless the file can be read whole, of the read
	}{
		{"sound", 10, []uint32{11, 12, 13, 0xfffffff}, size, size, ""},
		{"another mark of the end", 10, []uint32{11, 12, 13, 0xffffff8}, size, size, ""},
		{"backwards", 13, []uint32{0xfffffff, 10, 11, 12}, size, size, ""},
		{"empty", 0, nil, 0, 0, ""},
		{"no clusters", 0, nil, size, 0, "its clusters end after 0"},
		{"begins in front of all", 1, nil, size, 0, "begins with cluster 1"},
		{"begins behind all", 0xffff, nil, size, 0, "begins with cluster 65535"},
		{"too short", 10, []uint32{11, 0xfffffff}, size, 1024, "end after 1024"},
		{"too long", 10, []uint32{11, 12, 13, 14}, size, size, "go on behind its 2000 bytes"},
		{"too long for nothing", 10, []uint32{0xfffffff}, 0, 0, "go on behind its 0 bytes"},
		{"into a bad cluster", 10, []uint32{11, 12, 0xffffff7}, size, 1536, "bad"},
		{"into a free cluster", 10, []uint32{11, 12, 0}, size, 1536, "free"},
		{"into one that is reserved", 10, []uint32{11, 1}, size, 1024, "leads to 1"},
		{"behind the volume", 10, []uint32{11, 0xfffff00}, size, 1024, "leads to"},
		{"a circle", 10, []uint32{11, 10}, 1 << 20, 0, "circle"},
		{"a circle at its end", 10, []uint32{11, 12, 13, 13}, 1 << 20, 2048, "circle"},
		{"a circle of one", 10, []uint32{10}, 1 << 20, 512, "circle"},
		{"a circle within the size", 10, []uint32{11, 10}, 1500, 1024, "circle"},
	} {
		for _, bits := range []int{12, 16, 32} {
			t.Run(fmt.Sprint(c.name, bits), func(t *testing.T) {
				store := volumes.Sparse{}
				f := volumes.NewFAT(store, bits, 512, 1, map[int]int{12: 3000, 16: 5000, 32: 5000}[bits])
				f.Fill(bytes.Repeat([]byte{1}, 2048), 10, 11, 12, 13)
				for i, value := range c.links {
					f.Link(10+i, value)
				}
				first := c.first
				f.FillRoot(volumes.Folder(volumes.FATEntry{Short: "F", First: first, Size: c.size}), 2)
				v, _ := openStore(t, store, f.Size)
				checkChain(t, v, c.whole, c.problem, int64(c.size))
			})
		}
	}
}

func checkChain(t *testing.T, v Volume, whole int64, problem string, size int64) {
	t.Helper()
	d, err := v.Stat(t.Context(), "/F")
	if err != nil || !strings.Contains(strings.Join(d.Problems, " "), problem) || (problem == "") != (len(d.Problems) == 0) {
		t.Errorf("details: %q %v, want %q", d.Problems, err, problem)
	}
	opened, err := v.Open(t.Context(), "/F", "")
	if err != nil {
		t.Fatal(err)
	}
	n, err := readable(opened)
	if whole == size && err != nil || whole != size && !errors.Is(err, ErrDamaged) {
		t.Errorf("read: %v", err)
	}
	if n > size || n < whole/100*100 { // it comes in pieces of 100
		t.Errorf("%d bytes can be read, want %d", n, whole)
	}
	if n > whole && !strings.Contains(problem, "circle") {
		t.Errorf("%d bytes can be read, want %d", n, whole)
	}
}

// TestFATChainsOfFolders: what was there in front of the damage is listed.
func TestFATChainsOfFolders(t *testing.T) {
	full := func(from int) []byte {
		var entries []volumes.FATEntry
		for i := range 16 {
			entries = append(entries, volumes.FATEntry{Short: fmt.Sprintf("F%d", from+i)})
		}
		return volumes.Folder(entries...)
	}
	for _, c := range []struct {
		name    string
		links   []uint32
		entries int
		problem string
	}{
		{"sound", []uint32{11, 0xfffffff}, 32, ""},
		{"a circle", []uint32{11, 10}, 32, "circle"},
		{"bad", []uint32{0xffffff7}, 16, "bad"},
		{"free", []uint32{11, 0}, 32, "free"},
		{"itself", []uint32{10}, 16, "circle"},
	} {
		store := volumes.Sparse{}
		f := volumes.NewFAT(store, 16, 512, 1, 5000)
		f.Fill(append(full(0), full(16)...), 10, 11)
		for i, value := range c.links {
			f.Link(10+i, value)
		}
		f.FillRoot(volumes.Folder(volumes.FATEntry{Short: "D", Attributes: 0x10, First: 10}))
		v, _ := openStore(t, store, f.Size)
		var names = map[string]bool{}
		var failed error
		for e, err := range v.List(t.Context(), "/D") {
			if failed = err; err == nil {
				names[e.Name] = true
			}
		}
		if len(names) != c.entries || (failed == nil) != (c.problem == "") || failed != nil && !strings.Contains(failed.Error(), c.problem) {
			t.Errorf("%s: %d entries, %v", c.name, len(names), failed)
		}
	}
}

// TestFAT12Entries reads all entries of a table, also those that lie over the
// end of a sector and of what is looked at as one.
func TestFAT12Entries(t *testing.T) {
	store := volumes.Sparse{}
	f := volumes.NewFAT(store, 12, 512, 1, 4000)
	var chain []int
	for n := 2; n < 4000; n++ {
		chain = append(chain, n)
	}
	for i := range chain { // far from each other
		j := i * 1987 % len(chain)
		chain[i], chain[j] = chain[j], chain[i]
	}
	content := randomBytes(len(chain) * 512)
	f.Fill(content, chain...)
	f.FillRoot(volumes.Folder(volumes.FATEntry{Short: "F", First: chain[0], Size: uint32(len(content))}))
	v, _ := openStore(t, store, f.Size)
	opened, err := v.Open(t.Context(), "/F", "")
	if err != nil {
		t.Fatal(err)
	}
	got := make([]byte, len(content))
	if _, err := opened.ReadAt(got, 0); err != nil || !bytes.Equal(got, content) {
		t.Errorf("the content differs, %v", err)
	}
	for _, at := range []int64{1_900_000, 5, 1_000_000, 1_000_001} {
		part := make([]byte, 1000)
		if _, err := opened.ReadAt(part, at); err != nil || !bytes.Equal(part, content[at:at+1000]) {
			t.Errorf("at %d the content differs, %v", at, err)
		}
	}
}

// TestContentOfTooManyRuns goes on behind what is remembered.
func TestContentOfTooManyRuns(t *testing.T) {
	store := volumes.Sparse{}
	f := volumes.NewFAT(store, 32, 512, 1, 3*maxRuns)
	chain := make([]int, 0, maxRuns+1000)
	for i := range cap(chain) {
		chain = append(chain, 3+2*i) // no two follow each other
	}
	f.Chain(chain...)
	last := len(chain) - 1
	for _, i := range []int{0, maxRuns - 1, maxRuns, last} {
		store.WriteAt([]byte(fmt.Sprintf("%08d", i)), f.At(chain[i]))
	}
	f.FillRoot(volumes.Folder(volumes.FATEntry{Short: "F", First: 3, Size: uint32(len(chain) * 512)}), 2)
	v, _ := openStore(t, store, f.Size)
	opened, err := v.Open(t.Context(), "/F", "")
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range []int{last, maxRuns, 0, last, maxRuns - 1} {
		got := make([]byte, 8)
		if _, err := opened.ReadAt(got, int64(i)*512); err != nil || string(got) != fmt.Sprintf("%08d", i) {
			t.Errorf("cluster %d: %q, %v", i, got, err)
		}
	}
	d, err := v.Stat(t.Context(), "/F")
	if err != nil || len(d.Extents) != MaxExtents || !d.MoreExtent || d.Allocated != int64(len(chain)*512) {
		t.Errorf("%d extents, %d bytes, %v", len(d.Extents), d.Allocated, err)
	}
}

// TestFATReadersAtOnce read one file in pieces from everywhere; one of them has
// no time to wait for the others.
func TestFATReadersAtOnce(t *testing.T) {
	v := openSeed(t, seed(t, "fat16"))
	opened, err := v.Open(t.Context(), "/numbers", "")
	if err != nil {
		t.Fatal(err)
	}
	var readers sync.WaitGroup
	for i := range 8 {
		readers.Go(func() {
			for at := i * 600; at >= 0; at -= 50 {
				got := make([]byte, 200)
				if _, err := opened.ReadAt(got, int64(at)); err != nil || string(got) != seedNumbers[at:at+200] {
					t.Errorf("at %d: %q, %v", at, got, err)
				}
			}
		})
	}
	readers.Wait()
	c := opened.(*file).content.(*clusterContent)
	c.lock <- struct{}{} // as if another's read didn't end
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := opened.ReadContext(ctx, make([]byte, 10), 0); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

// TestFATTableThatCantBeRead: the disk's own error comes through, and the file
// can be read when the disk can.
func TestFATTableThatCantBeRead(t *testing.T) {
	store := volumes.Sparse{}
	f := volumes.NewFAT(store, 16, 512, 1, 60000)
	content := randomBytes(3 * 512)
	f.Fill(content, 50000, 50001, 40000)
	f.FillRoot(volumes.Folder(volumes.FATEntry{Short: "F", First: 50000, Size: uint32(len(content))}))
	gone, failing := errors.New("the sector is bad"), false
	disk := &testDisk{data: store.Bytes(f.At(50002)), bad: func(start, end int64) error {
		if failing && start < f.Table+100000+512 && end > f.Table+100000 {
			return gone
		}
		return nil
	}}
	opened, err := Open(disk, f.Size)
	if err != nil {
		t.Fatal(err)
	}
	opened.(*volume).pages.forget()
	failing = true
	file, err := opened.Open(t.Context(), "/F", "")
	if err != nil {
		t.Fatal(err)
	}
	got := make([]byte, len(content))
	if n, err := file.ReadAt(got[:500], 0); err != nil {
		t.Errorf("the first cluster needs no table: %d, %v", n, err)
	}
	if _, err := file.ReadAt(got, 0); !errors.Is(err, gone) {
		t.Errorf("%v", err)
	}
	failing = false
	if _, err := file.ReadAt(got, 0); err != nil || !bytes.Equal(got, content) {
		t.Errorf("the content differs, %v", err)
	}
}
