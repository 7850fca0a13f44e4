package main

import (
	"bytes"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// What the disk is worth is for other people's tools to say.

func TestSampleDiskPartitions(t *testing.T) {
	image := writeSample(t, 0, sampleSize)
	out := runTool(t, "fdisk", "sfdisk", "--dump", image)
	for _, want := range []string{
		"label: dos",
		"start=        2048, size=       30720, type=e",
		"start=       32768, size=       32768, type=83",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("sfdisk does not print %q:\n%s", want, out)
		}
	}
}

func TestSampleDiskFAT(t *testing.T) {
	image := writeSample(t, fatStart, ext4Start)
	out := runTool(t, "dosfstools", "fsck.fat", "-n", image)
	if strings.Contains(out, "Reclaimed") { // a warning, which the exit status may not show
		t.Errorf("fsck.fat found something to mend:\n%s", out)
	}
	checkFiles(t, "sample/fat", func(name string) string {
		return runTool(t, "mtools", "mcopy", "-n", "-i", image, "::/"+name, "-")
	})
}

func TestSampleDiskExt4(t *testing.T) {
	image := writeSample(t, ext4Start, sampleSize)
	runTool(t, "e2fsprogs", "e2fsck", "-fn", image)
	checkFiles(t, "sample/ext4", func(name string) string {
		return runTool(t, "e2fsprogs", "debugfs", "-R", "cat /"+name, image)
	})
}

// The demo makes the disk at every start. The bound is wide: the making takes
// some ten milliseconds, and under the race detector on a busy machine ten times that.
func TestSampleDiskIsQuick(t *testing.T) {
	start := time.Now()
	if _, err := sampleDisk(); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("took %v", took)
	}
}

func TestMemoryImageBounds(t *testing.T) {
	image := make(memoryImage, 16)
	if _, err := image.WriteAt(make([]byte, 8), 9); err == nil {
		t.Error("a write beyond the end succeeded")
	}
	if _, err := image.WriteAt(nil, -1); err == nil {
		t.Error("a write before the start succeeded")
	}
	if n, err := image.ReadAt(make([]byte, 8), 12); n != 4 || err == nil {
		t.Errorf("a read across the end gave %d bytes and error %v", n, err)
	}
	if _, err := image.ReadAt(make([]byte, 1), 17); err == nil {
		t.Error("a read beyond the end succeeded")
	}
}

func BenchmarkSampleDisk(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := sampleDisk(); err != nil {
			b.Fatal(err)
		}
	}
}

// writeSample puts the bytes from start to end of a sample disk in a file.
func writeSample(t *testing.T, start, end int) string {
	t.Helper()
	disk, err := sampleDisk()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "image")
	if err := os.WriteFile(file, disk[start:end], 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// checkFiles compares every file under root with what read finds on the disk.
func checkFiles(t *testing.T, root string, read func(name string) string) {
	t.Helper()
	files := 0
	err := fs.WalkDir(sampleFiles, root, func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		files++
		want, err := sampleFiles.ReadFile(name)
		if got := read(strings.TrimPrefix(name, root+"/")); !bytes.Equal([]byte(got), want) {
			t.Errorf("%s reads back as %q", name, got)
		}
		return err
	})
	if err != nil || files < 3 {
		t.Errorf("%d files under %s, error %v", files, root, err)
	}
}

// runTool returns what a tool prints, and fails the test if the tool does. A
// missing tool skips the test with the package to install; in CI it fails it.
func runTool(t *testing.T, pkg, tool string, args ...string) string {
	t.Helper()
	file, err := exec.LookPath(tool)
	if err != nil {
		missing := "missing " + tool + ": apt-get install " + pkg
		if os.Getenv("CI") != "" {
			t.Fatal(missing)
		}
		t.Skip(missing)
	}
	cmd := exec.Command(file, args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %v\n%s%s", cmd, err, out, &stderr)
	}
	return string(out)
}
