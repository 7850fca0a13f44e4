// Package disks compares disk and disk/fs with the programs that others have
// for the same formats.
package disks

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"nbdbridge/disk/fs"
)

// fatPrograms are what the tests of FAT and exFAT need, with their packages.
var fatPrograms = map[string]string{
	"mkfs.fat": "dosfstools", "mcopy": "mtools", "mkfs.exfat": "exfatprogs", "fsck.exfat": "exfatprogs", "fls": "sleuthkit",
}

// needFAT skips a test whose programs are missing, and fails it in CI.
func needFAT(t *testing.T) {
	t.Helper()
	t.Setenv("PATH", os.Getenv("PATH")+":/usr/sbin:/sbin")
	for program, pkg := range fatPrograms {
		if _, err := exec.LookPath(program); err == nil {
			continue
		}
		if os.Getenv("CI") != "" {
			t.Fatalf("%s is missing: apt-get install %s", program, pkg)
		}
		t.Skipf("%s is missing: apt-get install %s", program, pkg)
	}
}

// output runs a program, which must succeed.
func output(t *testing.T, program string, args ...string) string {
	t.Helper()
	cmd := exec.Command(program, args...)
	cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8", "TZ=UTC", "MTOOLS_SKIP_CHECK=1", "MTOOLSRC=/dev/null")
	var out, bad bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &bad
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s %v: %v\n%s%s", program, args, err, &bad, tail(out.String()))
	}
	return out.String()
}

func tail(s string) string { return s[max(0, len(s)-2000):] }

// emptyImage is a file of so many bytes, all zero.
func emptyImage(t *testing.T, size int64) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "image")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, size); err != nil {
		t.Fatal(err)
	}
	return path
}

// openImage opens a volume that is a file.
func openImage(t *testing.T, image string) fs.Volume {
	t.Helper()
	f, err := os.Open(image)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	v, err := fs.Open(f, info.Size())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { v.Close() })
	return v
}

// A found is a file or folder, as ours or the judge's program sees it.
type found struct {
	folder bool
	size   int64
	sum    string // of a file's content
}

// ours reads all of a volume. Names are unescaped again.
func ours(t *testing.T, v fs.Volume) map[string]found {
	t.Helper()
	all := map[string]found{}
	var walk func(path string)
	walk = func(path string) {
		for e, err := range v.List(t.Context(), path+"/") {
			if err != nil || e.Problem != "" {
				t.Fatalf("list %q: %v %s", path, err, e.Problem)
			}
			below := path + "/" + e.Name
			name, err := fs.Unescape(below)
			if err != nil {
				t.Fatal(err)
			}
			if e.Type == fs.TypeFolder {
				all[string(name)] = found{folder: true}
				walk(below)
			} else {
				all[string(name)] = found{size: e.Size, sum: ourSum(t, v, below)}
			}
		}
	}
	walk("")
	return all
}

func ourSum(t *testing.T, v fs.Volume, path string) string {
	t.Helper()
	f, err := v.Open(context.Background(), path, "")
	if err != nil {
		t.Fatal(err)
	}
	h := sha256.New()
	if _, err := io.Copy(h, io.NewSectionReader(f, 0, f.Size())); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%x", h.Sum(nil))
}

// sameFiles compares two views of a volume.
func sameFiles(t *testing.T, who string, got, want map[string]found) {
	t.Helper()
	for _, path := range slices.Sorted(maps.Keys(want)) {
		if g, ok := got[path]; !ok || g != want[path] {
			t.Errorf("%q: %+v (there: %v), and %s has %+v", path, g, ok, who, want[path])
		}
	}
	for path := range got {
		if _, ok := want[path]; !ok {
			t.Errorf("%q: %s doesn't have it", path, who)
		}
	}
}

