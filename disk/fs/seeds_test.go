package fs

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"testing"
)

// The images in testdata are made by test/disks/seeds.sh, of the tools that
// Linux has for these file systems.
var seedKinds = []string{"ext2", "ext4", "ntfs", "rock", "joliet", "fat12", "fat16", "fat32", "exfat"}

var seedCache sync.Map

// seed unpacks an image. It is not to be changed.
func seed(t testing.TB, name string) []byte {
	if b, ok := seedCache.Load(name); ok {
		return b.([]byte)
	}
	if b := fatSeed(name); b != nil {
		seedCache.Store(name, b)
		return b
	}
	text, err := os.ReadFile("testdata/" + name + ".gz.b64")
	if err != nil {
		t.Fatal(err)
	}
	packed, err := gzip.NewReader(base64.NewDecoder(base64.StdEncoding, bytes.NewReader(text)))
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(packed)
	if err != nil {
		t.Fatal(err)
	}
	seedCache.Store(name, b)
	return b
}

// A seedWalker reads all that a volume has, within bounds.
type seedWalker struct {
	v       Volume
	entries int // that are left
	lines   []string
	errs    []error
}

// walk gives a line for each entry, and the errors.
func walk(v Volume, entries int) *seedWalker {
	w := &seedWalker{v: v, entries: entries}
	w.folder("")
	return w
}

func (w *seedWalker) folder(path string) {
	for e, err := range w.v.List(context.Background(), path+"/") {
		if err != nil {
			w.errs = append(w.errs, err)
			return
		}
		if w.entries--; w.entries < 0 {
			return
		}
		w.entry(path+"/"+e.Name, e)
	}
}

func (w *seedWalker) entry(path string, e Entry) {
	d, err := w.v.Stat(context.Background(), path)
	if err != nil {
		w.errs = append(w.errs, err)
		return
	}
	line := fmt.Sprintf("%s %s %d", path, d.Type, d.Size)
	if d.Target != "" {
		line += " -> " + d.Target
	}
	if d.Type == TypeFile {
		line += " " + w.sum(path, "")
	}
	for _, s := range d.Streams {
		line += fmt.Sprintf(" %s:%d:%s", s.Name, s.Size, w.sum(path, s.Name))
	}
	w.lines = append(w.lines, line)
	if d.Type == TypeFolder {
		w.folder(path)
	}
}

// sumLimit is how much of a file is read: a hostile disk has large ones.
const sumLimit = 1 << 20

func (w *seedWalker) sum(path, stream string) string {
	f, err := w.v.Open(context.Background(), path, stream)
	if err != nil {
		w.errs = append(w.errs, err)
		return "?"
	}
	h := sha256.New()
	if _, err := io.Copy(h, io.NewSectionReader(f, 0, min(f.Size(), sumLimit))); err != nil {
		w.errs = append(w.errs, err)
		return "?"
	}
	f.ReadAt(make([]byte, 10), f.Size()-5) // and its end
	return fmt.Sprintf("%x", h.Sum(nil)[:4])
}

func sum(text string) string { return fmt.Sprintf("%x", sha256.Sum256([]byte(text)))[:8] }

// The content of the seeds: see test/disks/seeds.sh.
var (
	seedNumbers = func() string {
		var b strings.Builder
		for i := 1; i <= 1300; i++ {
			fmt.Fprintln(&b, i)
		}
		return b.String()
	}()
	seedSparse = strings.Repeat("\x00", 200000) + "end" + strings.Repeat("\x00", 300<<10-200004) + "z"
)

