package interop

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

// TestNbdcopyOut copies to a file, over one connection and over several. What
// is a hole here is one there.
func TestNbdcopyOut(t *testing.T) {
	need(t, "nbdcopy")
	eachOwn(t, func(t *testing.T, o *ownServer) {
		out := filepath.Join(t.TempDir(), "out.img")
		for _, args := range [][]string{
			{"--connections=4", "--requests=32", "--threads=2"},
			{"--connections=1", "--requests=1"},
			{"--synchronous"},
			{"--no-extents", "--request-size=1048576", "--queue-size=4194304"},
		} {
			run(t, "nbdcopy", append(args, o.uri("memory"), out)...)
			if got := readFile(t, out); got != string(o.memory) {
				t.Errorf("%q: the copy differs", args)
			}
			os.Remove(out)
		}
		run(t, "nbdcopy", o.uri("sparse"), out)
		if got := []byte(readFile(t, out)); !bytes.Equal(got, o.sparseContent(t)) {
			t.Error("the copy of the sparse export differs")
		}
		if n := allocated(t, out); n > 5*mega {
			t.Errorf("the copy of 4 MiB of data takes %d bytes", n)
		}
		os.Remove(out)
	})
}

func (o *ownServer) sparseContent(t *testing.T) []byte {
	t.Helper()
	b := make([]byte, sparseSize)
	if _, err := o.sparse.ReadAt(b, 0); err != nil {
		t.Fatal(err)
	}
	return b
}

// data counts the bytes of the sparse export that are no hole.
func (o *ownServer) data(t *testing.T) (n int64) {
	t.Helper()
	for off := int64(0); off < sparseSize; {
		length, state, err := o.sparse.Map(off, sparseSize-off)
		if err != nil {
			t.Fatal(err)
		}
		if state != uint64(hole) {
			n += length
		}
		off += length
	}
	return n
}

// TestNbdcopyIn copies from a file: whole, sparse, without holes, and onto
// what is known to be zero.
func TestNbdcopyIn(t *testing.T) {
	need(t, "nbdcopy")
	eachOwn(t, func(t *testing.T, o *ownServer) {
		in := filepath.Join(t.TempDir(), "in.img")
		fresh := bytes.Repeat([]byte("fresh"), diskSize/5+1)[:diskSize]
		writeFile(t, in, bytes.NewBuffer(fresh))
		run(t, "nbdcopy", "--flush", "--connections=4", "--requests=16", in, o.uri("memory"))
		if !bytes.Equal(o.memory, fresh) {
			t.Error("nbdcopy wrote something else")
		}

		image := make([]byte, sparseSize)
		copy(image[20*mega:], pattern(5, mega))
		writeHoles(t, in, image)
		for _, c := range []struct {
			args []string
			most int64 // bytes of data afterwards
		}{
			{[]string{"--flush"}, mega + 128<<10},
			{[]string{"--destination-is-zero"}, mega + 128<<10},
			{[]string{"--allocated"}, sparseSize},
		} {
			run(t, "nbdcopy", append(c.args, in, o.uri("sparse"))...)
			if !bytes.Equal(o.sparseContent(t), image) {
				t.Errorf("%q: nbdcopy wrote something else", c.args)
			}
			if n := o.data(t); n > c.most || c.most == sparseSize && n != sparseSize {
				t.Errorf("%q: %d bytes are no holes", c.args, n)
			}
		}
	})
}

// writeHoles writes a file of which only what is not zero takes space.
func writeHoles(t *testing.T, name string, content []byte) {
	t.Helper()
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for off := 0; off < len(content); off += mega {
		piece := content[off:min(off+mega, len(content))]
		if bytes.Equal(piece, make([]byte, len(piece))) {
			continue
		}
		if _, err := f.WriteAt(piece, int64(off)); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.Truncate(int64(len(content))); err != nil {
		t.Fatal(err)
	}
}

// TestNbdcopyBetween reads and writes whole blocks, in requests that are short
// enough, because it was told so.
func TestNbdcopyBetween(t *testing.T) {
	need(t, "nbdcopy")
	eachOwn(t, func(t *testing.T, o *ownServer) {
		in, out := filepath.Join(t.TempDir(), "in.img"), filepath.Join(t.TempDir(), "out.img")
		writeFile(t, in, bytes.NewBuffer(pattern(0, 16*mega)))
		run(t, "nbdcopy", "--request-size=1048576", in, o.uri("blocks"))
		run(t, "nbdcopy", "--request-size=1048576", o.uri("blocks"), out)
		sameFiles(t, in, out)
		run(t, "nbdcopy", o.uri("frozen"), o.uri("memory")) // both ends are ours
		if text, err := try("nbdcopy", o.uri("memory"), o.uri("frozen")); err == nil {
			t.Errorf("copied onto a read-only export: %s", text)
		}
	})
}
