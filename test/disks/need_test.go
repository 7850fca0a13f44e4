// Package disks holds what we read of disks to what other programs read of them.
package disks

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

// packages are what Debian calls them.
var packages = map[string]string{
	"mke2fs": "e2fsprogs", "e2fsck": "e2fsprogs", "debugfs": "e2fsprogs", "fls": "sleuthkit", "icat": "sleuthkit", "istat": "sleuthkit",
	"mkntfs": "ntfs-3g", "ntfscat": "ntfs-3g", "gcc": "gcc", "genisoimage": "genisoimage", "xorriso": "xorriso",
}

// need skips a test whose programs are missing; in CI it fails.
func need(t *testing.T, programs ...string) {
	t.Helper()
	os.Setenv("PATH", os.Getenv("PATH")+":/usr/sbin:/sbin")
	for _, p := range programs {
		if _, err := exec.LookPath(p); err != nil {
			missing(t, p+" is missing: apt-get install "+packages[p])
		}
	}
}

func missing(t *testing.T, text string) {
	t.Helper()
	if os.Getenv("CI") != "" {
		t.Fatal(text)
	}
	t.Skip(text)
}

// run runs a program to its end and gives what it prints.
func run(t *testing.T, program string, args ...string) string {
	t.Helper()
	return runWith(t, "", program, args...)
}

func runWith(t *testing.T, input, program string, args ...string) string {
	t.Helper()
	cmd := exec.Command(program, args...)
	cmd.Stdin = strings.NewReader(input)
	cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8")
	var out, errs strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s %.300q: %v\n%.2000s", program, args, err, errs.String())
	}
	return out.String()
}
