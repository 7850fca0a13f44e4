package device_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"nbdbridge/nbd"
	"nbdbridge/nbd/device"
)

const mega = 1 << 20

// newSparseFile has 4 MiB, of which the second holds data.
func newSparseFile(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "sparse.img")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := f.Truncate(4 * mega); err != nil {
		t.Fatal(err)
	}
	mustWrite(t, f, bytes.Repeat([]byte("x"), mega), mega)
	return path
}

// allocated is what a file takes of the disk, in bytes.
func allocated(t *testing.T, path string) int64 {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.Sys().(*syscall.Stat_t).Blocks * 512
}

func TestFileTellsItsHoles(t *testing.T) {
	f := openFile(t, newSparseFile(t), true)
	wantMap(t, f, 0, 4*mega, extent{mega, sparse}, extent{mega, 0}, extent{2 * mega, sparse})
	wantMap(t, f, mega-5, 10, extent{5, sparse}, extent{5, 0})
	wantMap(t, f, 4*mega-1, 1, extent{1, sparse})
	if err := f.Cache(0, 4*mega); err != nil {
		t.Error(err)
	}
}

func TestFileGivesSpaceBack(t *testing.T) {
	for name, do := range map[string]func(*device.File) error{
		"trim": func(f *device.File) error { return f.Trim(mega, mega) },
		"zero": func(f *device.File) error { return f.WriteZeroes(mega, mega, nbd.FlagFastZero) },
	} {
		path := newSparseFile(t)
		f := openFile(t, path, false)
		if err := do(f); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		wantMap(t, f, 0, 4*mega, extent{4 * mega, sparse})
		if n := allocated(t, path); n > mega/2 {
			t.Errorf("%s: %d bytes are still allocated", name, n)
		}
	}
}

func TestFileKeepsSpaceWithoutAHole(t *testing.T) {
	path := newSparseFile(t)
	f := openFile(t, path, false)
	mustZero(t, f, mega+1, mega, nbd.FlagNoHole)
	if n := allocated(t, path); n < mega {
		t.Errorf("%d bytes are allocated", n)
	}
	got := make([]byte, mega+1)
	if _, err := f.ReadAt(got, mega); err != nil || got[0] != 'x' || len(bytes.Trim(got[1:], "\x00")) > 0 {
		t.Errorf("it does not read as zeroes: %v", err)
	}
}

// memfd is a file of a file system that can punch holes and not zero ranges.
func memfd(t *testing.T, content string) (path string, fd int) {
	t.Helper()
	fd, err := unix.MemfdCreate("disk", unix.MFD_ALLOW_SEALING|unix.MFD_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	if _, err := unix.Write(fd, []byte(content)); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("/proc/self/fd/%d", fd), fd
}

// Fast zeroes that would have to be written are refused, and nothing is.
func TestFileZeroesWhereThatIsAWrite(t *testing.T) {
	path, _ := memfd(t, strings.Repeat("x", 3*page))
	f := openFile(t, path, false)
	if err := f.WriteZeroes(5, 2*page, nbd.FlagNoHole|nbd.FlagFastZero); err != nbd.ENOTSUP {
		t.Errorf("fast: %v", err)
	}
	m := &model{dev: f, want: bytes.Repeat([]byte("x"), 3*page), hi: 3 * page}
	m.compare(t)
	mustZero(t, f, 5, 2*page, nbd.FlagNoHole)
	clear(m.want[5 : 5+2*page])
	m.compare(t)
	mustZero(t, f, 2*page, page, nbd.FlagFastZero)
	clear(m.want[2*page:])
	m.compare(t)
}

// What the system says becomes what NBD has a word for.
func TestFileErrors(t *testing.T) {
	path, fd := memfd(t, strings.Repeat("x", page))
	f := openFile(t, path, false)
	if _, err := unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, unix.F_SEAL_WRITE); err != nil {
		t.Fatal(err)
	}
	_, written := f.WriteAt([]byte("x"), 0)
	for what, err := range map[string]error{"write": written, "trim": f.Trim(0, page), "zero": f.WriteZeroes(0, page, 0)} {
		if !errors.Is(err, nbd.EPERM) || !errors.Is(err, unix.EPERM) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// A limit of the process on the size of files stands for a disk that is full.
func TestFileWithoutSpace(t *testing.T) {
	f := openFile(t, newSparseFile(t), false)
	var before unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_FSIZE, &before); err != nil {
		t.Fatal(err)
	}
	if err := unix.Setrlimit(unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: 3 * mega, Max: before.Max}); err != nil {
		t.Fatal(err)
	}
	n, err := f.WriteAt(make([]byte, 10), 3*mega)
	if err := unix.Setrlimit(unix.RLIMIT_FSIZE, &before); err != nil {
		t.Fatal(err)
	}
	if n != 0 || !errors.Is(err, nbd.ENOSPC) || !errors.Is(err, unix.EFBIG) {
		t.Errorf("%d, %v", n, err)
	}
}

func TestFileIsLocked(t *testing.T) {
	path := newFile(t, []byte("x"))
	first := openFile(t, path, true)
	second := openFile(t, path, true)
	wantInUse(t, path, false)
	first.Close()
	wantInUse(t, path, false)
	second.Close()
	writer := openFile(t, path, false)
	wantInUse(t, path, false)
	wantInUse(t, path, true)
	writer.Close()
	openFile(t, path, false)
}

func wantInUse(t *testing.T, path string, readOnly bool) {
	t.Helper()
	f, err := device.OpenFile(path, readOnly)
	if err == nil {
		f.Close()
		t.Fatal("it was opened")
	}
	if !strings.Contains(err.Error(), path+" is in use") {
		t.Error(err)
	}
}

// A pipe would be waited for.
func TestOpenFileRefusesAPipe(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pipe")
	if err := unix.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	if f, err := device.OpenFile(path, true); err == nil {
		f.Close()
		t.Error("it was opened")
	}
}
