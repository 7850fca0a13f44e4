package device_test

import (
	"bytes"
	"errors"
	"io"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"nbdbridge/nbd"
	"nbdbridge/nbd/device"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("runtime.handleEvent")) // of the runtime in Node
}

func TestMemory(t *testing.T) {
	m := device.NewMemory([]byte("0123456789"))
	if m.Size() != 10 || m.Sync() != nil || (&device.Memory{}).Size() != 0 {
		t.Error("size or sync")
	}
	for _, c := range []struct {
		off  int64
		n    int
		want string
		err  error
	}{{0, 10, "0123456789", nil}, {3, 4, "3456", nil}, {8, 4, "89", io.EOF}, {10, 1, "", io.EOF}, {10, 0, "", nil}, {11, 1, "", nbd.EINVAL}, {-1, 1, "", nbd.EINVAL}} {
		p := make([]byte, c.n)
		n, err := m.ReadAt(p, c.off)
		if string(p[:n]) != c.want || !errors.Is(err, c.err) {
			t.Errorf("ReadAt %d at %d: %q, %v", c.n, c.off, p[:n], err)
		}
	}
	for _, c := range []struct {
		off  int64
		data string
		n    int
		err  error
	}{{2, "ab", 2, nil}, {9, "yz", 1, nbd.ENOSPC}, {10, "z", 0, nbd.ENOSPC}, {11, "z", 0, nbd.ENOSPC}, {-1, "z", 0, nbd.ENOSPC}} {
		if n, err := m.WriteAt([]byte(c.data), c.off); n != c.n || !errors.Is(err, c.err) {
			t.Errorf("WriteAt %q at %d: %d, %v", c.data, c.off, n, err)
		}
	}
	p := make([]byte, 10)
	if _, err := m.ReadAt(p, 0); err != nil || string(p) != "01ab45678y" {
		t.Errorf("%q, %v", p, err)
	}
}

func TestMemoryFromManySides(t *testing.T) {
	m := device.NewMemory(make([]byte, 64))
	var group sync.WaitGroup
	for i := range 8 {
		group.Go(func() {
			data := bytes.Repeat([]byte{byte(i)}, 8)
			for range 200 {
				if _, err := m.WriteAt(data, int64(8*i)); err != nil {
					t.Error(err)
				}
				got := make([]byte, 8)
				if _, err := m.ReadAt(got, int64(8*i)); err != nil || !bytes.Equal(got, data) {
					t.Errorf("%x, %v", got, err)
				}
			}
		})
	}
	group.Wait()
}

func TestReadOnly(t *testing.T) {
	d := device.ReadOnly(bytes.NewReader([]byte("0123456789")), 10)
	p := make([]byte, 3)
	if n, err := d.ReadAt(p, 4); n != 3 || err != nil || string(p) != "456" || d.Size() != 10 || d.Sync() != nil {
		t.Errorf("%q, %v", p, err)
	}
	if _, err := d.WriteAt(p, 0); !errors.Is(err, nbd.EPERM) {
		t.Errorf("write: %v", err)
	}
}
