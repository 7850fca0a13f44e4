// Package interop runs this project's programs and packages against foreign
// implementations: nbdkit, qemu-nbd, nbd-server, nbdcopy, nbdinfo, qemu-img.
package interop

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

// bridgeBinary is the program under test, built once.
var bridgeBinary string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "interop")
	if err != nil {
		panic(err)
	}
	bridgeBinary = filepath.Join(dir, "bridge")
	build := exec.Command("go", "build", "-o", bridgeBinary, "nbdbridge/cmd/bridge")
	build.Stderr = os.Stderr
	if err := build.Run(); err != nil {
		fmt.Fprintln(os.Stderr, "building the bridge:", err)
		os.Exit(1)
	}
	code := m.Run()
	os.RemoveAll(dir)
	if err := goleak.Find(); code == 0 && err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// qemuNew is the folder of the qemu that test/setup.sh unpacks from the
// distribution's backports, beside the one that is installed.
const qemuNew = "../.qemu10/usr/bin/"

// packages tells what to install for a foreign program.
var packages = map[string]string{
	"nbdkit": "nbdkit", "qemu-nbd": "qemu-utils", "qemu-img": "qemu-utils",
	"qemu-io": "qemu-utils", "nbd-server": "nbd-server", "nbd-client": "nbd-client",
	"nbdcopy": "libnbd-bin", "nbdinfo": "libnbd-bin", "nbdsh": "python3-libnbd",
}

// need skips a test whose foreign programs are missing, and fails it in CI.
func need(t *testing.T, programs ...string) {
	t.Helper()
	for _, p := range programs {
		if _, err := exec.LookPath(p); err == nil {
			continue
		}
		text := fmt.Sprintf("%s is missing: apt-get install %s", p, packages[p])
		if strings.HasPrefix(p, qemuNew) {
			text = fmt.Sprintf("%s is missing: run bash test/setup.sh", p)
		}
		if os.Getenv("CI") != "" {
			t.Fatal(text)
		}
		t.Skip(text)
	}
}
