package listen_test

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"nbdbridge/bridge/listen"
)

// activatedKey names what a process that systemd would start listens at, one
// address after the other.
const activatedKey = "LISTEN_TEST_ADDRESSES"

// activated is such a process. It closes each listener right away.
func activated() {
	for address := range strings.FieldsSeq(os.Getenv(activatedKey)) {
		l, err := listen.Listen(address, listen.Options{})
		if err != nil {
			fmt.Println(err)
			continue
		}
		fmt.Println(l.Addr(), l.Close())
	}
	fmt.Println(os.Getenv("LISTEN_FDS") + os.Getenv("LISTEN_PID") + os.Getenv("LISTEN_FDNAMES"))
}

// activate starts a process with sockets, and returns the lines it prints.
func activate(t *testing.T, addresses, names string, files ...*os.File) []string {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("sh", "-c", `LISTEN_PID=$$ exec "$0"`, program)
	cmd.ExtraFiles = files
	cmd.Env = append(os.Environ(), activatedKey+"="+addresses,
		fmt.Sprintf("LISTEN_FDS=%d", len(files)), "LISTEN_FDNAMES="+names)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s%s", err, out, &stderr)
	}
	return strings.Split(strings.TrimSuffix(string(out), "\n"), "\n")
}

// inherit is a listening socket as a file.
func inherit(t *testing.T, l net.Listener) *os.File {
	t.Helper()
	file, err := l.(interface{ File() (*os.File, error) }).File()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { file.Close() })
	return file
}

func TestActivation(t *testing.T) {
	path := filepath.Join(t.TempDir(), "socket")
	first, second := open(t, "127.0.0.1:0", listen.Options{}), open(t, "127.0.0.1:0", listen.Options{})
	unix := open(t, "unix:"+path, listen.Options{})
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer read.Close()
	defer write.Close()
	lines := activate(t, "systemd:web systemd:admin systemd:nothing systemd:pipe systemd:web systemd:web systemd:",
		"web:admin:pipe:web", inherit(t, first), inherit(t, unix), read, inherit(t, second))
	want := []string{
		first.Addr().String() + " <nil>",
		path + " <nil>",
		"listening at systemd:nothing: systemd gave no socket of this name, only admin, pipe, web: see FileDescriptorName=",
		"listening at systemd:pipe: what systemd gave is no socket",
		second.Addr().String() + " <nil>",
		"listening at systemd:web: every socket of this name is in use already",
		"listening at systemd:: systemd gave no socket of this name",
		"", // what is left in the environment
	}
	if len(lines) != len(want) {
		t.Fatalf("%d lines, want %d:\n%s", len(lines), len(want), strings.Join(lines, "\n"))
	}
	for i := range want {
		if want[i] == "" && lines[i] != "" || !strings.HasPrefix(lines[i], want[i]) {
			t.Errorf("%q, want %q", lines[i], want[i])
		}
	}
	if _, err := os.Lstat(path); err != nil {
		t.Errorf("the file of systemd's socket: %v", err)
	}
}

func TestNoActivation(t *testing.T) {
	lines := activate(t, "systemd:web", "")
	if want := "systemd gave this process no sockets: start it by a socket unit with FileDescriptorName=web"; !strings.Contains(lines[0], want) {
		t.Errorf("%q, want %q", lines[0], want)
	}
}
