package fs

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"testing"
	"time"
)

// A testFormat has folders, whose nodes are numbers below 100, and files. What
// is odd about it is told by the names.
type testFormat struct {
	folders map[int][]child
	reads   int // lists that were begun
}

func (f *testFormat) facts() Facts { return Facts{Kind: "test"} }
func (f *testFormat) root() node   { return 1 }

func (f *testFormat) children(s *source, folder node) iter.Seq2[child, error] {
	f.reads++
	return func(yield func(child, error) bool) {
		for _, c := range f.folders[folder.(int)] {
			if string(c.name) == "panic" {
				panic("children")
			}
			if !yield(c, nil) {
				return
			}
		}
	}
}

func (f *testFormat) entry(s *source, n node) (Entry, error) {
	switch n := n.(int); {
	case n < 100:
		return Entry{Type: TypeFolder, ID: uint64(n)}, nil
	case n == 666:
		panic("entry")
	}
	return Entry{Type: TypeFile, ID: uint64(n.(int)), Size: 5}, s.step()
}

func (f *testFormat) details(s *source, n node) (Details, error) {
	e, err := f.entry(s, n)
	return Details{Entry: e}, err
}

func (f *testFormat) content(s *source, n node, stream string) (content, error) {
	if stream != "" {
		return nil, noStream(stream)
	}
	return testContent(n.(int)), nil
}

type testContent int

func (c testContent) size() int64 { return 5 }
func (c testContent) readAt(s *source, p []byte, offset int64) error {
	if c == 200 {
		panic("read")
	}
	copy(p, "hello"[offset:])
	return nil
}

func testVolume() (*volume, *testFormat) {
	f := &testFormat{folders: map[int][]child{
		1: {{name: []byte("folder"), node: 2}, {name: []byte("file"), node: 100}, {name: []byte("damaged"), node: 666}, {name: []byte("unreadable"), node: 200}, {name: []byte("broken"), node: 4}},
		2: {{name: []byte("circle"), node: 1}, {name: []byte("twice"), node: 101}, {name: []byte("twice"), node: 102}, {name: []byte("a/b"), node: 103}},
		4: {{name: []byte("first"), node: 100}, {name: []byte("panic"), node: 100}},
	}}
	return &volume{pages: NewPages(bytes.NewReader(nil), 0, 0), format: f}, f
}

// names lists a folder: its names, and the problems and the error as such.
func listed(v Volume, path string) []string {
	var names []string
	for e, err := range v.List(context.Background(), path) {
		switch {
		case err != nil:
			return append(names, "error: "+err.Error())
		case e.Problem != "":
			names = append(names, e.Name+"!")
		default:
			names = append(names, e.Name)
		}
	}
	return names
}

func TestVolumeLists(t *testing.T) {
	v, _ := testVolume()
	for path, want := range map[string]string{
		"/":              "[folder file damaged! unreadable broken]",
		"/folder":        `[circle twice twice a\x2Fb]`,
		"/broken":        "[first error: list /broken: the file system is damaged: what it says can't be followed (children)]",
		"/file":          "[error: list /file: not a folder: file is a file]",
		"/no":            "[error: list /no: not found: there is no no]",
		"/folder/circle": "[error: list /folder/circle: the file system is damaged: the folder circle is within itself]",
		"no":             "[error: list no: not a valid path: it begins with no /]",
	} {
		if got := fmt.Sprint(listed(v, path)); got != want {
			t.Errorf("%s: %s, want %s", path, got, want)
		}
	}
}

