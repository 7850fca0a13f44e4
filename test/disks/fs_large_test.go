package disks

import (
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"nbdbridge/disk/fs"
)

// TestTiB opens large volumes that hold little, and counts what that takes of a
// disk that may be far away.
func TestTiB(t *testing.T) {
	need(t, "mke2fs", "mkntfs")
	for _, c := range []struct {
		program []string
		reads   int64
	}{
		{[]string{"mke2fs", "-q", "-F", "-t", "ext4", "-E", "lazy_itable_init=1,lazy_journal_init=1,nodiscard"}, 10},
		{[]string{"mkntfs", "-q", "-Q", "-F"}, 10},
	} {
		t.Run(c.program[0], func(t *testing.T) {
			image := filepath.Join(t.TempDir(), "image")
			if err := os.WriteFile(image, nil, 0o644); err != nil {
				t.Fatal(err)
			}
			if err := os.Truncate(image, 1<<40); err != nil {
				t.Fatal(err)
			}
			tool(t, c.program[0], append(c.program[1:], image)...)
			v, disk := openVolume(t, image)
			if err := firstError(v.List(t.Context(), "/")); err != nil {
				t.Fatal(err)
			}
			t.Logf("%d reads of %d bytes", disk.reads.Load(), disk.bytes.Load())
			if n := disk.reads.Load(); n > c.reads {
				t.Errorf("%d reads, at most %d", n, c.reads)
			}
		})
	}
}

const manyFiles = 100_000

// TestFolderOfManyFiles lists and finds them, without much more than one pass.
func TestFolderOfManyFiles(t *testing.T) {
	need(t, "mke2fs", "debugfs", "gcc", "mkntfs")
	script := &ntfsScript{t: t, want: tree{}}
	script.line("dir", "/many")
	script.line("many", "/many", fmt.Sprint(manyFiles))
	ext := makeManyExt(t)
	for _, c := range []struct {
		name, image string
		reads       int64
	}{{"ext4", ext, 200}, {"NTFS", makeNTFS(t, 256<<20, script.String()), 100}} {
		t.Run(c.name, func(t *testing.T) {
			v, disk := openVolume(t, c.image)
			first := int64(0)
			names := map[string]bool{}
			for e, err := range v.List(t.Context(), "/many") {
				if err != nil {
					t.Fatal(err)
				}
				if len(names) == 0 {
					first = disk.reads.Load()
				}
				names[e.Name] = true
			}
			t.Logf("%d reads of %d bytes, of which %d before the first", disk.reads.Load(), disk.bytes.Load(), first)
			if len(names) != manyFiles || first > 15 || disk.reads.Load() > c.reads {
				t.Errorf("%d names, after %d reads the first; %d reads", len(names), first, disk.reads.Load())
			}
			findMany(t, v, disk)
		})
	}
}

// makeManyExt makes the folder in another way than mke2fs would, whose time
// grows with the square: the files come in a hundred folders, and the large one
// is a file with names for them, which then is called a folder.
func makeManyExt(t *testing.T) string {
	t.Helper()
	s := newSourceTree(t)
	for i := range manyFiles {
		if i%1000 == 0 {
			s.folder(fmt.Sprint(i / 1000))
		}
		s.file(fmt.Sprintf("%d/%d", i/1000, i), "")
	}
	image := makeExt(t, s.root, "64M", "-t", "ext4", "-b", "4096", "-N", "110000", "-I", "256", "-O", "^metadata_csum")
	v, _ := openVolume(t, image)
	folder := filepath.Join(t.TempDir(), "many")
	if err := os.WriteFile(folder, extFolder(t, v), 0o644); err != nil {
		t.Fatal(err)
	}
	tool(t, "debugfs", "-w", "-R", "write "+folder+" many", image)
	tool(t, "debugfs", "-w", "-R", "sif /many mode 040755", image)
	return image
}

// extFolder is a folder with all files of a volume, by numbers.
func extFolder(t *testing.T, v fs.Volume) []byte {
	t.Helper()
	all := []byte{}
	block := extEntry(extEntry(nil, 2, "."), 2, "..")
	n := 0
	for folder := range 100 {
		for e, err := range v.List(t.Context(), fmt.Sprintf("/%d", folder)) {
			if err != nil {
				t.Fatal(err)
			}
			if len(block)+16 > 4096 {
				all, block = append(all, extFull(block)...), nil
			}
			block = extEntry(block, uint32(e.ID), fmt.Sprintf("%05d", n))
			n++
		}
	}
	return append(all, extFull(block)...)
}

// extEntry adds an entry of 16 bytes to a block of a folder.
func extEntry(block []byte, inode uint32, name string) []byte {
	entry := make([]byte, 16)
	binary.LittleEndian.PutUint32(entry, inode)
	entry[4], entry[6] = 16, byte(len(name))
	copy(entry[8:], name)
	return append(block, entry...)
}

// extFull lets the last entry reach to the block's end.
func extFull(block []byte) []byte {
	binary.LittleEndian.PutUint16(block[len(block)-12:], uint16(4096-len(block)+16))
	return append(block, make([]byte, 4096-len(block))...)
}

// findMany looks files up, of which only the first may read all of the folder.
func findMany(t *testing.T, v fs.Volume, disk *counted) {
	t.Helper()
	for i := 0; i < manyFiles; i += 1000 {
		if _, err := v.Stat(t.Context(), fmt.Sprintf("/many/%05d", i)); err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			disk.reads.Store(0)
		}
	}
	if n := disk.reads.Load(); n > 150 {
		t.Errorf("%d reads for a hundred files", n)
	}
}
