//go:build unix

package main

import (
	"syscall"
	"testing"
)

func newPipe(t *testing.T) (path string) {
	t.Helper()
	path = t.TempDir() + "/pipe"
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