// onDisk is a tree of the machine's own files.
func onDisk(t *testing.T, root string) map[string]found {
	t.Helper()
	all := map[string]found{}
	err := filepath.WalkDir(root, func(path string, d os.DirEntry, err error) error {
		name := strings.TrimPrefix(path, root)
		if err != nil || name == "" {
			return err
		}
		if d.IsDir() {
			all[name] = found{folder: true}
			return nil
		}
		b, err := os.ReadFile(path)
		all[name] = found{size: int64(len(b)), sum: fmt.Sprintf("%x", sha256.Sum256(b))}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

var flsLine = regexp.MustCompile(`^([A-Za-z-])/([A-Za-z-]) (\* )?(\d+)(\(realloc\))?:\t(.*)$`)

// A kitFile is a file of The Sleuth Kit's list.
type kitFile struct {
	path, inode string
	folder      bool
}

// kitList lists what is not deleted, without what The Sleuth Kit makes up.
func kitList(t *testing.T, image string) (files []kitFile) {
	t.Helper()
	for line := range strings.Lines(output(t, "fls", "-r", "-p", "-u", image)) {
		m := flsLine.FindStringSubmatch(strings.TrimSuffix(line, "\n"))
		if m == nil {
			t.Fatalf("fls says %q", line)
		}
		made := strings.HasPrefix(m[6], "$") || strings.HasSuffix(m[6], " (Volume Label Entry)")
		if m[3] == "" && strings.ToLower(m[2]) != "v" && !made {
			files = append(files, kitFile{"/" + m[6], m[4], m[2] == "d"})
		}
	}
	return files
}

// kit is the volume as The Sleuth Kit sees it.
func kit(t *testing.T, image string) map[string]found {
	t.Helper()
	all := map[string]found{}
	for _, f := range kitList(t, image) {
		if f.folder {
			all[f.path] = found{folder: true}
			continue
		}
		content := output(t, "icat", image, f.inode)
		all[f.path] = found{size: int64(len(content)), sum: fmt.Sprintf("%x", sha256.Sum256([]byte(content)))}
	}
	return all
}

// sameDetails compares times, attributes and places with istat, of every file.
func sameDetails(t *testing.T, image string, v fs.Volume, sector int64) (extents int) {
	t.Helper()
	for _, f := range kitList(t, image) {
		d, err := v.Stat(t.Context(), fs.EscapePath([]byte(f.path)))
		if err != nil || len(d.Problems) > 0 {
			t.Errorf("%s: %v %v", f.path, err, d.Problems)
			continue
		}
		said := output(t, "istat", "-z", "UTC", image, f.inode)
		for name, line := range map[string]string{"modified": "Written", "created": "Created", "accessed": "Accessed"} {
			sameTime(t, f.path, said, line, d.Times, name)
		}
		if got, want := sectorsOf(d, sector), istatSectors(said); !f.folder && !slices.Equal(got, want) {
			t.Errorf("%s lies in sectors %v, and istat says %v", f.path, got, want)
		}
		extents = max(extents, len(d.Extents))
	}
	return extents
}

func sameTime(t *testing.T, path, said, line string, times []fs.Time, name string) {
	t.Helper()
	m := regexp.MustCompile(`(?m)^` + line + `:\s+(\S+ [0-9:]+)`).FindStringSubmatch(said)
	want := "0000-00-00 00:00:00"
	if m != nil {
		want = m[1]
	}
	got := "0000-00-00 00:00:00"
	for _, told := range times {
		if told.Name == name {
			got = told.Time.Format("2006-01-02 15:04:05")
		}
	}
	if got != want {
		t.Errorf("%s was %s at %s, and istat says %s", path, name, got, want)
	}
}

// sectorsOf are those that a file's bytes begin in, each.
func sectorsOf(d fs.Details, sector int64) (sectors []int64) {
	for _, e := range d.Extents {
		for at := int64(0); at < e.Length && e.Disk >= 0; at += sector {
			sectors = append(sectors, (e.Disk+at)/sector)
		}
	}
	return sectors
}

func istatSectors(said string) (sectors []int64) {
	_, list, _ := strings.Cut(said, "Sectors:")
	list, _, _ = strings.Cut(list, "\n\n")
	for _, word := range strings.Fields(list) {
		n, err := strconv.ParseInt(word, 10, 64)
		if err != nil {
			break
		}
		sectors = append(sectors, n)
	}
	return sectors
}
