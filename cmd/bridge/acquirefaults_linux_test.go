package main

import (
	"syscall"
	"testing"
)

// A place without room pauses it, and it goes on when there is some.
func TestAcquireIntoAFullDisk(t *testing.T) {
	l := newLab(t, randomDisk(t, 16<<20))
	l.dir = t.TempDir()
	if err := syscall.Mount("tmpfs", l.dir, "tmpfs", 0, "size=8m"); err != nil {
		t.Skipf("a small disk needs root: %v", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(l.dir, 0) })
	image := l.image("a.img")
	_, stderr := l.acquire(t, 1, image)
	if lacks := missing(stderr, "no space left", "Make room there", "--resume"); lacks != "" || exists(image) {
		t.Errorf("lacks %q: %s", lacks, stderr)
	}
	if err := syscall.Mount("tmpfs", l.dir, "tmpfs", syscall.MS_REMOUNT, "size=64m"); err != nil {
		t.Fatal(err)
	}
	l.acquire(t, 0, image, "--resume")
	if log := l.wantWhole(t, image); len(log.Sessions) != 2 || missing(log.Sessions[0].Ended, "no space left") != "" {
		t.Error(sessionsOf(log))
	}
}
