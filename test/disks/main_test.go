// Package disks holds what package disk says of disks to what foreign programs
// say of those that foreign programs made.
package disks

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"nbdbridge/disk"
)

// packages tells what to install for a foreign program.
var packages = map[string]string{
	"sfdisk": "fdisk", "fdisk": "fdisk", "sgdisk": "gdisk", "mmls": "sleuthkit", "blkid": "util-linux", "wipefs": "util-linux",
	"mke2fs": "e2fsprogs", "mkfs.fat": "dosfstools", "mkfs.exfat": "exfatprogs", "mkntfs": "ntfs-3g",
	"mkfs.xfs": "xfsprogs", "mkfs.btrfs": "btrfs-progs", "mkfs.f2fs": "f2fs-tools", "mkswap": "util-linux",
	"cryptsetup": "cryptsetup-bin", "mksquashfs": "squashfs-tools", "mkfs.erofs": "erofs-utils",
	"e2fsck": "e2fsprogs", "debugfs": "e2fsprogs", "fls": "sleuthkit", "icat": "sleuthkit", "istat": "sleuthkit",
	"ntfscat": "ntfs-3g", "gcc": "gcc", "xorriso": "xorriso",
	"genisoimage": "genisoimage", "mkudffs": "udftools", "qemu-img": "qemu-utils",
}

// need skips a test whose foreign programs are missing, and fails it in CI.
func need(t *testing.T, programs ...string) {
	t.Helper()
	for _, p := range programs {
		if _, err := exec.LookPath(p); err == nil {
			continue
		}
		text := p + " is missing: apt-get install " + packages[p]
		if os.Getenv("CI") != "" {
			t.Fatal(text)
		}
		t.Skip(text)
	}
}

// run runs a program in a folder and gives what it prints.
func run(t *testing.T, folder, input, program string, args ...string) []byte {
	t.Helper()
	need(t, program)
	cmd := exec.Command(program, args...)
	cmd.Dir, cmd.Stdin = folder, strings.NewReader(input)
	cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %v: %v\n%s%s", program, args, err, out, &stderr)
	}
	return out
}

// newImage makes a file of zeros, and gives its path.
func newImage(t *testing.T, size int64) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "disk")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	resize(t, path, size)
	return path
}

func resize(t *testing.T, path string, size int64) {
	t.Helper()
	if err := os.Truncate(path, size); err != nil {
		t.Fatal(err)
	}
}

// overwrite damages an image.
func overwrite(t *testing.T, path string, at int64, b []byte) {
	t.Helper()
	file, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if _, err := file.WriteAt(b, at); err != nil {
		t.Fatal(err)
	}
}

// open gives an image and its size.
func open(t *testing.T, path string) (*os.File, int64) {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { file.Close() })
	info, err := file.Stat()
	if err != nil {
		t.Fatal(err)
	}
	return file, info.Size()
}

func layout(t *testing.T, path string) *disk.Layout {
	t.Helper()
	file, size := open(t, path)
	l, err := disk.ReadLayout(file, size)
	if err != nil {
		t.Fatal(err)
	}
	return l
}
