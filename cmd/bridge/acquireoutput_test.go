package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"nbdbridge/evidence/acquire"
	"nbdbridge/evidence/image"
	"nbdbridge/evidence/report"
)

func newState(at int64) *acquire.State {
	return &acquire.State{
		Offset: at, Image: &image.State{Format: image.Raw, Disk: at, File: at},
		Hashes: map[string][]byte{"md5": {1, 2}}, Log: &report.Log{Schema: report.Schema, Case: report.Case{Number: "7"}},
	}
}

// begunPart has appended some bytes, a hole, and more bytes.
func begunPart(t *testing.T, name string) *partFile {
	t.Helper()
	p, err := createPart(name, newState(0))
	if err == nil {
		err = errors.Join(p.Write(t.Context(), []byte("abc")), p.Skip(t.Context(), 1<<20), p.Write(t.Context(), []byte("def")), p.Skip(t.Context(), 1<<20), p.Sync(t.Context()))
	}
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestPartFile(t *testing.T) {
	name := filepath.Join(t.TempDir(), "disk.img")
	p := begunPart(t, name)
	if err := errors.Join(p.keep(newState(2<<20)), p.finish()); err != nil {
		t.Fatal(err)
	}
	p.Close()
	want := append(append([]byte("abc"), make([]byte, 1<<20)...), append([]byte("def"), make([]byte, 1<<20)...)...)
	got, err := os.ReadFile(name)
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("%d bytes, error %v", len(got), err)
	}
	info, err := os.Stat(name)
	if err != nil || info.Sys().(*syscall.Stat_t).Blocks*512 > 1<<20 {
		t.Errorf("no holes: %v, %v", info, err)
	}
	if left, err := os.ReadDir(filepath.Dir(name)); err != nil || len(left) != 1 {
		t.Errorf("%v, error %v", left, err)
	}
}

// What was appended after the state that counts is not in the image.
func TestPartFileIsTakenUp(t *testing.T) {
	name := filepath.Join(t.TempDir(), "disk.img")
	p := begunPart(t, name)
	if err := p.keep(newState(3)); err != nil {
		t.Fatal(err)
	}
	p.Close()
	p, s, err := openPart(name)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if s.Offset != 3 || string(s.Hashes["md5"]) != "\x01\x02" || s.Log.Case.Number != "7" {
		t.Errorf("%+v", s)
	}
	if err := errors.Join(p.cutTo(s.Image.File), p.Skip(t.Context(), 2), p.Write(t.Context(), []byte("x")), p.Sync(t.Context())); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(partName(name)); err != nil || string(got) != "abc\x00\x00x" {
		t.Errorf("%q, error %v", got, err)
	}
}

// Two never write to one image, and nothing is overwritten.
func TestPartFileIsRefused(t *testing.T) {
	for what, c := range map[string]struct {
		disturb func(name string) error
		texts   []string
	}{
		"locked":   {func(string) error { return nil }, []string{"another bridge acquire"}},
		"cut":      {func(name string) error { return os.Truncate(partName(name), 2) }, []string{"has 2 bytes and had 3", "begin anew"}},
		"no state": {func(name string) error { return os.Remove(stateName(name)) }, []string{".part.state", "no such file", "begin anew"}},
		"a link": {func(name string) error {
			return errors.Join(os.Rename(partName(name), name+".other"), os.Symlink(name+".other", partName(name)))
		}, []string{"leads to another one"}},
		"longer than whole": {func(name string) error {
			s := newState(3)
			s.Log.Status = report.Complete
			return (&partFile{name: name}).keep(s)
		}, []string{"had 3 when it was whole"}},
		"torn state":     {func(name string) error { return os.Truncate(stateName(name), 9) }, []string{"is no state of an acquisition"}},
		"another schema": {func(name string) error { return os.WriteFile(stateName(name), []byte(`{"log":{"schema":"x"}}`), 0o600) }, []string{"another version"}},
		"a huge state":   {func(name string) error { return os.Truncate(stateName(name), maxState+1) }, []string{"too many for a state"}},
		"an image":       {func(name string) error { return os.WriteFile(name, nil, 0o600) }, []string{"there already", "before you --resume"}},
		"no part":        {func(name string) error { return os.Remove(partName(name)) }, []string{"nothing to --resume"}},
	} {
		t.Run(what, func(t *testing.T) {
			name := filepath.Join(t.TempDir(), "disk.img")
			p := begunPart(t, name)
			if err := p.keep(newState(3)); err != nil {
				t.Fatal(err)
			}
			if what != "locked" {
				p.Close()
			} else {
				defer p.Close()
			}
			if err := c.disturb(name); err != nil {
				t.Fatal(err)
			}
			p, _, err := openPart(name)
			if err == nil {
				p.Close()
			}
			wantError(t, err, false, c.texts...)
		})
	}
}

func TestPartFileOverwritesNothing(t *testing.T) {
	for _, suffix := range []string{"", ".part"} {
		name := filepath.Join(t.TempDir(), "disk.img")
		if err := os.Symlink("elsewhere", name+suffix); err != nil {
			t.Fatal(err)
		}
		_, err := createPart(name, newState(0))
		wantError(t, err, false, name+suffix, "there already")
		if _, err := os.Lstat(filepath.Join(filepath.Dir(name), "elsewhere")); err == nil {
			t.Error("the link was followed")
		}
	}
	name := filepath.Join(t.TempDir(), "disk.img")
	p := begunPart(t, name)
	defer p.Close()
	if err := os.WriteFile(name, []byte("other"), 0o600); err != nil {
		t.Fatal(err)
	}
	wantError(t, p.finish(), false, "has come to be meanwhile")
	if got, _ := os.ReadFile(name); string(got) != "other" {
		t.Errorf("%q", got)
	}
}

// A state that can't be written leaves the one before.
func TestStateIsReplacedAsAWhole(t *testing.T) {
	name := filepath.Join(t.TempDir(), "state")
	for _, content := range []string{"first", "second"} {
		if err := writeDurably(name, []byte(content)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.MkdirAll(name+".new/x", 0o700); err != nil {
		t.Fatal(err)
	}
	if err := writeDurably(name, []byte("third")); err == nil {
		t.Error("it was written")
	}
	if got, _ := os.ReadFile(name); string(got) != "second" {
		t.Errorf("%q", got)
	}
}

func TestWithRoom(t *testing.T) {
	for err, want := range map[error]string{syscall.ENOSPC: "Make room", syscall.EFBIG: "to another one", syscall.EIO: ""} {
		got := withRoom(fmt.Errorf("writing: %w", err))
		if !errors.Is(got, err) || missing(got.Error(), want) != "" || want == "" && strings.Contains(got.Error(), "\n") {
			t.Errorf("%v became %v", err, got)
		}
	}
}
