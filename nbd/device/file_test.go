package device_test

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"nbdbridge/nbd"
	"nbdbridge/nbd/device"
)

func TestFile(t *testing.T) {
	path := newFile(t, []byte("0123456789"))
	f := openFile(t, path, false)
	if f.Size() != 10 {
		t.Errorf("size %d", f.Size())
	}
	mustWrite(t, f, []byte("ab"), 3)
	p := make([]byte, 4)
	if n, err := f.ReadAt(p, 2); n != 4 || err != nil || string(p) != "2ab5" {
		t.Errorf("%d, %v, %q", n, err, p)
	}
	if n, err := f.ReadAt(p, 8); n != 2 || err != io.EOF {
		t.Errorf("across the end: %d, %v", n, err)
	}
	if n, err := f.WriteAt([]byte("xyz"), 8); n != 2 || err != nbd.ENOSPC {
		t.Errorf("write across the end: %d, %v", n, err)
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		t.Error(err)
	}
	if content, err := os.ReadFile(path); string(content) != "012ab567xy" {
		t.Errorf("%q, %v", content, err)
	}
	if _, err := f.ReadAt(p, 0); !errors.Is(err, os.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
}

func TestFileReadOnly(t *testing.T) {
	path := newFile(t, []byte("0123456789"))
	f := openFile(t, path, true)
	if _, err := f.WriteAt([]byte("x"), 0); err != nbd.EPERM {
		t.Errorf("write: %v", err)
	}
	for what, err := range outside(f, 0, 1) {
		if what != "map" && err != nbd.EPERM {
			t.Errorf("%s: %v", what, err)
		}
	}
	if content, err := os.ReadFile(path); string(content) != "0123456789" {
		t.Errorf("%q, %v", content, err)
	}
}

func TestOpenFileRefuses(t *testing.T) {
	folder := t.TempDir()
	for _, path := range []string{folder, filepath.Join(folder, "nothing"), os.DevNull} {
		if f, err := device.OpenFile(path, true); err == nil {
			f.Close()
			t.Errorf("%s was opened", path)
		} else if !bytes.Contains([]byte(err.Error()), []byte(path)) {
			t.Errorf("%s is not in: %v", path, err)
		}
	}
}

// Where a file ends before it should, nothing is made up, and it does not grow.
func TestFileThatShrank(t *testing.T) {
	path := newFile(t, bytes.Repeat([]byte("x"), 3*page))
	f := openFile(t, path, false)
	if err := os.Truncate(path, page+10); err != nil {
		t.Fatal(err)
	}
	if n, err := f.ReadAt(make([]byte, 20), page); n != 10 || !errors.Is(err, nbd.EIO) || errors.Is(err, io.EOF) {
		t.Errorf("read across the end: %d, %v", n, err)
	}
	if n, err := f.ReadAt(make([]byte, 20), 2*page); n != 0 || !errors.Is(err, nbd.EIO) {
		t.Errorf("read behind the end: %d, %v", n, err)
	}
	if n, err := f.WriteAt([]byte("x"), 2*page); n != 0 || !errors.Is(err, nbd.EIO) {
		t.Errorf("write behind the end: %d, %v", n, err)
	}
	for what, err := range outside(f, 2*page, page) {
		if what != "map" && !errors.Is(err, nbd.EIO) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if m, ok := nbd.Device(f).(nbd.Mapper); ok {
		wantMap(t, m, 2*page, page, extent{page, 0})
	}
	if info, err := os.Stat(path); err != nil || info.Size() != page+10 {
		t.Errorf("%v, %v", info, err)
	}
}
