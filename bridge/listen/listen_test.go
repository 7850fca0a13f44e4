package listen_test

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"nbdbridge/bridge/listen"
)

// open listens until the test's end.
func open(t *testing.T, address string, o listen.Options) net.Listener {
	t.Helper()
	l, err := listen.Listen(address, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

func wantError(t *testing.T, err error, parts ...string) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error, want one with %q", parts)
	}
	for _, part := range parts {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("error %q lacks %q", err, part)
		}
	}
}

func TestBadAddresses(t *testing.T) {
	for _, c := range []struct {
		address, want string
		mode          uint32
	}{
		{address: "", want: "want HOST:PORT, unix:/PATH or systemd:NAME"},
		{address: "127.0.0.1", want: "want HOST:PORT"},
		{address: "::1:8080", want: "want HOST:PORT"},
		{address: "127.0.0.1:http-of-sorts", want: "http-of-sorts"},
		{address: "unix:relative", want: "an absolute path"},
		{address: "unix:", want: "an absolute path"},
		{address: "unix:@abstract", want: "an absolute path"},
		{address: "unix:/run/x", mode: 0o1777, want: "at most 0777"},
		{address: "unix:/" + strings.Repeat("x", 200), want: "103 bytes"},
		{address: "unix:/there/is/no/such/folder", want: "no such file"},
	} {
		l, err := listen.Listen(c.address, listen.Options{Mode: c.mode})
		if err == nil {
			l.Close()
		}
		wantError(t, err, c.want, "listening at "+c.address)
	}
}

func TestTCP(t *testing.T) {
	l := open(t, "127.0.0.1:0", listen.Options{})
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	served, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer served.Close()
	if _, plain := served.(*net.TCPConn); !plain {
		t.Errorf("a connection of type %T without a proxy", served)
	}
	_, err = listen.Listen(l.Addr().String(), listen.Options{})
	wantError(t, err, "address already in use")
}

func TestUnixMode(t *testing.T) {
	defer syscall.Umask(syscall.Umask(0o077))
	for _, c := range []struct {
		mode uint32
		want fs.FileMode
	}{{0, 0o660}, {0o600, 0o600}, {0o666, 0o666}, {0o777, 0o777}} {
		path := filepath.Join(t.TempDir(), "socket")
		open(t, "unix:"+path, listen.Options{Mode: c.mode})
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != c.want || info.Mode().Type() != fs.ModeSocket {
			t.Errorf("mode %#o: the file is %v, want a socket with %v", c.mode, info.Mode(), c.want)
		}
	}
}

func TestUnixIsRemovedOnClose(t *testing.T) {
	path := filepath.Join(t.TempDir(), "socket")
	for range 2 {
		l := open(t, "unix:"+path, listen.Options{})
		l.Close()
		if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("after Close: %v, want no file", err)
		}
	}
}

// stale leaves the socket of a process that has died.
func stale(t *testing.T, path string) {
	t.Helper()
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	l.Close()
	if _, err := os.Lstat(path); err != nil {
		t.Fatal(err)
	}
}

func TestStaleSocketIsReplaced(t *testing.T) {
	path := filepath.Join(t.TempDir(), "socket")
	stale(t, path)
	l := open(t, "unix:"+path, listen.Options{})
	c, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	served, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	served.Close()
}

func TestLiveSocketStays(t *testing.T) {
	path := filepath.Join(t.TempDir(), "socket")
	open(t, "unix:"+path, listen.Options{})
	_, err := listen.Listen("unix:"+path, listen.Options{})
	wantError(t, err, "somebody listens there already")
	c, err := net.Dial("unix", path)
	if err != nil {
		t.Fatalf("the first listener is gone: %v", err)
	}
	c.Close()
}

// A socket of datagrams can't be asked whether it lives.
func TestOtherSocketStays(t *testing.T) {
	path := filepath.Join(t.TempDir(), "socket")
	c, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_, err = listen.Listen("unix:"+path, listen.Options{})
	wantError(t, err, "can't be told")
	if _, err := os.Lstat(path); err != nil {
		t.Error(err)
	}
}

func TestOtherFilesStay(t *testing.T) {
	folder := t.TempDir()
	file, link := filepath.Join(folder, "file"), filepath.Join(folder, "link")
	stale(t, filepath.Join(folder, "stale"))
	if err := errors.Join(os.WriteFile(file, []byte("precious"), 0o600), os.Symlink("stale", link)); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{file, link, folder} {
		_, err := listen.Listen("unix:"+path, listen.Options{})
		wantError(t, err, path, "no socket")
		if _, err := os.Lstat(path); err != nil {
			t.Error(err)
		}
	}
}
