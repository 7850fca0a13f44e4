package fs

import (
	"errors"
	"fmt"
	"io"
	"testing"

	"nbdbridge/test/disks/volumes"
)

// TestFATReads counts what a volume of 200 GiB costs.
func TestFATReads(t *testing.T) {
	store := volumes.Sparse{}
	f := volumes.NewFAT(store, 32, 512, 64, 200<<30/(32<<10))
	const size = 4<<30 - 1
	for n := 100; n < 100+size/(32<<10); n++ { // the tables' own way would take a minute
		store.WriteAt(le.AppendUint32(nil, uint32(n+1)), f.Table+int64(n)*4)
	}
	f.Link(100+size/(32<<10), 0xfffffff)
	f.FillRoot(volumes.Folder(volumes.FATEntry{Short: "BIG", First: 100, Size: size}), 2)
	v, disk := openStore(t, store, f.Size)
	if v.Facts().Free != int64(f.Clusters-1)*(32<<10) || disk.reads >= 10 {
		t.Errorf("opening takes %d reads: %+v", disk.reads, v.Facts())
	}
	t.Logf("open: %d reads, %d KiB", disk.reads, disk.bytes>>10)
	disk.reads, disk.bytes = 0, 0
	for range v.List(t.Context(), "/") {
	}
	opened, err := v.Open(t.Context(), "/BIG", "")
	if err != nil {
		t.Fatal(err)
	}
	opened.ReadAt(make([]byte, 100), 0)
	if disk.reads > 3 {
		t.Errorf("its first bytes take %d reads", disk.reads)
	}
	t.Logf("first bytes: %d reads, %d KiB", disk.reads, disk.bytes>>10)
	disk.reads, disk.bytes = 0, 0
	opened.ReadAt(make([]byte, 100), size-100)
	if disk.reads > 12 { // 512 KiB of the table
		t.Errorf("its last bytes take %d reads", disk.reads)
	}
	t.Logf("last bytes: %d reads, %d KiB", disk.reads, disk.bytes>>10)
	disk.reads = 0
	for at := int64(0); at < size; at += size / 50 {
		opened.ReadAt(make([]byte, 1), at)
	}
	if disk.reads > 60 {
		t.Errorf("50 bytes anywhere take %d reads", disk.reads)
	}
	if d, err := v.Stat(t.Context(), "/BIG"); err != nil || len(d.Extents) != 1 || d.Extents[0].Length != 4<<30 {
		t.Errorf("details: %+v, %v", d, err)
	}
}

// TestFATSmallClusters: a file of as many clusters as there can be is read from
// its beginning at once.
func TestFATSmallClusters(t *testing.T) {
	store := volumes.Sparse{}
	const clusters = 3 << 20
	f := volumes.NewFAT(store, 32, 512, 1, clusters)
	table := make([]byte, 4*clusters)
	for n := range uint32(clusters - 100) {
		le.PutUint32(table[4*n:], n+101)
	}
	store.WriteAt(table[:4*(clusters-100)], f.Table+400)
	f.Link(clusters-1, 0xfffffff)
	f.FillRoot(volumes.Folder(volumes.FATEntry{Short: "BIG", First: 100, Size: (clusters - 100) * 512}), 2)
	v, disk := openStore(t, store, f.Size)
	opened, err := v.Open(t.Context(), "/BIG", "")
	if err != nil {
		t.Fatal(err)
	}
	disk.reads = 0
	if _, err := opened.ReadAt(make([]byte, 512), 0); err != nil || disk.reads > 3 {
		t.Errorf("%d reads, %v", disk.reads, err)
	}
	if _, err := opened.ReadAt(make([]byte, 512), (clusters-101)*512); err != nil {
		t.Error(err)
	}
	d, err := v.Stat(t.Context(), "/BIG")
	if err != nil || !d.MoreExtent || len(d.Extents) != 1 || d.Allocated != (clusters-100)*512 {
		t.Errorf("%+v, %v", d, err)
	}
}

func TestLargeFolders(t *testing.T) {
	const entries = 100_000
	for _, c := range []struct {
		name string
		make func() (io.ReaderAt, int64)
	}{
		{"FAT", func() (io.ReaderAt, int64) {
			store := volumes.Sparse{}
			f := volumes.NewFAT(store, 32, 512, 8, 70000)
			var folder []byte
			for i := range entries {
				folder = append(folder, volumes.FATEntry{Short: fmt.Sprintf("%08d", i)}.Bytes()...)
			}
			var chain []int
			for i := range len(folder)/4096 + 1 {
				chain = append(chain, 10+i)
			}
			f.Fill(folder, chain...)
			f.FillRoot(volumes.Folder(volumes.FATEntry{Short: "MANY", Attributes: 0x10, First: 10}), 2)
			return store, f.Size
		}},
		{"exFAT", func() (io.ReaderAt, int64) {
			store := volumes.Sparse{}
			x := volumes.NewExFAT(store, 512, 4096, 70000)
			var files []volumes.File
			for i := range entries {
				files = append(files, volumes.File{Entry: volumes.ExFATEntry{Name: fmt.Sprintf("%08d", i), Written: -1}})
			}
			x.AddRoot(x.Tree([]volumes.File{{Entry: volumes.ExFATEntry{Name: "MANY", Attributes: 0x10}, Files: files}}))
			return store, x.Size()
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			store, size := c.make()
			v, disk := openStore(t, store, size)
			disk.reads = 0
			n := 0
			for e, err := range v.List(t.Context(), "/MANY") {
				if err != nil || e.Name != fmt.Sprintf("%08d", n) {
					t.Fatalf("%+v, %v", e, err)
				}
				if n++; n == 1 && disk.reads > 4 {
					t.Errorf("the first entry takes %d reads", disk.reads)
				}
			}
			if n != entries || disk.reads > 40 {
				t.Errorf("%d entries, %d reads", n, disk.reads)
			}
			t.Logf("%d reads", disk.reads)
			if d, err := v.Stat(t.Context(), "/MANY/00099999"); err != nil || d.Name != "00099999" {
				t.Errorf("%+v, %v", d, err)
			}
			if _, err := v.Stat(t.Context(), "/MANY/none"); !errors.Is(err, ErrNotFound) {
				t.Error(err)
			}
		})
	}
}
