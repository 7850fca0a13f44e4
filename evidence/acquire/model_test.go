package acquire

import (
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"

	"nbdbridge/evidence/report"
)

// A fate says whether the nth read, counted from 0, of a range fails.
type fate func(offset, length int64, n int) bool

// counted makes a fate of reads that come in any order.
func (f fate) counted() func(offset, length int64) bool {
	var mu sync.Mutex
	times := map[[2]int64]int{}
	return func(offset, length int64) bool {
		mu.Lock()
		defer mu.Unlock()
		n := times[[2]int64{offset, length}]
		times[[2]int64{offset, length}]++
		return f(offset, length, n)
	}
}

// chance fails so many of a thousand reads.
func chance(seed uint64, perMille uint64) fate {
	return func(offset, length int64, n int) bool {
		h := fnv.New64a()
		_ = binary.Write(h, binary.LittleEndian, []uint64{seed, uint64(offset), uint64(length), uint64(n)})
		return h.Sum64()>>20%1000 < perMille
	}
}

// sectors fails reads that touch bad sectors of 512 bytes: the value is how
// often, below 0 for always.
func sectors(bad map[int64]int) fate {
	return func(offset, length int64, n int) bool {
		for s := offset / 512; s*512 < offset+length; s++ {
			if times := bad[s]; times < 0 || n < times {
				return true
			}
		}
		return false
	}
}

// A model is what an acquisition must come to, found the plain way.
type model struct {
	image       []byte
	ranges      []report.Range
	errors      []report.Error // without times and messages
	status      report.BlockStatus
	transferred int64
}

// expect goes through a disk of less than 64 MiB.
func expect(data []byte, extents []Extent, s report.Settings, base int64, f fate) *model {
	m := &model{image: slices.Clone(data)}
	fails := f.counted()
	size := int64(len(data))
	for at := int64(0); at < size; {
		end, skip := size, false
		if s.SkipHoles && extents != nil {
			end, skip = zerosOrNot(extents, at, size)
		}
		if skip {
			m.status.Skipped += end - at
			at = end
			continue
		}
		end = min(end, at+(1<<20)-(base+at)%(1<<20))
		m.read(at, end-at, s, base, fails)
		at = end
	}
	m.sum(extents, s, size)
	return m
}

// zerosOrNot is where the zeros that are skipped end, or begin.
func zerosOrNot(extents []Extent, at, size int64) (end int64, skip bool) {
	isZero := func(b int64) (bool, int64) {
		for _, e := range extents {
			if b < e.Offset+e.Length {
				return e.Kind != Data, e.Offset + e.Length
			}
		}
		panic("beyond the disk")
	}
	zerosFrom := func(b int64) int64 {
		for b < size {
			zero, next := isZero(b)
			if !zero {
				break
			}
			b = next
		}
		return b
	}
	for b := at; b < size; {
		if end := zerosFrom(b); end-b >= 64<<10 {
			if b > at {
				return b, false
			}
			return end, true
		} else if end > b {
			b = end
			continue
		}
		_, b = isZero(b)
	}
	return size, false
}

func (m *model) sum(extents []Extent, s report.Settings, size int64) {
	if extents == nil || !s.SkipHoles {
		m.status.Unknown = size
		return
	}
	m.status.Asked = size > 0
	for _, e := range extents {
		switch e.Kind {
		case Data:
			m.status.Data += e.Length
		case Zero:
			m.status.Zero += e.Length
		case Hole:
			m.status.Hole += e.Length
		}
	}
}

// read is the recovery as its contract says.
func (m *model) read(offset, length int64, s report.Settings, base int64, fails func(offset, length int64) bool) {
	attempts := 0
	rest := []report.Range{{Offset: offset, Length: length}}
	try := func(size int64, tries int) {
		var cut []report.Range
		for _, r := range rest {
			for r.Length > 0 {
				n := min(r.Length, size-(base+r.Offset)%size)
				cut = append(cut, report.Range{Offset: r.Offset, Length: n})
				r = report.Range{Offset: r.Offset + n, Length: r.Length - n}
			}
		}
		rest = nil
		for _, r := range cut {
			lost := true
			for range tries {
				if !fails(r.Offset, r.Length) {
					lost = false
					break
				}
				attempts++
			}
			if lost {
				rest = append(rest, r)
			}
		}
	}
	whole := func(size int64) bool { return length <= size-(base+offset)%size }
	try(1<<20, 1+s.Retries)
	if len(rest) > 0 && s.Smallest < 64<<10 && !whole(64<<10) {
		try(64<<10, 1)
	}
	if len(rest) > 0 && !whole(s.Smallest) {
		try(s.Smallest, 1+s.Retries)
	}
	var lost int64
	for _, r := range rest {
		clear(m.image[r.Offset : r.Offset+r.Length])
		lost += r.Length
		if n := len(m.ranges); n > 0 && m.ranges[n-1].Offset+m.ranges[n-1].Length == r.Offset {
			m.ranges[n-1].Length += r.Length
		} else {
			m.ranges = append(m.ranges, r)
		}
	}
	if attempts > 0 {
		m.errors = append(m.errors, report.Error{What: "read", Offset: offset, Length: length, Attempts: attempts, Lost: lost})
	}
	m.transferred += length - lost
}

