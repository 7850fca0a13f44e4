package device_test

import (
	"bytes"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"nbdbridge/nbd"
	"nbdbridge/nbd/device"
)

// page is the page size of an overlay; modelSize has an odd end.
const (
	page      = 64 << 10
	modelSize = 5*page + 1234
)

// holey is a base with a hole that it tells of.
type holey struct {
	*bytes.Reader
	from, to int64
}

func (h holey) Map(off, n int64) (int64, uint64, error) {
	switch {
	case off < h.from:
		return min(n, h.from-off), 0, nil
	case off < h.to:
		return min(n, h.to-off), nbd.StateHole | nbd.StateZero, nil
	}
	return n, 0, nil
}

func random(rng *rand.Rand, n int) []byte {
	b := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{byte(rng.Uint32()), byte(rng.Uint32())}).Read(b)
	return b
}

// newFile is a file of that content in a folder of its own.
func newFile(t testing.TB, content []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "disk.img")
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func openFile(t testing.TB, path string, readOnly bool) *device.File {
	t.Helper()
	f, err := device.OpenFile(path, readOnly)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// devices are all kinds, and what they hold.
func devices(t *testing.T, rng *rand.Rand) map[string]func() (nbd.Device, []byte) {
	content := random(rng, modelSize)
	from, to := int64(page+100), int64(3*page+5000)
	clear(content[from:to])
	return map[string]func() (nbd.Device, []byte){
		"memory": func() (nbd.Device, []byte) { return device.NewMemory(bytes.Clone(content)), bytes.Clone(content) },
		"sparse": func() (nbd.Device, []byte) { return device.NewSparse(modelSize), make([]byte, modelSize) },
		"overlay": func() (nbd.Device, []byte) {
			return device.NewOverlay(bytes.NewReader(content), modelSize), bytes.Clone(content)
		},
		"overlay over a mapper": func() (nbd.Device, []byte) {
			return device.NewOverlay(holey{bytes.NewReader(content), from, to}, modelSize), bytes.Clone(content)
		},
		"overlay over an overlay": func() (nbd.Device, []byte) {
			return device.NewOverlay(device.NewSparse(modelSize), modelSize), make([]byte, modelSize)
		},
		"file": func() (nbd.Device, []byte) { return openFile(t, newFile(t, content), false), bytes.Clone(content) },
	}
}

// A model does at random to a device what it does to plain bytes, within the
// bytes lo to hi.
type model struct {
	dev    nbd.Device
	want   []byte
	lo, hi int64
	rng    *rand.Rand
}

// span picks a range that often begins or ends at a border, or is empty.
func (m *model) span() (off, n int64) {
	a, b := m.point(), m.point()
	return min(a, b), max(a, b) - min(a, b)
}

func (m *model) point() int64 {
	at := m.lo + m.rng.Int64N(m.hi-m.lo+1)
	switch m.rng.IntN(8) {
	case 0:
		at = m.lo
	case 1:
		at = m.hi
	case 2, 3:
		at -= at % page
	case 4:
		at += 1 - at%page
	}
	return min(max(at, m.lo), m.hi)
}

func (m *model) step(t *testing.T) {
	t.Helper()
	off, n := m.span()
	part := m.want[off : off+n]
	switch m.rng.IntN(7) {
	case 0, 1:
		m.write(t, part, off)
	case 2:
		m.read(t, part, off)
	case 3:
		m.trim(t, part, off)
	case 4:
		m.zero(t, part, off)
	case 5:
		m.mapAll(t, part, off)
	case 6:
		if c, ok := m.dev.(nbd.Cacher); ok {
			if err := c.Cache(off, n); err != nil {
				t.Errorf("cache %d at %d: %v", n, off, err)
			}
		}
	}
}

func (m *model) write(t *testing.T, part []byte, off int64) {
	t.Helper()
	clear(part)
	if m.rng.IntN(4) > 0 {
		copy(part, random(m.rng, len(part)))
	}
	if n, err := m.dev.WriteAt(part, off); err != nil || n != len(part) {
		t.Errorf("write %d at %d: %d, %v", len(part), off, n, err)
	}
}

func (m *model) read(t *testing.T, part []byte, off int64) {
	t.Helper()
	got := make([]byte, len(part))
	if n, err := m.dev.ReadAt(got, off); err != nil || n != len(part) {
		t.Errorf("read %d at %d: %d, %v", len(part), off, n, err)
	}
	if !bytes.Equal(got, part) {
		t.Fatalf("read %d at %d differs", len(part), off)
	}
}

// trim may leave bytes or make them zeroes; both are taken over.
func (m *model) trim(t *testing.T, part []byte, off int64) {
	t.Helper()
	d, ok := m.dev.(nbd.Trimmer)
	if !ok {
		return
	}
	if err := d.Trim(off, int64(len(part))); err != nil {
		t.Errorf("trim %d at %d: %v", len(part), off, err)
	}
	got := make([]byte, len(part))
	if _, err := m.dev.ReadAt(got, off); err != nil {
		t.Error(err)
	}
	for i := range got {
		if got[i] != 0 && got[i] != part[i] {
			t.Fatalf("trim %d at %d: byte %d was %d, is %d", len(part), off, i, part[i], got[i])
		}
	}
	copy(part, got)
}

func (m *model) zero(t *testing.T, part []byte, off int64) {
	t.Helper()
	d, ok := m.dev.(nbd.Zeroer)
	if !ok {
		return
	}
	flags := []nbd.Flags{0, nbd.FlagNoHole, nbd.FlagFastZero, nbd.FlagFastZero | nbd.FlagNoHole}[m.rng.IntN(4)]
	switch err := d.WriteZeroes(off, int64(len(part)), flags); {
	case err == nil:
		clear(part)
	case err != nbd.ENOTSUP || flags&nbd.FlagFastZero == 0:
		t.Errorf("zero %d at %d, flags %d: %v", len(part), off, flags, err)
	}
}

// mapAll walks the map: what is called zero must be it.
func (m *model) mapAll(t *testing.T, part []byte, off int64) {
	t.Helper()
	d, ok := m.dev.(nbd.Mapper)
	for ok && len(part) > 0 {
		n, state, err := d.Map(off, int64(len(part)))
		if err != nil || n < 1 || n > int64(len(part)) || state&^(nbd.StateHole|nbd.StateZero) != 0 {
			t.Fatalf("map %d at %d: %d, %d, %v", len(part), off, n, state, err)
		}
		if state&nbd.StateZero != 0 && len(bytes.TrimLeft(part[:n], "\x00")) > 0 {
			t.Fatalf("map at %d: %d bytes are called zero and are not", off, n)
		}
		part, off = part[n:], off+n
	}
}

func (m *model) compare(t *testing.T) {
	t.Helper()
	if err := m.dev.Sync(); err != nil {
		t.Error(err)
	}
	m.read(t, m.want[m.lo:m.hi], m.lo)
	m.mapAll(t, m.want[m.lo:m.hi], m.lo)
}

// seeded prints what it takes to see a failure again.
func seeded(t *testing.T) *rand.Rand {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	return rand.New(rand.NewPCG(seed, 0))
}

func TestDevicesAgainstAModel(t *testing.T) {
	rng := seeded(t)
	for name, open := range devices(t, rng) {
		t.Run(name, func(t *testing.T) {
			dev, want := open()
			m := &model{dev: dev, want: want, hi: modelSize, rng: rng}
			m.compare(t)
			for range 400 {
				m.step(t)
			}
			m.compare(t)
		})
	}
}

// Neighbours share pages, and must not notice.
func TestDevicesAgainstModelsAtOnce(t *testing.T) {
	rng := seeded(t)
	for name, open := range devices(t, rng) {
		t.Run(name, func(t *testing.T) {
			dev, want := open()
			var group sync.WaitGroup
			const parts = 8
			for i := range int64(parts) {
				m := &model{dev: dev, want: want, lo: i * modelSize / parts, hi: (i + 1) * modelSize / parts, rng: rand.New(rand.NewPCG(rng.Uint64(), 0))}
				group.Go(func() {
					for range 100 {
						m.step(t)
					}
				})
			}
			group.Wait()
			(&model{dev: dev, want: want, hi: modelSize}).compare(t)
		})
	}
}

// What lies outside is refused, and nothing changes.
func TestDevicesRefuseWhatIsOutside(t *testing.T) {
	rng := seeded(t)
	for name, open := range devices(t, rng) {
		t.Run(name, func(t *testing.T) {
			dev, want := open()
			for _, r := range [][2]int64{{-1, 1}, {0, -1}, {modelSize, 1}, {modelSize - 1, 2}, {modelSize + 1, 0}, {1, 1<<63 - 1}} {
				for what, err := range outside(dev, r[0], r[1]) {
					if err == nil {
						t.Errorf("%s of %d at %d: no error", what, r[1], r[0])
					}
				}
			}
			if n, err := dev.WriteAt([]byte("xy"), modelSize-1); n != 1 || err != nbd.ENOSPC {
				t.Errorf("write across the end: %d, %v", n, err)
			}
			want[modelSize-1] = 'x'
			(&model{dev: dev, want: want, hi: modelSize}).compare(t)
		})
	}
}

func outside(dev nbd.Device, off, n int64) map[string]error {
	errs := map[string]error{}
	if t, ok := dev.(nbd.Trimmer); ok {
		errs["trim"] = t.Trim(off, n)
		errs["zero"] = dev.(nbd.Zeroer).WriteZeroes(off, n, 0)
		_, _, errs["map"] = dev.(nbd.Mapper).Map(off, n)
	}
	if off < 0 || off >= modelSize {
		_, errs["read"] = dev.ReadAt(make([]byte, 1), off)
		_, errs["write"] = dev.WriteAt(make([]byte, 1), off)
	}
	return errs
}