func TestSeeds(t *testing.T) {
	posix := []string{
		"/fast symlink ? -> hello.txt",
		"/slow symlink ? -> /elsewhere/" + strings.Repeat("y", 90),
		`/odd\xFFname file 4 ` + sum("odd\n"),
		"/folder/below/file file 6 " + sum("below\n"),
		"/many/a-rather-long-name-for-a-file-40 file 3 " + sum("40\n"),
		"/hard file 6 " + sum("hello\n"),
		"/fifo fifo 0",
		"/numbers file 5393 " + sum(seedNumbers),
		"/sparse file 307200 " + sum(seedSparse),
	}
	for _, c := range []struct {
		seed, kind string
		entries    int
		want       []string
	}{
		{"ext2", "ext2", 53, posix}, {"ext4", "ext4", 53, posix}, {"rock", "ISO 9660", 52, posix},
		{"joliet", "ISO 9660", 42, []string{"/a-rather-long-name-for-a-file-7 file 2 " + sum("7\n"), "/below/file file 6 " + sum("below\n")}},
		{"ntfs", "NTFS", 82, []string{
			"/hello.txt file 6 " + sum("hello\n") + " ads:3:" + sum("ABC"),
			"/hard file 6 " + sum("hello\n") + " ads:3:" + sum("ABC"),
			"/folder/00059 file 0 " + sum(""),
			"/packed/numbers file 5393 " + sum(seedNumbers),
			"/numbers file 5393 " + sum(seedNumbers),
			"/sparse file 307200 " + sum(seedSparse),
			`/junction symlink 0 -> C:\\t`,
		}},
	} {
		t.Run(c.seed, func(t *testing.T) {
			v := openSeed(t, seed(t, c.seed))
			if facts := v.Facts(); facts.Kind != c.kind || len(facts.Problems) > 0 {
				t.Errorf("facts: %+v", facts)
			}
			w := walk(v, 1000)
			if len(w.errs) > 0 || len(w.lines) != c.entries {
				t.Errorf("%d entries, want %d; errors %v", len(w.lines), c.entries, w.errs)
			}
			checkLines(t, w.lines, c.want)
		})
	}
}

// checkLines wants each line, in which the size of a link may be anything.
func checkLines(t *testing.T, lines, want []string) {
	t.Helper()
	all := "\n" + strings.Join(lines, "\n") + "\n"
	for _, line := range want {
		before, after, _ := strings.Cut(line, "?")
		if i := strings.Index(all, "\n"+before); i < 0 || !strings.Contains(all[i:], after+"\n") {
			t.Errorf("%q is not among %s", line, all)
			return
		}
	}
}

func openSeed(t testing.TB, image []byte) Volume {
	t.Helper()
	v, err := Open(bytes.NewReader(image), int64(len(image)))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestDetailsOfSeeds(t *testing.T) {
	for _, c := range []struct {
		seed, path string
		check      func(d Details) bool
	}{
		{"ext4", "/numbers", func(d Details) bool { return d.Mode == "-rw-r--r--" && d.Owner.User == "0" && d.Links == 1 }},
		{"ext4", "/hard", func(d Details) bool { return d.Links == 2 && d.Extents[0].Kind == ExtentInline }},
		{"ext4", "/sparse", func(d Details) bool {
			return len(d.Extents) == 5 && d.Extents[1].Kind == ExtentHole && d.Extents[2].Offset == 195<<10 && d.Extents[2].Disk > 0
		}},
		{"ext2", "/sparse", func(d Details) bool { return len(d.Extents) == 4 && d.Extents[2].Kind == ExtentHole }},
		{"ext2", "/", func(d Details) bool { return d.Type == TypeFolder && d.Name == "" && d.ID == 2 }},
		{"rock", "/hello.txt", func(d Details) bool { return d.Mode == "-rw-r--r--" && d.Links == 2 && d.Times[0].Zone == "UTC" }},
		{"ntfs", "/packed/numbers", func(d Details) bool { return d.Extents[0].Kind == ExtentCompressed && d.Attributes[1] == "compressed" }},
		{"ntfs", "/hello.txt", func(d Details) bool { return d.Links == 2 && d.Times[0].Source == "$STANDARD_INFORMATION" }},
		{"ntfs", "/junction", func(d Details) bool { return d.Target == `C:\\t` }},
	} {
		d, err := openSeed(t, seed(t, c.seed)).Stat(t.Context(), c.path)
		if err != nil || !c.check(d) {
			t.Errorf("%s %s: %+v, %v", c.seed, c.path, d, err)
		}
	}
}