func TestVolumeErrors(t *testing.T) {
	v, _ := testVolume()
	for _, c := range []struct {
		path, stream string
		want         error
	}{
		{"/file", "", nil}, {"/folder/a\\x2Fb", "", nil}, {"/file", "ads", ErrNotFound}, {"/folder", "", ErrNotFile},
		{"/file/below", "", ErrNotFolder}, {"/damaged", "", ErrDamaged}, {"/folder/a/b", "", ErrNotFound}, {"", "", ErrPath},
	} {
		f, err := v.Open(t.Context(), c.path, c.stream)
		if !errors.Is(err, c.want) || (err == nil) != (f != nil) {
			t.Errorf("open %s %q: %v, want %v", c.path, c.stream, err, c.want)
		}
		if c.want != nil {
			if e := (*Error)(nil); !errors.As(err, &e) || e.Path != c.path {
				t.Errorf("open %s: %v has no path", c.path, err)
			}
		}
	}
	if d, err := v.Stat(t.Context(), "/folder/twice"); err != nil || d.ID != 101 || d.Name != "twice" {
		t.Errorf("of two equal names the first counts: %+v, %v", d, err)
	}
}

func TestFileReadsAsAnyReader(t *testing.T) {
	v, _ := testVolume()
	f, err := v.Open(t.Context(), "/file", "")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		offset int64
		length int
		want   string
		err    error
	}{{0, 5, "hello", nil}, {1, 3, "ell", nil}, {3, 5, "lo", io.EOF}, {5, 1, "", io.EOF}, {9, 1, "", io.EOF}} {
		p := make([]byte, c.length)
		if n, err := f.ReadAt(p, c.offset); string(p[:n]) != c.want || err != c.err {
			t.Errorf("%d at %d: %q, %v", c.length, c.offset, p[:n], err)
		}
	}
	bad, err := v.Open(t.Context(), "/unreadable", "")
	if err != nil {
		t.Fatal(err)
	}
	if n, err := bad.ReadAt(make([]byte, 3), 0); n != 0 || !errors.Is(err, ErrDamaged) {
		t.Errorf("a panic while reading: %d, %v", n, err)
	}
	v.Close()
	if _, err := f.ReadAt(make([]byte, 1), 0); !errors.Is(err, ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
	if _, err := v.Stat(t.Context(), "/"); !errors.Is(err, ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
}

func TestVolumeRemembersNames(t *testing.T) {
	v, f := testVolume()
	for range 10 {
		if _, err := v.Stat(t.Context(), "/folder/twice"); err != nil {
			t.Fatal(err)
		}
	}
	if f.reads != 2 {
		t.Errorf("%d folders were read, want 2", f.reads)
	}
}

func TestNamesAreBounded(t *testing.T) {
	v, f := testVolume()
	for i := range maxNames/namesOverhead + 10 {
		f.folders[2] = append(f.folders[2], child{name: fmt.Appendf(nil, "%d", i), node: 1000 + i})
	}
	last := fmt.Sprintf("/folder/%d", maxNames/namesOverhead+9)
	if d, err := v.Stat(t.Context(), last); err != nil || d.ID != 1000+maxNames/namesOverhead+9 {
		t.Errorf("the last of too many names: %+v, %v", d, err)
	}
	if v.names.get(2) != nil {
		t.Error("too many names were kept")
	}
}

func TestListLeavesTheCallersPanicAlone(t *testing.T) {
	v, _ := testVolume()
	defer func() {
		if p := recover(); p != "the caller's" {
			t.Errorf("recovered %v", p)
		}
	}()
	for range v.List(t.Context(), "/") {
		panic("the caller's")
	}
}

func TestContextEndsOperations(t *testing.T) {
	v, _ := testVolume()
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(io.ErrClosedPipe)
	if _, err := v.Stat(ctx, "/file"); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("stat: %v", err)
	}
}

func TestSourceEndsAfterTooManyReads(t *testing.T) {
	s := newSource(t.Context(), NewPages(bytes.NewReader(make([]byte, 10)), 10, 0))
	var err error
	n := 0
	for ; err == nil && n < 2*maxReads; n++ {
		_, err = s.read(1, 0)
	}
	if !errors.Is(err, ErrLimit) || n != maxReads+1 {
		t.Errorf("%d reads, %v", n, err)
	}
}

func TestMoment(t *testing.T) {
	if m := moment(time.Date(30828, 1, 1, 0, 0, 0, 0, time.UTC)); !m.IsZero() {
		t.Error("a year that has no JSON form")
	}
}
