package interop

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"
)

// serveDisk runs `bridge serve-disk` over a file with holes, with TLS or
// without, and returns the URI that it prints.
func serveDisk(t *testing.T, p *pki, args ...string) (file, uri string) {
	t.Helper()
	file = filepath.Join(t.TempDir(), "disk.img")
	content := make([]byte, sparseSize)
	copy(content[5*mega:], pattern(9, 3*mega))
	writeHoles(t, file, content)
	args = append([]string{"serve-disk", file}, args...)
	if p != nil {
		args = append(args, "--tls-cert", p.file("server-cert.pem"), "--tls-key", p.file("server-key.pem"), "--client-ca", p.file("ca-cert.pem"))
	}
	b := start(t, bridgeBinary, args...)
	b.says(t, "Stop with Ctrl-C")
	uri, _, _ = strings.Cut(b.text(), " (")
	if p != nil {
		uri = strings.Replace(uri, "127.0.0.1", "localhost", 1) + "?tls-certificates=" + p.dir
	}
	return file, uri
}

// TestServeDisk copies a file out and in by libnbd, and its holes with it.
func TestServeDisk(t *testing.T) {
	need(t, "nbdcopy", "nbdinfo")
	for _, c := range []struct {
		name, listen string
		p            *pki
	}{
		{"plain", "tcp://127.0.0.1:" + freePort(t), nil},
		{"tls", "tcp://127.0.0.1:" + freePort(t), newPKI(t)},
		{"unix", "unix://" + filepath.Join(t.TempDir(), "disk.sock"), nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			file, uri := serveDisk(t, c.p, "--listen", c.listen)
			if got := run(t, "nbdinfo", "--map", uri); !strings.Contains(got, "hole,zero") || !strings.Contains(got, "data") {
				t.Errorf("map: %s", got)
			}
			out := filepath.Join(t.TempDir(), "out.img")
			run(t, "nbdcopy", "--connections=4", uri, out)
			sameFiles(t, file, out)
			if n := allocated(t, out); n > 4*mega {
				t.Errorf("the copy of 3 MiB of data takes %d bytes", n)
			}

			content := make([]byte, sparseSize)
			copy(content[17*mega+1:], pattern(1, mega))
			writeHoles(t, out, content)
			run(t, "nbdcopy", "--flush", out, uri)
			if !bytes.Equal([]byte(readFile(t, file)), content) {
				t.Error("nbdcopy wrote something else")
			}
			if n := allocated(t, file); n > 3*mega {
				t.Errorf("the file of 1 MiB of data takes %d bytes", n)
			}
		})
	}
}

// TestServeDiskReadOnly refuses writes, and says so in advance.
func TestServeDiskReadOnly(t *testing.T) {
	need(t, "nbdcopy", "nbdinfo")
	file, uri := serveDisk(t, nil, "--read-only", "--listen", "tcp://127.0.0.1:"+freePort(t))
	if _, err := try("nbdinfo", "--is", "read-only", uri); err != nil {
		t.Error(err)
	}
	before := readFile(t, file)
	if out, err := try("nbdcopy", file, uri); err == nil {
		t.Errorf("nbdcopy wrote: %s", out)
	}
	if readFile(t, file) != before {
		t.Error("the file has changed")
	}
}

// TestServeDiskWithQemu has qemu of both ages write to the file.
func TestServeDiskWithQemu(t *testing.T) {
	eachQemu(t, func(t *testing.T, q qemu) {
		sock := filepath.Join(t.TempDir(), "disk.sock")
		file, _ := serveDisk(t, nil, "--listen", "unix://"+sock)
		image := "driver=nbd,server.type=unix,server.path=" + sock
		out := run(t, q.program("qemu-io"), "--discard=unmap", "-c", "write -f -P 7 1M 64k", "-c", "write -z 5M 64k", "-c", "discard 6M 1M", "-c", "flush", "--image-opts", image)
		if strings.Contains(out, "rror") || strings.Contains(out, "failed") {
			t.Errorf("qemu-io: %s", out)
		}
		got := readFile(t, file)
		if got[mega] != 7 || got[5*mega] != 0 || allocated(t, file) > 3*mega {
			t.Errorf("bytes %d and %d; %d bytes are allocated", got[mega], got[5*mega], allocated(t, file))
		}
		run(t, q.program("qemu-img"), "compare", "--image-opts", image, "driver=raw,file.driver=file,file.locking=off,file.filename="+file)
	})
}

// TestServeDiskAllowList lets in clients by their subject.
func TestServeDiskAllowList(t *testing.T) {
	need(t, "nbdinfo")
	p := newPKI(t)
	for name, want := range map[string]bool{"CN=client1": true, "CN=somebody": false} {
		_, uri := serveDisk(t, p, "--allow-client", name, "--listen", "tcp://127.0.0.1:"+freePort(t))
		if out, err := try("nbdinfo", "--size", uri); (err == nil) != want {
			t.Errorf("%s: %v, %s", name, err, out)
		}
	}
}