// holds compares a rig with what was expected.
func (m *model) holds(g *rig) {
	g.t.Helper()
	g.complete(m.image)
	if !slices.Equal(g.log.ZeroFilled, m.ranges) {
		g.t.Errorf("ranges are %v, want %v", g.log.ZeroFilled, m.ranges)
	}
	var errs []report.Error
	for _, e := range g.log.Errors {
		if e.Time.IsZero() || e.Message == "" {
			g.t.Errorf("an error says too little: %+v", e)
		}
		errs = append(errs, report.Error{What: e.What, Offset: e.Offset, Length: e.Length, Attempts: e.Attempts, Lost: e.Lost})
	}
	if !slices.Equal(errs, m.errors) {
		g.t.Errorf("errors are %v, want %v", errs, m.errors)
	}
	if g.log.BlockStatus != m.status || g.log.Transferred != m.transferred {
		g.t.Errorf("status %+v, transferred %d; want %+v, %d", g.log.BlockStatus, g.log.Transferred, m.status, m.transferred)
	}
}

// noise is bytes that are no zeros on end.
func noise(seed uint64, n int) []byte {
	data := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8)}).Read(data)
	return data
}

// random is a disk with its extents, of 64 KiB to 5 MiB.
func random(r *rand.Rand) (data []byte, extents []Extent) {
	data = noise(r.Uint64(), 64<<10+r.IntN(5<<20))
	kinds := []Kind{Data, Zero, Hole}
	for at := 0; at < len(data); {
		length := min(1+r.IntN(1<<[]int{9, 14, 17, 20}[r.IntN(4)]), len(data)-at)
		if r.IntN(2) == 0 && length > 512 {
			length -= (at + length) % 512
		}
		kind := kinds[r.IntN(3)]
		if kind != Data {
			clear(data[at : at+length])
		}
		extents = append(extents, Extent{int64(at), int64(length), kind})
		at += length
	}
	return data, extents
}

// TestRandom runs a hundred acquisitions and holds them to the model.
func TestRandom(t *testing.T) {
	for seed := range uint64(100) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { runRandom(t, seed) })
		})
	}
}

func runRandom(t *testing.T, seed uint64) {
	r := rand.New(rand.NewPCG(seed, 9))
	data, extents := random(r)
	d := &fakeDisk{data: data, extents: extents}
	if r.IntN(4) == 0 {
		d.answer = 1 + r.Int64N(1<<20)
	}
	if r.IntN(8) == 0 {
		d.extents, extents = nil, nil
	}
	f := randomFate(r, seed, len(data))
	fails := f.counted()
	d.failing = func(offset, length int64) error {
		if fails(offset, length) {
			return errBad
		}
		return nil
	}
	g := newRig(t, d)
	g.offset = r.Int64N(3) * 31744 // partitions begin where they like
	g.settings = report.Settings{Retries: r.IntN(4), Smallest: 512 << r.IntN(12), SkipHoles: r.IntN(8) > 0}
	if err := g.run(t.Context()); err != nil {
		t.Fatal(err)
	}
	expect(data, extents, g.settings, g.offset, f).holds(g)
}

func randomFate(r *rand.Rand, seed uint64, size int) fate {
	switch r.IntN(5) {
	case 0:
		return chance(seed, 10)
	case 1:
		return chance(seed, 500)
	case 2:
		return chance(seed, 1000)
	case 3:
		return chance(seed, 0)
	}
	bad := map[int64]int{}
	for range 1 + r.IntN(20) {
		bad[r.Int64N(int64(size)/512+1)] = r.IntN(6) - 1
	}
	return sectors(bad)
}
