package device_test

import (
	"bytes"
	"errors"
	"io"
	"math"
	"strings"
	"testing"

	"nbdbridge/nbd"
	"nbdbridge/nbd/device"
)

// An extent is one answer of a mapper.
type extent struct {
	length int64
	state  uint64
}

const sparse = nbd.StateHole | nbd.StateZero

func wantMap(t *testing.T, m nbd.Mapper, off, n int64, want ...extent) {
	t.Helper()
	for i, w := range want {
		length, state, err := m.Map(off, n)
		if err != nil || length != w.length || state != w.state {
			t.Fatalf("extent %d: %d bytes at %d in state %d, error %v; want %+v", i, length, off, state, err, w)
		}
		off, n = off+length, n-length
	}
	if n != 0 {
		t.Errorf("%d bytes are left over", n)
	}
}

func mustWrite(t *testing.T, d io.WriterAt, p []byte, off int64) {
	t.Helper()
	if _, err := d.WriteAt(p, off); err != nil {
		t.Fatal(err)
	}
}

func mustZero(t *testing.T, d nbd.Zeroer, off, n int64, f nbd.Flags) {
	t.Helper()
	if err := d.WriteZeroes(off, n, f); err != nil {
		t.Fatal(err)
	}
}

func TestSparseIsAsLargeAsIsSaid(t *testing.T) {
	for _, size := range []int64{1 << 60, math.MaxInt64, math.MaxInt64 - page + 1, 0, 1, page} {
		d := device.NewSparse(size)
		if d.Size() != size || d.Sync() != nil {
			t.Errorf("%d: size %d", size, d.Size())
		}
		if size < page+1 {
			continue
		}
		wantMap(t, d, 0, size, extent{size, sparse})
		mustWrite(t, d, []byte("end"), size-3)
		got := make([]byte, 4)
		if n, err := d.ReadAt(got, size-4); n != 4 || err != nil || string(got) != "\x00end" {
			t.Errorf("%d: %q, %v", size, got, err)
		}
		mustZero(t, d, 1, size-1, nbd.FlagFastZero)
		wantMap(t, d, 0, size, extent{size, sparse})
		if err := d.Trim(0, size); err != nil {
			t.Error(err)
		}
		wantMap(t, d, 0, size, extent{size, sparse})
	}
}

// Only data that is not zeroes takes memory, and it is given back.
func TestSparseStaysSparse(t *testing.T) {
	d := device.NewSparse(10 * page)
	mustWrite(t, d, make([]byte, 3*page), page/2)
	wantMap(t, d, 0, 10*page, extent{10 * page, sparse})
	mustWrite(t, d, bytes.Repeat([]byte("x"), 4*page), 2*page)
	wantMap(t, d, 5, 10*page-5, extent{2*page - 5, sparse}, extent{4 * page, 0}, extent{4 * page, sparse})
	if err := d.Trim(2*page+1, 2*page); err != nil {
		t.Fatal(err)
	}
	wantMap(t, d, 0, 10*page, extent{2 * page, sparse}, extent{page, 0}, extent{page, sparse}, extent{2 * page, 0}, extent{4 * page, sparse})
	mustZero(t, d, 4*page, 6*page, 0)
	wantMap(t, d, 0, 10*page, extent{2 * page, sparse}, extent{page, 0}, extent{7 * page, sparse})
}

func TestSparseZeroesWithoutAHole(t *testing.T) {
	d := device.NewSparse(4 * page)
	mustZero(t, d, page+5, page, nbd.FlagNoHole|nbd.FlagFastZero)
	wantMap(t, d, 0, 4*page, extent{page, sparse}, extent{2 * page, nbd.StateZero}, extent{page, sparse})
	mustWrite(t, d, make([]byte, page), page) // it stays what it is
	mustZero(t, d, 2*page, page, 0)
	wantMap(t, d, 0, 4*page, extent{page, sparse}, extent{page, nbd.StateZero}, extent{2 * page, sparse})
}

func TestOverlayMapsWhatIsBelow(t *testing.T) {
	base := holey{bytes.NewReader(bytes.Repeat([]byte("b"), 6*page)), 2*page - 7, 4 * page}
	d := device.NewOverlay(base, 6*page)
	wantMap(t, d, 0, 6*page, extent{2*page - 7, 0}, extent{2*page + 7, sparse}, extent{2 * page, 0})
	mustWrite(t, d, []byte("x"), 3*page)
	mustZero(t, d, 5*page, page, 0)
	wantMap(t, d, 0, 6*page, extent{2*page - 7, 0}, extent{page + 7, sparse}, extent{page, 0}, extent{page, 0}, extent{page, sparse})
	plain := device.NewOverlay(base.Reader, 6*page)
	wantMap(t, plain, 0, 6*page, extent{6 * page, 0})
}

