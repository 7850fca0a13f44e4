package interop

import (
	"bytes"
	"encoding/json"
	"net"
	"path/filepath"
	"strings"
	"testing"

	"nbdbridge/nbd"
	"nbdbridge/nbd/device"
)

// eachQemuClient runs a test with the tools of each qemu, without TLS and in
// each version of it.
func eachQemuClient(t *testing.T, test func(t *testing.T, q qemu, o *ownServer)) {
	eachQemu(t, func(t *testing.T, q qemu) {
		eachOwn(t, func(t *testing.T, o *ownServer) { test(t, q, o) })
	})
}

// TestQemuImg reads what our server tells and holds.
func TestQemuImg(t *testing.T) {
	eachQemuClient(t, func(t *testing.T, q qemu, o *ownServer) {
		img := q.program("qemu-img")
		info := run(t, img, append([]string{"info", "--output=json"}, o.images("sparse")...)...)
		if !strings.Contains(info, `"virtual-size": 25169920`) {
			t.Errorf("info: %s", info)
		}
		var got []struct {
			Start, Length int64
			Zero, Data    bool
		}
		text := run(t, img, append([]string{"map", "--output=json"}, o.images("sparse")...)...)
		if err := json.Unmarshal([]byte(text), &got); err != nil {
			t.Fatalf("%v in %s", err, text)
		}
		want := runs(mega, hole, 2*mega, 0, 5*mega, hole, 2*mega, 0, sparseSize-10*mega, hole)
		if len(got) != len(want) {
			t.Fatalf("map: %s", text)
		}
		for i, e := range want {
			if got[i].Start != e.Offset || got[i].Length != e.Length || got[i].Zero != (e.Status == uint64(hole)) || got[i].Data != (e.Status == 0) {
				t.Errorf("map: %+v, want %v", got[i], e)
			}
		}

		out := filepath.Join(t.TempDir(), "out.img")
		run(t, img, append([]string{"convert", "-O", "raw"}, append(o.images("sparse"), out)...)...)
		if readFile(t, out) != string(o.sparseContent(t)) {
			t.Error("convert wrote something else")
		}
		if n := allocated(t, out); n > 5*mega {
			t.Errorf("the copy of 4 MiB of data takes %d bytes", n)
		}
		run(t, img, append([]string{"compare"}, o.images("memory", "frozen")...)...) // ours and ours
	})
}

// TestQemuImgWrites converts onto our export, and compares.
func TestQemuImgWrites(t *testing.T) {
	eachQemuClient(t, func(t *testing.T, q qemu, o *ownServer) {
		in := filepath.Join(t.TempDir(), "in.img")
		content := make([]byte, sparseSize)
		copy(content[5*mega:], pattern(9, 3*mega))
		writeHoles(t, in, content)
		args := []string{"convert", "-n", "-f", "raw", "--target-image-opts"}
		if o.p != nil {
			args = append(args, "--object", qemuCredentials("client", o.p))
		}
		run(t, q.program("qemu-img"), append(args, in, o.image("sparse"))...)
		if !bytes.Equal(o.sparseContent(t), content) {
			t.Error("convert wrote something else")
		}
		if n := o.data(t); n > 4*mega {
			t.Errorf("%d bytes are no holes", n)
		}
		local := "driver=raw,file.driver=file,file.filename=" + in
		run(t, q.program("qemu-img"), append(append([]string{"compare"}, o.images("sparse")...), local)...)
	})
}

// TestQemuIO runs its commands one after another over one connection, and
// looks at the device for what each is to have done.
func TestQemuIO(t *testing.T) {
	eachQemuClient(t, func(t *testing.T, q qemu, o *ownServer) {
		args := []string{"--discard=unmap"}
		for _, command := range []string{
			"write -P 0x5a 3M 4M", "read -P 0x5a 3M 4M",
			"write -f -P 0x77 4097k 4k", "read -P 0x77 4097k 4k", // FUA
			"discard 5M 1M",
			"write -z 1M 512k", "read -P 0 1M 512k", // stays allocated
			"write -z -u 8M 1M", "read -P 0 8M 1M", // may be a hole
			"aio_write -P 0x11 10M 64k", "aio_write -P 0x22 11M 64k", "aio_flush",
			"read -P 0x11 10M 64k", "read -P 0x22 11M 64k",
			"flush",
		} {
			args = append(args, "-c", command)
		}
		out := run(t, q.program("qemu-io"), append(args, o.images("sparse")...)...)
		if strings.Contains(out, "rror") || strings.Contains(out, "failed") {
			t.Errorf("qemu-io: %s", out)
		}
		for _, c := range []struct {
			off  int64
			want uint64
		}{{mega, 2}, {mega + 600<<10, 0}, {3 * mega, 0}, {5 * mega, uint64(hole)}, {8 * mega, uint64(hole)}, {10 * mega, 0}} {
			if _, state, err := o.sparse.Map(c.off, 1); err != nil || state != c.want {
				t.Errorf("at %d: state %d, %v, want %d", c.off, state, err, c.want)
			}
		}
	})
}

