package disks

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"unicode/utf16"

	"nbdbridge/disk/fs"
)

// ntfsFill compiles the program that fills images.
func ntfsFill(t *testing.T) string {
	t.Helper()
	need(t, "gcc", "mkntfs")
	if _, err := os.Stat("/usr/include/ntfs-3g/volume.h"); err != nil {
		missing(t, "the headers of ntfs-3g are missing: apt-get install ntfs-3g-dev")
	}
	program := filepath.Join(t.TempDir(), "ntfsfill")
	tool(t, "gcc", "-D_FILE_OFFSET_BITS=64", "-DHAVE_STDINT_H", "-DHAVE_STDARG_H", "-DHAVE_SYS_TYPES_H",
		"-o", program, "testdata/ntfsfill.c", "-lntfs-3g")
	return program
}

func makeNTFS(t *testing.T, size int64, script string, options ...string) string {
	t.Helper()
	fill := ntfsFill(t)
	image := filepath.Join(t.TempDir(), "image")
	f, err := os.Create(image)
	if err == nil {
		err = errors.Join(f.Truncate(size), f.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
	tool(t, "mkntfs", append(append([]string{"-q", "-Q", "-F", "-L", "läbel"}, options...), image)...)
	toolWith(t, script, fill, image)
	return image
}

// An ntfsScript is what ntfsfill reads, and the tree that it makes.
type ntfsScript struct {
	strings.Builder
	want tree
	t    *testing.T
}

func (s *ntfsScript) line(fields ...string) { s.WriteString(strings.Join(fields, "\t") + "\n") }

// copy puts a folder of this machine into the volume.
func (s *ntfsScript) copy(root, to string) {
	for path, text := range hostTree(s.t, root) {
		s.want[to+path] = text
	}
	err := filepath.WalkDir(root, func(path string, entry os.DirEntry, err error) error {
		switch name := to + strings.TrimPrefix(path, root); {
		case err != nil || path == root:
			return err
		case entry.IsDir():
			s.line("dir", name)
		default:
			s.line("file", name, path)
		}
		return nil
	})
	if err != nil {
		s.t.Fatal(err)
	}
}

// point makes a reparse point of the kind, with two names as Windows has them.
func (s *ntfsScript) point(path string, kind uint32, head int, names ...string) {
	s.line("point", path, fmt.Sprintf("%x", reparsePoint(kind, head, names...)))
}

func reparsePoint(kind uint32, head int, names ...string) []byte {
	data, text := make([]byte, head), []byte{}
	for i, name := range names {
		units := utf16.Encode([]rune(name))
		binary.LittleEndian.PutUint16(data[4*i:], uint16(len(text)))
		binary.LittleEndian.PutUint16(data[4*i+2:], uint16(2*len(units)))
		for _, u := range append(units, 0) {
			text = binary.LittleEndian.AppendUint16(text, u)
		}
	}
	data = append(data, text...)
	all := binary.LittleEndian.AppendUint32(nil, kind)
	return append(binary.LittleEndian.AppendUint32(all, uint32(len(data))), data...)
}

func TestNTFS(t *testing.T) {
	need(t, "mkntfs", "ntfscat", "fls", "icat")
	source := newSourceTree(t)
	source.common()
	source.holes("fragments", 400*16384+5000, 16384, 5000)
	source.holes("huge", hugeSize, hugeSize-7, 7)
	packed := &sourceTree{t, filepath.Join(t.TempDir(), "packed"), source.seed}
	packed.folder("")
	packed.file("text", strings.Repeat("what is the same again and again, ", 30000))
	packed.file("random", packed.random(500_000))
	packed.file("mixed", packed.random(200_001)+strings.Repeat("ab", 100_000)+strings.Repeat("\x00", 300_000)+packed.random(70_000)+"end")
	for _, c := range []struct{ name, options string }{
		{"clusters of 4 KiB", "-c 4096"}, {"clusters of 512 bytes", "-c 512"}, {"sectors of 4 KiB", "-s 4096 -c 4096"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := &ntfsScript{t: t, want: tree{}}
			s.copy(source.root, "")
			s.line("packed", "/packed")
			s.want["/packed"] = "folder"
			s.copy(packed.root, "/packed")
			s.oddities()
			image := makeNTFS(t, 256<<20, s.String(), strings.Fields(c.options)...)
			v, _ := openVolume(t, image)
			got := ours(t, v)
			if f := v.Facts(); f.Kind != "NTFS" || f.Label != "läbel" || f.Free <= 0 || len(f.Problems) > 0 {
				t.Errorf("facts: %+v", f)
			}
			compare(t, withoutSystem(got), s.want)
			compareNTFSSleuth(t, got, image)
			for _, path := range []string{"/packed/text", "/packed/mixed", "/fragments"} {
				content := tool(t, "ntfscat", "-q", image, path)
				if want := digestOf(t, path, strings.NewReader(content), int64(len(content))); got[path] != want {
					t.Errorf("%s: %s, ntfscat has %s", path, got[path], want)
				}
			}
			compareHuge(t, v, source.path("huge"))
			checkNTFSDetails(t, v)
		})
	}
}

// oddities adds what the folder of a Unix can't have.
func (s *ntfsScript) oddities() {
	s.line("link", "/hello.txt", "/hard link")
	s.want["/hard link"] = s.want["/hello.txt"]
	large := strings.Repeat("A", 30000)
	for _, path := range []string{"/hello.txt", "/hard link"} { // the same file
		s.want[path+":ads"] = digestOf(s.t, path, strings.NewReader("B"), 1)
		s.want[path+":zöne"] = digestOf(s.t, path, strings.NewReader(large), int64(len(large)))
	}
	s.line("stream", "/hello.txt", "ads", "42")
	s.line("stream", "/hello.txt", "zöne", fmt.Sprintf("%x", large))
	s.line("stream", "/deep", "on a folder", "42")
	s.want["/deep:on a folder"] = digestOf(s.t, "/deep", strings.NewReader("B"), 1)
	s.line("half", "/")
	s.want["/a\xed\xa0\xbdb"] = digestOf(s.t, "", strings.NewReader(""), 0)
	for _, name := range []string{"/symlink", "/linux link", "/compact"} {
		s.line("file", name, os.DevNull)
	}
	s.line("dir", "/junction")
	s.point("/symlink", 0xa000000c, 12, `\??\C:\target`, `C:\target`)
	s.point("/junction", 0xa0000003, 8, `\??\C:\folder`, "")
	s.line("point", "/linux link", fmt.Sprintf("%x", "\x1d\x00\x00\xa0\x08\x00\x00\x00\x02\x00\x00\x00../x"))
	s.line("point", "/compact", fmt.Sprintf("%x", "\x17\x00\x00\x80\x10\x00\x00\x00\x01\x00\x00\x00\x02\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00"))
	s.want["/symlink"], s.want["/junction"], s.want["/linux link"] = `link to C:\target`, `link to \??\C:\folder`, "link to ../x"
	s.want["/compact"] = "error: open /compact: not supported: the content is compressed by Windows (CompactOS)"
}

// withoutSystem leaves the system's own files out.
func withoutSystem(all tree) tree {
	rest := tree{}
	for path, text := range all {
		if !strings.HasPrefix(path, "/$") {
			rest[path] = text
		}
	}
	return rest
}

// compareNTFSSleuth leaves out what The Sleuth Kit knows nothing of: reparse
// points, and what it can't show of names. It has no streams of folders, and
// the file of bad clusters is one great hole.
func compareNTFSSleuth(t *testing.T, got tree, image string) {
	t.Helper()
	leave := []string{"/huge", "/a^", "/a\xed", "/symlink", "/junction", "/linux link", "/compact", "/deep:", "/deep/.:", "/$BadClus", "/$Secure", "/$Extend/$"}
	compare(t, without(got, leave...), without(sleuth(t, image, "huge", "$BadClus:$Bad"), leave...))
}

func checkNTFSDetails(t *testing.T, v fs.Volume) {
	t.Helper()
	d, err := v.Stat(t.Context(), "/hard link")
	if err != nil || d.Links != 2 || len(d.Streams) != 2 || len(d.Times) != 8 || d.Owner == nil {
		t.Errorf("%+v, %v", d, err)
	}
	if d, err := v.Stat(t.Context(), "/$MFT"); err != nil || !d.Hidden || d.ID != 0 {
		t.Errorf("%+v, %v", d, err)
	}
	if _, err := v.Open(t.Context(), "/compact", ""); !errors.Is(err, fs.ErrUnsupported) {
		t.Errorf("%v", err)
	}
	if err := firstError(v.List(t.Context(), "/junction")); !errors.Is(err, fs.ErrNotFolder) {
		t.Errorf("a list of a link: %v", err)
	}
}

func firstError(list func(func(fs.Entry, error) bool)) error {
	for _, err := range list {
		if err != nil {
			return err
		}
	}
	return nil
}

// TestNTFSAtOnce reads from many goroutines.
func TestNTFSAtOnce(t *testing.T) {
	s := &ntfsScript{t: t, want: tree{}}
	source := newSourceTree(t)
	source.common()
	s.copy(source.root, "")
	v, _ := openVolume(t, makeNTFS(t, 64<<20, s.String()))
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			if got := withoutSystem(ours(t, v)); len(got) != len(s.want) {
				t.Errorf("%d entries, want %d", len(got), len(s.want))
			}
		})
	}
	all.Wait()
}