// What a base lacks is an error and no zeroes, for writes that need it too.
func TestOverlayOverTooLittle(t *testing.T) {
	d := device.NewOverlay(strings.NewReader("0123456789"), 3*page)
	got := make([]byte, 5)
	if _, err := d.ReadAt(got, 0); err != nil || string(got) != "01234" {
		t.Errorf("%q, %v", got, err)
	}
	for _, off := range []int64{6, 10, 100, 2 * page, 3*page - 5} {
		if _, err := d.ReadAt(got, off); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("read at %d: %v", off, err)
		}
		if n, err := d.WriteAt([]byte("w"), off); n != 0 || !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("write at %d: %d, %v", off, n, err)
		}
		if err := d.WriteZeroes(off, 1, 0); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("zero at %d: %v", off, err)
		}
	}
	mustWrite(t, d, bytes.Repeat([]byte("w"), page), page)
	if n, err := d.ReadAt(make([]byte, 3*page), page-1); n != 0 || err == nil {
		t.Errorf("%d, %v", n, err)
	}
}

// A gate is a base whose reads wait.
type gate struct {
	io.ReaderAt
	reached, open chan struct{}
}

func (g *gate) ReadAt(p []byte, off int64) (int, error) {
	g.reached <- struct{}{}
	<-g.open
	return g.ReaderAt.ReadAt(p, off)
}

// A slow base holds up those who need it and nobody else; who was faster
// meanwhile keeps what he wrote.
func TestOverlayOverASlowBase(t *testing.T) {
	g := &gate{bytes.NewReader(bytes.Repeat([]byte("b"), 2*page)), make(chan struct{}), make(chan struct{})}
	d := device.NewOverlay(g, 2*page)
	done := make(chan error, 2)
	go func() { _, err := d.WriteAt([]byte("slow"), 10); done <- err }()
	<-g.reached
	go func() { _, err := d.ReadAt(make([]byte, 10), page); done <- err }()
	<-g.reached
	mustWrite(t, d, bytes.Repeat([]byte("f"), page), 0)
	close(g.open)
	for range 2 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	got := make([]byte, 16)
	if _, err := d.ReadAt(got, 0); err != nil || string(got) != "ffffffffffslowff" {
		t.Errorf("%q, %v", got, err)
	}
}

// cached is a base that hears of Cache.
type cached struct {
	*bytes.Reader
	off, n *int64
}

func (c cached) Cache(off, n int64) error { *c.off, *c.n = off, n; return nbd.EIO }

func TestOverlayCaches(t *testing.T) {
	var off, n int64
	d := device.NewOverlay(cached{bytes.NewReader(nil), &off, &n}, 100)
	if err := d.Cache(3, 4); err != nbd.EIO || off != 3 || n != 4 {
		t.Errorf("%d, %d, %v", off, n, err)
	}
	if err := device.NewSparse(100).Cache(3, 4); err != nil {
		t.Error(err)
	}
}

// A read-only device can what its base can, and nothing more.
func TestReadOnlyPassesOn(t *testing.T) {
	var off, n int64
	r := bytes.NewReader(make([]byte, 10))
	for name, c := range map[string]struct {
		base         io.ReaderAt
		maps, caches bool
	}{
		"plain": {r, false, false}, "mapper": {holey{r, 0, 5}, true, false}, "cacher": {cached{r, &off, &n}, false, true},
		"both": {device.NewSparse(10), true, true},
	} {
		d := device.ReadOnly(c.base, 10)
		m, maps := d.(nbd.Mapper)
		cacher, caches := d.(nbd.Cacher)
		if maps != c.maps || caches != c.caches {
			t.Errorf("%s: maps %t, caches %t", name, maps, caches)
		}
		if maps {
			if _, state, err := m.Map(0, 5); state != sparse || err != nil {
				t.Errorf("%s: %d, %v", name, state, err)
			}
		}
		if caches && name == "cacher" {
			if err := cacher.Cache(1, 2); err != nbd.EIO || off != 1 {
				t.Errorf("%s: %v", name, err)
			}
		}
		if _, err := d.WriteAt([]byte("x"), 0); err != nbd.EPERM {
			t.Errorf("%s: %v", name, err)
		}
		if _, ok := d.(nbd.Trimmer); ok {
			t.Errorf("%s can be trimmed", name)
		}
	}
}
