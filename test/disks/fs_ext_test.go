package disks

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"nbdbridge/disk/fs"
)

func makeExt(t *testing.T, source, size string, options ...string) string {
	t.Helper()
	image := filepath.Join(t.TempDir(), "image")
	f, err := os.Create(image)
	if err != nil {
		t.Fatal(err)
	}
	f.Close()
	tool(t, "mke2fs", append(append([]string{"-q", "-F", "-L", "läbel", "-d", source}, options...), image, size)...)
	return image
}

func TestExt(t *testing.T) {
	need(t, "mke2fs", "e2fsck", "fls", "icat", "istat")
	s := newSourceTree(t)
	s.posix()
	s.holes("fragments", 400*16384+5000, 16384, 5000)
	s.holes("huge", hugeSize, hugeSize-7, 7)
	want := hostTree(t, s.root)
	want["/lost+found"] = "folder"
	for _, c := range []struct {
		name, kind string
		index      bool // make an index of hashes for each folder
		noSleuth   bool // The Sleuth Kit can't read it, or it would add nothing
		options    string
	}{
		{"ext2, blocks of 1 KiB", "ext2", false, false, "-t ext2 -b 1024"},
		{"ext2, small inodes", "ext2", false, true, "-t ext2 -b 4096 -I 128"},
		{"ext2, revision 0", "ext2", false, false, "-t ext2 -b 1024 -r 0"},
		{"ext3", "ext3", true, false, "-t ext3 -b 1024"},
		{"ext4", "ext4", true, false, "-t ext4 -b 4096 -O 64bit,metadata_csum"},
		{"ext4 of old", "ext4", false, true, "-t ext4 -b 2048 -O ^64bit,^metadata_csum,^flex_bg"},
		{"ext4, inline data", "ext4", false, false, "-t ext4 -b 1024 -O inline_data -I 256"},
		{"ext4, descriptors in their groups", "ext4", true, true, "-t ext4 -b 1024 -O meta_bg,^resize_inode"},
		{"ext4, descriptors in their groups, few copies", "ext4", false, true, "-t ext4 -b 1024 -g 1024 -O meta_bg,^resize_inode,sparse_super2"},
		{"ext4, clusters", "ext4", false, true, "-t ext4 -b 4096 -O bigalloc -C 16384"},
		{"ext4, blocks of 64 KiB", "ext4", false, true, "-t ext4 -b 65536 -g 65528"},
	} {
		t.Run(c.name, func(t *testing.T) {
			image := makeExt(t, s.root, "192M", strings.Fields(c.options)...)
			if c.index {
				tool(t, "bash", "-c", `e2fsck -fyD "$0" >/dev/null; [ $? -le 1 ]`, image)
			}
			tool(t, "debugfs", "-w", "-R", fmt.Sprintf("sif /empty mtime_extra %d", 123456789<<2|1), image)
			v, _ := openVolume(t, image)
			if f := v.Facts(); f.Kind != c.kind || f.Label != "läbel" || f.Size != 192<<20 || len(f.Problems) > 0 {
				t.Errorf("facts: %+v", f)
			}
			got := ours(t, v)
			compare(t, got, want)
			compareDebugfs(t, image, got)
			if !c.noSleuth {
				leave := []string{"/huge", "/bad", "/fragments"}
				compare(t, without(got, leave...), without(sleuth(t, image, "huge", "fragments"), leave...))
				compareInodes(t, v, image, s.root)
			}
			compareHuge(t, v, s.path("huge"))
		})
	}
}

func without(all tree, prefixes ...string) tree {
	for path := range all {
		for _, prefix := range prefixes {
			if strings.HasPrefix(path, prefix) {
				delete(all, path)
			}
		}
	}
	return all
}

// compareDebugfs compares what The Sleuth Kit can't read.
func compareDebugfs(t *testing.T, image string, got tree) {
	t.Helper()
	for _, path := range []string{"/fragments", "/big"} {
		content := tool(t, "debugfs", "-R", "cat "+path, image)
		if want := digestOf(t, path, strings.NewReader(content), int64(len(content))); got[path] != want {
			t.Errorf("%s: %s, debugfs has %s", path, got[path], want)
		}
	}
}

// compareInodes compares the details of all files with the source's, and of
// some with what istat says.
func compareInodes(t *testing.T, v fs.Volume, image, root string) {
	t.Helper()
	for _, name := range []string{"empty", "hello.txt", "hard link", "big", "deep", "fast", "slow", "many/file-00007"} {
		d, err := v.Stat(t.Context(), "/"+name)
		if err != nil {
			t.Error(err)
			continue
		}
		info, err := os.Lstat(filepath.Join(root, name))
		if err != nil {
			t.Fatal(err)
		}
		host := info.Sys().(*syscall.Stat_t)
		if d.Owner.User != fmt.Sprint(host.Uid) || d.Type != fs.TypeFolder && d.Links != int64(host.Nlink) {
			t.Errorf("%s: owner %v, %d links", name, d.Owner, d.Links)
		}
		got := d.Times[0].Time
		if name != "empty" { // all that mke2fs takes over is seconds, and of those 32 bits
			got.Time = got.Add(time.Duration(info.ModTime().Nanosecond()))
		}
		small := d.Times[len(d.Times)-1].Name != "created" // an inode of 128 bytes, which ends in 2038
		if d.Times[0].Name != "modified" || !got.Equal(info.ModTime()) && !(small && name == "empty") {
			t.Errorf("%s: modified %v, want %v", name, got, info.ModTime())
		}
		compareIstat(t, d, tool(t, "istat", image, fmt.Sprint(d.ID)))
	}
}

var istatField = regexp.MustCompile(`(?m)^(size|num of links|mode): (.*)$`)

func compareIstat(t *testing.T, d fs.Details, text string) {
	t.Helper()
	for _, field := range istatField.FindAllStringSubmatch(text, -1) {
		got := map[string]string{"size": fmt.Sprint(d.Size), "num of links": fmt.Sprint(d.Links), "mode": d.Mode}[field[1]]
		want := field[2]
		if field[1] == "mode" {
			got, want = got[1:], want[1:] // TSK writes r for -
		}
		if got != want && !(field[1] == "size" && d.Type == fs.TypeFolder) {
			t.Errorf("%s: %s is %s, istat says %s", d.Name, field[1], got, want)
		}
	}
}

// compareHuge compares a file that is nearly all hole where it is none, and
// sees to it that holes are not read from the disk.
func compareHuge(t *testing.T, v fs.Volume, path string) {
	t.Helper()
	file, err := v.Open(t.Context(), "/huge", "")
	if err != nil {
		t.Fatal(err)
	}
	if file.Size() != hugeSize {
		t.Fatalf("%d bytes", file.Size())
	}
	host, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer host.Close()
	for _, at := range []int64{0, 5 << 30, 1<<32 - 4096, hugeSize - 1<<20} {
		got, want := make([]byte, 1<<20), make([]byte, 1<<20)
		if _, err := file.ReadAt(got, at); err != nil && err != io.EOF {
			t.Fatal(err)
		}
		if _, err := host.ReadAt(want, at); err != nil && err != io.EOF {
			t.Fatal(err)
		}
		if string(got) != string(want) {
			t.Errorf("other bytes at %d", at)
		}
	}
}
