package disks

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// hugeSize is that of a file that is all hole, but for a few bytes.
const hugeSize = 10 << 30

// A sourceTree is a folder with all that is odd about file systems, and can be
// told by one of ours.
type sourceTree struct {
	t    *testing.T
	root string
	seed *rand.ChaCha8
}

func newSourceTree(t *testing.T) *sourceTree {
	s := &sourceTree{t, filepath.Join(t.TempDir(), "tree"), rand.NewChaCha8([32]byte{7})}
	s.folder("")
	return s
}

func (s *sourceTree) path(name string) string { return filepath.Join(s.root, name) }

func (s *sourceTree) check(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

func (s *sourceTree) folder(name string) { s.check(os.MkdirAll(s.path(name), 0o755)) }

func (s *sourceTree) file(name, content string) {
	s.check(os.WriteFile(s.path(name), []byte(content), 0o644))
}

func (s *sourceTree) random(n int) string {
	b := make([]byte, n)
	s.seed.Read(b)
	return string(b)
}

// holes writes pieces of a file at distances, of size in all.
func (s *sourceTree) holes(name string, size, distance int64, piece int) {
	f, err := os.Create(s.path(name))
	s.check(err)
	defer f.Close()
	for at := int64(0); at+int64(piece) <= size; at += distance {
		_, err := f.WriteAt([]byte(s.random(piece)), at)
		s.check(err)
	}
	s.check(f.Truncate(size))
}

// common is what all file systems here can hold.
func (s *sourceTree) common() {
	s.file("hello.txt", "hello\n")
	s.file("empty", "")
	s.file("né ñ 漢字 😀", "unicode")
	s.file("back\\slash and blanks", "\\")
	s.file(strings.Repeat("n", 200), "long name")
	s.file("big", s.random(3_000_001))
	deep := "deep/" + strings.Repeat("below/", 30)
	s.folder(deep)
	s.file(deep+"leaf", "leaf")
	s.folder("many")
	for i := range 1500 {
		s.file(fmt.Sprintf("many/file-%05d", i), fmt.Sprint(i))
	}
	for i := range 20 {
		s.file(fmt.Sprintf("size-%d", i*13), strings.Repeat("x", i*13))
	}
}

// posix is what those of Unix can hold.
func (s *sourceTree) posix() {
	s.common()
	s.file("bad\xff\xfename", "no UTF-8")
	s.check(os.Link(s.path("hello.txt"), s.path("hard link")))
	s.check(os.Symlink("hello.txt", s.path("fast")))
	s.check(os.Symlink("/elsewhere/"+strings.Repeat("y/", 100)+"y", s.path("slow")))
	s.check(os.Chmod(s.path("empty"), 0o751|os.ModeSetuid|os.ModeSetgid))
	s.check(os.Chtimes(s.path("empty"), time.Time{}, time.Unix(4102444800, 123456789))) // after 2038
	s.check(os.Chtimes(s.path("hello.txt"), time.Time{}, time.Unix(-1000, 5)))
}
