package interop

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// nbdsh runs a script of Python with libnbd's handle h.
func nbdsh(t *testing.T, script string) string {
	t.Helper()
	need(t, "nbdsh")
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "nbdsh", "-c", "h.set_uri_allow_local_file(True)", "-c", script)
	// Its library belongs to the system's Python, which may not be the first.
	cmd.Env = append(os.Environ(), "PATH=/usr/bin:"+os.Getenv("PATH"))
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("nbdsh: %v\n%s\n%s", err, script, out)
	}
	return string(out)
}

// careless connects without any check of libnbd's own, and has a way to try a
// call: it prints the error that the server answered with, or "ok".
const careless = `
h.set_strict_mode(0)
def attempt(call):
    try:
        call()
        return "ok"
    except nbd.Error as e:
        return e.errno if "command failed" in str(e) else "not sent: " + str(e)
`

type mistake struct{ call, want string }

// mistakes are what a client may get wrong, by export.
var mistakes = map[string][]mistake{
	"sparse": {
		{"h.pread(512, size - 256)", "EINVAL"},
		{"h.pread(512, size)", "EINVAL"},
		{"h.pread(512, 2**63)", "EINVAL"},
		{"h.pread(512, 2**64 - 256)", "EINVAL"},
		{"h.pwrite(bytes(512), size - 256)", "ENOSPC"},
		{"h.pwrite(bytes(512), 2**64 - 256)", "ENOSPC"},
		{"h.zero(512, size - 256)", "ENOSPC"},
		{"h.trim(512, size - 256)", "EINVAL"},
		{"h.trim(2**32 - 1, 2**64 - 1)", "EINVAL"},
		{"h.cache(512, size - 256)", "EINVAL"},
		{"h.block_status(512, size - 256, lambda *a: 0)", "EINVAL"},
		{"h.block_status(2**32 - 1, 0, lambda *a: 0)", "EINVAL"},
		{"h.block_status(0, 0, lambda *a: 0)", "EINVAL"},
		{"h.pread(0, 0)", "ok"},
		{"h.pwrite(b'', 0)", "ok"},
		{"h.trim(0, 0)", "ok"},
		{"h.zero(0, 0)", "ok"},
		{"h.cache(0, 0)", "ok"},
		{"h.pread(512, 0, 0x100)", "EINVAL"},
		{"h.pread(512, 0, nbd.CMD_FLAG_REQ_ONE)", "EINVAL"},
		{"h.pread(512, 0, nbd.CMD_FLAG_FUA)", "ok"},
		{"h.pread_structured(65536, 0, lambda *a: 0, nbd.CMD_FLAG_DF)", "ok"},
		{"h.pread(32 << 20, 0, nbd.CMD_FLAG_DF)", "EINVAL"},
		{"h.pread((32 << 20) + 1, 0)", "EOVERFLOW"},
		{"h.pread((32 << 20) + 1, 0, nbd.CMD_FLAG_DF)", "EOVERFLOW"},
		{"h.pwrite(bytes(512), 0, nbd.CMD_FLAG_DF)", "EINVAL"},
		{"h.pwrite(bytes(512), 0, nbd.CMD_FLAG_NO_HOLE)", "EINVAL"},
		{"h.flush(nbd.CMD_FLAG_FUA)", "ok"},
		{"h.flush(nbd.CMD_FLAG_DF)", "EINVAL"},
		{"h.trim(512, 0, nbd.CMD_FLAG_FAST_ZERO)", "EINVAL"},
		{"h.zero(65536, 0, nbd.CMD_FLAG_NO_HOLE | nbd.CMD_FLAG_FAST_ZERO)", "ok"},
		{"h.zero(65536, 0, 0x8000)", "EINVAL"},
	},
	"memory": {
		{"h.trim(512, 0)", "EINVAL"},
		{"h.cache(512, 0)", "EINVAL"},
		{"h.zero(512, 0, nbd.CMD_FLAG_FAST_ZERO)", "EINVAL"},
		{"h.zero(512, 0)", "ok"},
	},
	"frozen": {
		{"h.pwrite(bytes(512), 0)", "EPERM"},
		{"h.zero(512, 0)", "EPERM"},
		{"h.trim(512, 0)", "EPERM"},
		{"h.pread(512, 1)", "ok"},
	},
	"blocks": {
		{"h.pread(512, 0)", "EINVAL"},
		{"h.pread(4096, 512)", "EINVAL"},
		{"h.pwrite(bytes(512), 0)", "EINVAL"},
		{"h.pwrite(bytes(4096), 1)", "EINVAL"},
		{"h.trim(4097, 0)", "EINVAL"},
		{"h.zero(4096, 4095)", "EINVAL"},
		{"h.cache(1, 0)", "EINVAL"},
		{"h.block_status(4095, 0, lambda *a: 0)", "EINVAL"},
		{"h.pread((1 << 20) + 4096, 0)", "EOVERFLOW"},
		{"h.pwrite(bytes((1 << 20) + 4096), 0)", "EINVAL"},
		{"h.trim(2 << 20, 0)", "ok"},
		{"h.zero(2 << 20, 0)", "ok"},
		{"h.pread(1 << 20, 0)", "ok"},
	},
}

