package disks

import (
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"nbdbridge/disk/fs"
)

// A counted disk counts its reads.
type counted struct {
	io.ReaderAt
	reads, bytes atomic.Int64
}

func (c *counted) ReadAt(p []byte, offset int64) (int, error) {
	c.reads.Add(1)
	c.bytes.Add(int64(len(p)))
	return c.ReaderAt.ReadAt(p, offset)
}

func openVolume(t *testing.T, image string) (fs.Volume, *counted) {
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
	disk := &counted{ReaderAt: f}
	v, err := fs.Open(disk, info.Size())
	if err != nil {
		t.Fatal(err)
	}
	return v, disk
}

// A tree is what a volume holds: for each path as the disk has it, what the
// entry is, and of files their size and SHA-256.
type tree map[string]string

// maxWhole is up to which size a file is compared whole.
const maxWhole = 64 << 20

// ours reads a tree with package fs. Streams are "path:name".
func ours(t *testing.T, v fs.Volume) tree {
	t.Helper()
	all := tree{}
	addFolder(t, v, all, "")
	return all
}

func addFolder(t *testing.T, v fs.Volume, all tree, path string) {
	t.Helper()
	for e, err := range v.List(t.Context(), path+"/") {
		if err != nil {
			t.Fatal(err)
		}
		if e.Problem != "" {
			t.Errorf("%s/%s: %s", path, e.Name, e.Problem)
		}
		addEntry(t, v, all, path+"/"+e.Name, e)
	}
}

func addEntry(t *testing.T, v fs.Volume, all tree, path string, e fs.Entry) {
	t.Helper()
	d, err := v.Stat(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	if path != "/$MFT" && e.Size != d.Size || e.Type != d.Type || e.ID != d.ID || e.Name != d.Name { // ntfs-3g leaves the one behind
		t.Errorf("%s is listed as %+v, and is %+v", path, e, d.Entry)
	}
	for _, s := range d.Streams {
		all[unescape(t, path)+":"+unescape(t, s.Name)] = digest(t, v, path, s.Name)
	}
	switch d.Type {
	case fs.TypeFolder:
		all[unescape(t, path)] = "folder"
		addFolder(t, v, all, path)
	case fs.TypeFile:
		all[unescape(t, path)] = digest(t, v, path, "")
	case fs.TypeSymlink:
		all[unescape(t, path)] = "link to " + unescape(t, d.Target)
	default:
		all[unescape(t, path)] = string(d.Type)
	}
}

func unescape(t *testing.T, path string) string {
	t.Helper()
	raw, err := fs.Unescape(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

func digest(t *testing.T, v fs.Volume, path, stream string) string {
	t.Helper()
	f, err := v.Open(t.Context(), path, stream)
	if err != nil {
		return "error: " + err.Error()
	}
	return digestOf(t, path, io.NewSectionReader(f, 0, f.Size()), f.Size())
}

// digestOf leaves the content of large files to tests of their own.
func digestOf(t *testing.T, path string, r io.Reader, size int64) string {
	t.Helper()
	if size > maxWhole {
		return fmt.Sprintf("file of %d bytes", size)
	}
	h := sha256.New()
	if _, err := io.Copy(h, r); err != nil {
		t.Errorf("%s: %v", path, err)
	}
	return fmt.Sprintf("file of %d bytes, %x", size, h.Sum(nil))
}

// hostTree reads a folder of this machine.
func hostTree(t *testing.T, root string) tree {
	t.Helper()
	all := tree{}
	err := filepath.WalkDir(root, func(path string, entry os.DirEntry, err error) error {
		if err != nil || path == root {
			return err
		}
		all[strings.TrimPrefix(path, root)], err = hostEntry(t, path, entry)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func hostEntry(t *testing.T, path string, entry os.DirEntry) (string, error) {
	switch entry.Type() {
	case os.ModeDir:
		return "folder", nil
	case os.ModeSymlink:
		target, err := os.Readlink(path)
		return "link to " + target, err
	case os.ModeNamedPipe:
		return "fifo", nil
	}
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return "", err
	}
	return digestOf(t, path, f, info.Size()), nil
}

// sleuth reads a tree with The Sleuth Kit, which tells of links only that they
// are. What it writes differently is left out: control characters, and names
// that are no Unicode.
// The content of files with the names in leave isn't read.
func sleuth(t *testing.T, image string, leave ...string) tree {
	t.Helper()
	all, ids := tree{}, map[string]string{}
	for line := range strings.Lines(tool(t, "fls", "-r", "-p", "-u", image)) {
		head, path, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ":\t")
		kind, id, _ := strings.Cut(head, " ")
		attribute := strings.Split(id+"-128", "-")[1] // of NTFS; indexes are no content
		if strings.HasPrefix(path, "$OrphanFiles") || strings.HasSuffix(kind, "V") || attribute != "128" && attribute != "144" {
			continue
		}
		switch {
		case attribute == "144" && kind == "d/d", attribute == "128" && strings.HasSuffix(kind, "/d"):
			all["/"+path] = "folder"
		case attribute == "144":
		case strings.HasSuffix(kind, "/r") || strings.HasSuffix(kind, "r/r"):
			if !slices.Contains(leave, path) {
				ids["/"+path] = id
			}
		case strings.HasSuffix(kind, "/l"):
			all["/"+path] = "link to "
		default:
			all["/"+path] = kind
		}
	}
	addContents(t, image, all, ids)
	return all
}

// addContents reads files with icat, two at a time. Of many that are alike, in
// a folder "many", only some.
func addContents(t *testing.T, image string, all tree, ids map[string]string) {
	t.Helper()
	var mu sync.Mutex
	var workers sync.WaitGroup
	work := make(chan string)
	for range 2 {
		workers.Go(func() {
			for path := range work {
				text := "file"
				if !strings.HasPrefix(path, "/many/") || strings.HasSuffix(path, "50") {
					out := tool(t, "icat", image, ids[path])
					text = digestOf(t, path, strings.NewReader(out), int64(len(out)))
				}
				mu.Lock()
				all[path] = text
				mu.Unlock()
			}
		})
	}
	for path := range ids {
		work <- path
	}
	close(work)
	workers.Wait()
}

// compare wants two trees to be the same. Where want says less, such as "file",
// the kind is compared.
func compare(t *testing.T, got, want tree) {
	t.Helper()
	wrong := []string{}
	for path, text := range want {
		if !strings.HasPrefix(got[path], text) {
			wrong = append(wrong, fmt.Sprintf("%q: %.150q, want %.150q", path, got[path], text))
		}
	}
	for path, text := range got {
		if _, ok := want[path]; !ok {
			wrong = append(wrong, fmt.Sprintf("%q is too much: %.150q", path, text))
		}
	}
	slices.Sort(wrong)
	if len(wrong) > 0 {
		t.Errorf("%d of %d entries differ:\n%s", len(wrong), len(want), strings.Join(wrong[:min(len(wrong), 10)], "\n"))
	}
}
