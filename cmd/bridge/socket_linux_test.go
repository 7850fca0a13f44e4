package main

import (
	"io/fs"
	"path/filepath"
	"syscall"
	"testing"
)

// A socket is its owner's from its first moment, whatever the umask allows.
func TestSocketIsNeverForOthers(t *testing.T) {
	defer syscall.Umask(syscall.Umask(0))
	path := filepath.Join(t.TempDir(), "s")
	l, err := bindUnix(path)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if mode := stat(t, path).Mode(); mode != fs.ModeSocket|0o600 {
		t.Errorf("the socket's mode is %v", mode)
	}
}
