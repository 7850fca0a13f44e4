package fs

import (
	"testing"

	"nbdbridge/test/disks/volumes"
)

// FuzzFolders gives FAT and exFAT any bytes as their root folder, with a table
// whose clusters lead anywhere.
func FuzzFolders(f *testing.F) {
	for _, bits := range []byte{12, 16, 28, 32} {
		f.Add(bits, volumes.FATEntry{Short: "A", Long: "a long name that takes two", First: 5, Size: 2000}.Bytes(), []byte{0, 0, 3, 4, 5, 6, 255})
		f.Add(bits, volumes.FATEntry{Short: "A", Attributes: 0x10, First: 2}.Bytes(), []byte{0, 0, 3, 2})
		f.Add(bits, volumes.ExFATEntry{Name: "a name of 20 letters", First: 5, Size: 2000, Written: -1}.Set(), []byte{0, 0, 3, 4, 5, 6, 255})
		f.Add(bits, volumes.ExFATEntry{Name: "a", Attributes: 0x10, First: 4, Size: 1024, Straight: true}.Set(), []byte{0, 0, 3, 255})
	}
	f.Fuzz(func(t *testing.T, bits byte, folder, links []byte) {
		if len(folder) > 8<<10 {
			return
		}
		store := volumes.Sparse{}
		size := fuzzedVolume(store, bits, folder, links)
		v, disk := openStore(t, store, size)
		walk(v, 300)
		if disk.reads > 1000 {
			t.Errorf("%d reads", disk.reads)
		}
	})
}

// fuzzedVolume writes a volume with the folder in its root, or behind what
// there already is, and gives its size.
func fuzzedVolume(store volumes.Sparse, bits byte, folder, links []byte) int64 {
	if bits == 32 {
		x := volumes.NewExFAT(store, 512, 512, 300)
		x.AddRoot(folder)
		for i, n := range links {
			if n > 0 {
				x.Link(i%300+2, uint32(int32(int8(n))))
			}
		}
		return x.Size()
	}
	wide := map[byte]int{12: 12, 16: 16}[bits]
	if wide == 0 {
		wide = 32
	}
	f := volumes.NewFAT(store, wide, 512, 1, map[int]int{12: 300, 16: 4100, 32: 300}[wide])
	var chain []int
	for i := range len(folder)/512 + 1 {
		chain = append(chain, i+2)
	}
	f.FillRoot(folder, chain...)
	for i, n := range links {
		if n > 0 {
			f.Link(i%300+2, uint32(int32(int8(n))))
		}
	}
	return f.Size
}
