package disks

import (
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
	need(t, "mke2fs", "e2fsck")
	script := &ntfsScript{t: t, want: tree{}}
	script.line("dir", "/many")
	script.line("many", "/many", fmt.Sprint(manyFiles))
	s := newSourceTree(t)
	s.folder("many")
	for i := range manyFiles {
		s.file(fmt.Sprintf("many/%05d", i), "")
	}
	ext := makeExt(t, s.root, "64M", "-t", "ext4", "-N", "110000", "-I", "256")
	tool(t, "bash", "-c", `e2fsck -fyD "$0" >/dev/null; [ $? -le 1 ]`, ext)
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
