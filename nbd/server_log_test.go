package nbd_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"nbdbridge/nbd"
)

// What a device says beside the error for the client is for the operator: a
// failing disk must not go unnoticed because it has a word for the client too.
func TestLogOfFailures(t *testing.T) {
	for _, c := range []struct {
		err    error
		logged bool
	}{
		{fmt.Errorf("%w: sector 9 of disk.img", nbd.EIO), true},
		{fmt.Errorf("%w: sector 9 of disk.img", nbd.ENOSPC), true},
		{errBroken, true},
		{nbd.EPERM, false}, {nbd.ENOSPC, false}, {nbd.ENOTSUP, false},
	} {
		var lines bytes.Buffer
		srv := ableServer(faulty{4096, c.err})
		srv.Log = slog.New(slog.NewTextHandler(&lines, nil))
		conn, verdict := begun(t, srv, "vda", structuredReplies)
		for range 2 {
			send(t, conn, request(0, cmdRead, 7, 0, 512))
			if h := hear(t, conn, structuredReplies, 0); h.errno == 0 || strings.Contains(h.text, "sector") {
				t.Errorf("%v: %+v", c.err, h)
			}
		}
		conn.Close()
		_ = verdict()
		log := lines.String()
		if n := strings.Count(log, "nbd device failed"); (n == 1) != c.logged || n > 1 || c.logged && !strings.Contains(log, c.err.Error()) {
			t.Errorf("%v: the log says:\n%s", c.err, log)
		}
	}
}
