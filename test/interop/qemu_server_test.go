package interop

import (
	"path/filepath"
	"testing"
)

// eachQemu runs a test with the programs of the installed qemu, and with those
// of the new one, which has extended headers.
func eachQemu(t *testing.T, test func(t *testing.T, q qemu)) {
	for name, q := range map[string]qemu{"qemu 7": {}, "qemu 10": {folder: qemuNew, extended: true}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			need(t, q.folder+"qemu-nbd", q.folder+"qemu-img", q.folder+"qemu-io")
			test(t, q)
		})
	}
}

// A qemu is a folder with the programs of one version.
type qemu struct {
	folder   string
	extended bool // it has extended headers
}

func (q qemu) program(name string) string { return q.folder + name }

// serve exports on a Unix socket what the arguments of qemu-nbd say.
func (q qemu) serve(t *testing.T, args ...string) *target {
	t.Helper()
	s, _ := q.serveTraced(t, args...)
	return s
}

// serveTraced also returns the process, whose output has what is traced.
func (q qemu) serveTraced(t *testing.T, args ...string) (*target, *process) {
	t.Helper()
	sock := filepath.Join(t.TempDir(), "qemu.sock")
	p := start(t, q.program("qemu-nbd"), append([]string{"--persistent", "--shared=0", "--socket=" + sock}, args...)...)
	p.untilOffering(t, sock)
	return &target{name: "qemu-nbd", network: "unix", addr: sock}, p
}

// overlay makes an image of 64 MiB over another one, with a dirty bitmap: 2 MiB
// at 1 MiB are in the lower one, 1 MiB at 8 MiB are in the upper one and dirty.
func (q qemu) overlay(t *testing.T) (top string) {
	t.Helper()
	dir := t.TempDir()
	base, top := filepath.Join(dir, "base.qcow2"), filepath.Join(dir, "top.qcow2")
	img, io := q.program("qemu-img"), q.program("qemu-io")
	run(t, img, "create", "-q", "-f", "qcow2", base, "64M")
	run(t, io, "-c", "write -P 0xaa 1M 2M", base)
	run(t, img, "create", "-q", "-f", "qcow2", "-b", base, "-F", "qcow2", top)
	run(t, img, "bitmap", "--add", "--enable", "-f", "qcow2", top, "b0")
	run(t, io, "-c", "write -P 0xbb 8M 1M", top)
	return top
}