// TestQemuKeepsToBlocks writes odd ranges to an export with blocks of 4096
// bytes, which is qemu's business.
func TestQemuKeepsToBlocks(t *testing.T) {
	eachQemu(t, func(t *testing.T, q qemu) {
		o := startOwn(t, 0)
		out := run(t, q.program("qemu-io"), append([]string{
			"-c", "write -P 0x42 511 5000", "-c", "read -P 0x42 511 5000", "-c", "read -P 0 0 511", "-c", "write -P 1 2M 5M", "-c", "read -P 1 2M 5M",
		}, o.images("blocks")...)...)
		if strings.Contains(out, "rror") || strings.Contains(out, "failed") {
			t.Errorf("qemu-io: %s", out)
		}
	})
}

// TestQemuLists names all exports, with what they can.
func TestQemuLists(t *testing.T) {
	eachQemuClient(t, func(t *testing.T, q qemu, o *ownServer) {
		args := []string{"--list", "--bind=localhost", "--port=" + o.port()}
		if o.p != nil {
			args = append(args, "--object", qemuCredentials("client", o.p), "--tls-creds=t0")
		}
		out := run(t, q.program("qemu-nbd"), args...)
		for _, text := range []string{"exports available: 4", "export: 'sparse'", "description: mostly holes", "base:allocation", "min block: 4096", "max block: 1048576", "( readonly "} {
			if !strings.Contains(out, text) {
				t.Errorf("%q is not in %s", text, out)
			}
		}
	})
}

// TestQemuExtendedHeaders: the new client has them, on the word of its trace,
// and needs one request for what is longer than 4 GiB.
func TestQemuExtendedHeaders(t *testing.T) {
	q := qemu{qemuNew, true}
	need(t, q.program("qemu-io"))
	disk := device.NewSparse(10 << 30)
	addr := serveOwn(t, &nbd.Server{Exports: []nbd.Export{{Name: "large", Device: disk}}})
	_, port, _ := net.SplitHostPort(addr)
	out := run(t, q.program("qemu-io"), "--trace", "nbd_*", "--discard=unmap",
		"-c", "write -P 3 9G 64k", "-c", "write -z -n 1G 6G", "-c", "discard 1G 2000M", "-c", "map",
		"--image-opts", "driver=nbd,host=127.0.0.1,export=large,port="+port)
	for _, text := range []string{
		"reply 11 (extended headers), type 1 (ack)", "type = 6 (block status (64-bit))",
		".from = 0, .len = 10737418240", ".from = 1073741824, .len = 6442450944", ".from = 1073741824, .len = 2097152000",
	} {
		if !strings.Contains(out, text) {
			t.Errorf("%q is not in the trace:\n%s", text, out)
		}
	}
	for _, c := range []struct {
		off, n int64
		want   uint64
	}{{0, 1<<30 + 2000*mega, uint64(hole)}, {1<<30 + 2000*mega, 6<<30 - 2000*mega, nbd.StateZero}, {7 << 30, 2 << 30, uint64(hole)}, {9 << 30, 65536, 0}} {
		if n, state, err := disk.Map(c.off, c.n); n != c.n || state != c.want || err != nil {
			t.Errorf("at %d: %d bytes of state %d, %v", c.off, n, state, err)
		}
	}
}

// TestNbdClientLists is the tool of the Linux kernel's client.
func TestNbdClientLists(t *testing.T) {
	need(t, "nbd-client")
	o := startOwn(t, 0)
	out := run(t, "nbd-client", "-l", "127.0.0.1", o.port())
	for _, name := range []string{"memory", "sparse", "frozen", "blocks"} {
		if !strings.Contains(out, name) {
			t.Errorf("%s is not in %s", name, out)
		}
	}
}