// TestMistakes sends them one after another over one connection, with a read
// after each: all of them are answered, and the server stays in step.
func TestMistakes(t *testing.T) {
	eachOwn(t, func(t *testing.T, o *ownServer) {
		for export, list := range mistakes {
			script := careless + fmt.Sprintf("h.add_meta_context(nbd.CONTEXT_BASE_ALLOCATION)\nh.connect_uri(%q)\nsize = h.get_size()\nbefore = h.pread(4096, 0)\n", o.uri(export))
			for _, m := range list {
				script += fmt.Sprintf("print(attempt(lambda: %s))\nassert len(h.pread(4096, 8192)) == 4096\n", m.call)
			}
			script += "h.shutdown()\n"
			answers := strings.Split(strings.TrimSpace(nbdsh(t, script)), "\n")
			if len(answers) != len(list) {
				t.Fatalf("%s: %d answers to %d mistakes: %q", export, len(answers), len(list), answers)
			}
			for i, m := range list {
				if answers[i] != m.want {
					t.Errorf("%s: %s: %s, want %s", export, m.call, answers[i], m.want)
				}
			}
		}
	})
}

// TestWriteTooLong ends the session, because the rest of the request would
// have to be read for nothing. It is nobody else's.
func TestWriteTooLong(t *testing.T) {
	o := startOwn(t, 0)
	got := nbdsh(t, careless+fmt.Sprintf(`
other = nbd.NBD()
other.connect_uri(%[1]q)
h.connect_uri(%[1]q)
print(attempt(lambda: h.pwrite(bytes((32 << 20) + 1), 0)) != "ok", h.aio_is_dead() or h.aio_is_closed())
print(len(other.pread(512, 0)))
`, o.uri("sparse")))
	if got != "True True\n512\n" {
		t.Errorf("got %s", got)
	}
}

// TestWithoutStructuredReplies has simple replies, and nothing that needs more.
func TestWithoutStructuredReplies(t *testing.T) {
	eachOwn(t, func(t *testing.T, o *ownServer) {
		got := nbdsh(t, careless+fmt.Sprintf(`
h.set_request_structured_replies(False)
h.add_meta_context(nbd.CONTEXT_BASE_ALLOCATION)
h.connect_uri(%q)
print(h.get_structured_replies_negotiated(), h.can_df(), h.can_meta_context(nbd.CONTEXT_BASE_ALLOCATION))
print(h.pread(16, 8).hex())
print(attempt(lambda: h.pread(512, h.get_size())))
print(attempt(lambda: h.pread(512, 0, nbd.CMD_FLAG_DF)))
print(attempt(lambda: h.block_status(512, 0, lambda *a: 0)))
h.pwrite(b"hello", 100)
print(h.pread(5, 100).decode())
h.shutdown()
`, o.uri("memory")))
		want := "False False False\n00000000000000080000000000000010\nEINVAL\nEINVAL\nEINVAL\nhello\n"
		if got != want {
			t.Errorf("got %s want %s", got, want)
		}
	})
}

// TestStatusWithoutContext asks for what was not selected.
func TestStatusWithoutContext(t *testing.T) {
	o := startOwn(t, 0)
	got := nbdsh(t, careless+fmt.Sprintf("h.connect_uri(%q)\nprint(attempt(lambda: h.block_status(512, 0, lambda *a: 0)))\nh.shutdown()\n", o.uri("sparse")))
	if got != "EINVAL\n" {
		t.Errorf("got %s", got)
	}
}

// TestChunksOfRead shows the pieces that a read of data and holes comes in:
// without DF where they lie, with DF in one.
func TestChunksOfRead(t *testing.T) {
	o := startOwn(t, 0)
	got := nbdsh(t, fmt.Sprintf(`
h.connect_uri(%q)
pieces = []
def piece(data, offset, kind, error):
    pieces.append((offset, len(data), kind))
a = h.pread_structured(4 << 20, 0, piece)
last, covered = 0, 0
for offset, n, kind in sorted(pieces):
    assert offset == last
    last = offset + n
    covered += n
print(covered, len(set(k for _, _, k in pieces)) > 0)
pieces = []
b = h.pread_structured(4 << 20, 0, piece, nbd.CMD_FLAG_DF)
print(pieces == [(0, 4 << 20, nbd.READ_DATA)], a == b)
h.shutdown()
`, o.uri("sparse")))
	if got != "4194304 True\nTrue True\n" {
		t.Errorf("got %s", got)
	}
}

// TestOneExtent asks for the first extent alone, and for all.
func TestOneExtent(t *testing.T) {
	o := startOwn(t, 0)
	got := nbdsh(t, fmt.Sprintf(`
h.add_meta_context(nbd.CONTEXT_BASE_ALLOCATION)
h.connect_uri(%q)
def extent(context, offset, entries, error):
    print(context, offset, entries)
h.block_status(4 << 20, 0, extent, nbd.CMD_FLAG_REQ_ONE)
h.block_status(4 << 20, 0, extent)
h.shutdown()
`, o.uri("sparse")))
	want := "base:allocation 0 [1048576, 3]\nbase:allocation 0 [1048576, 3, 2097152, 0, 1048576, 3]\n"
	if got != want {
		t.Errorf("got %s", got)
	}
}
