package interop

import (
	"context"
	"path/filepath"
	"testing"

	"nbdbridge/nbd"
)

// nbdkit serves what its arguments say on a Unix socket.
func nbdkit(t *testing.T, args ...string) (*target, *process) {
	t.Helper()
	need(t, "nbdkit")
	sock := filepath.Join(t.TempDir(), "nbdkit.sock")
	p := start(t, "nbdkit", append([]string{"--foreground", "--unix", sock}, args...)...)
	p.untilOffering(t, sock)
	return &target{name: "nbdkit", network: "unix", addr: sock}, p
}

// plain is the configuration without TLS.
func plain() *nbd.Config { return &nbd.Config{TLSMode: nbd.TLSOff} }

// openNbdkit starts nbdkit and opens its export, without TLS.
func openNbdkit(t *testing.T, args ...string) (context.Context, *nbd.Disk) {
	t.Helper()
	s, _ := nbdkit(t, args...)
	ctx := testContext(t)
	disk := open(ctx, t, s, plain())
	t.Cleanup(func() { disk.Close() })
	return ctx, disk
}
