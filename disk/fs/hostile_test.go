package fs

import (
	"bytes"
	"flag"
	"math/rand/v2"
	"runtime"
	"testing"
)

var corruptions = flag.Int("corruptions", 100, "how many damaged images are made of each seed")

// Bounds of what a walk over a damaged image may take. A sound one takes a
// hundredth.
const (
	maxWalkReads = 20000
	maxWalkAlloc = 1 << 30 // bytes, in sum
)

// TestDamagedImages changes bytes anywhere in what a seed holds, and walks
// through what is left of it.
func TestDamagedImages(t *testing.T) {
	for _, name := range seedKinds {
		t.Run(name, func(t *testing.T) {
			random := rand.New(rand.NewPCG(1, 2))
			places := filled(seed(t, name))
			for i := range *corruptions {
				image := bytes.Clone(seed(t, name))
				for range 1 << random.IntN(8) {
					image[places[random.IntN(len(places))]+random.IntN(chunk)] = oddByte(random)
				}
				if !walkDamaged(t, image) {
					t.Fatalf("image %d of %s", i, name)
				}
			}
		})
	}
}

const chunk = 16

// filled gives where an image holds more than zeroes: only there can damage do
// anything.
func filled(image []byte) []int {
	var places []int
	for at := 0; at+chunk <= len(image); at += chunk {
		if !bytes.Equal(image[at:at+chunk], make([]byte, chunk)) {
			places = append(places, at)
		}
	}
	return places
}

// oddByte is often one of those that lie at the edge of something.
func oddByte(random *rand.Rand) byte {
	if random.IntN(2) == 0 {
		return []byte{0, 1, 2, 0x7f, 0x80, 0xff}[random.IntN(6)]
	}
	return byte(random.IntN(256))
}

// walkDamaged fails the test if a walk takes too much. A panic ends it anyway.
func walkDamaged(t testing.TB, image []byte) bool {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	disk := &testDisk{data: image}
	pages := NewPages(disk, int64(len(image)), 0)
	if v, err := Open(pages, pages.Size()); err == nil {
		walk(v, 1000)
		v.Close()
	}
	runtime.ReadMemStats(&after)
	if n := disk.count(); n > maxWalkReads {
		t.Errorf("%d reads", n)
		return false
	}
	if n := after.TotalAlloc - before.TotalAlloc; n > maxWalkAlloc {
		t.Errorf("%d MiB of memory", n>>20)
		return false
	}
	return true
}

// FuzzVolume changes a seed by pieces of four bytes: where, of what it holds,
// and which byte.
func FuzzVolume(f *testing.F) {
	for kind := range seedKinds {
		f.Add(byte(kind), []byte{})
		f.Add(byte(kind), []byte{0, 0, 20, 0xff, 1, 0, 3, 0x80})
	}
	f.Fuzz(func(t *testing.T, kind byte, changes []byte) {
		name := seedKinds[int(kind)%len(seedKinds)]
		image := bytes.Clone(seed(t, name))
		places := filled(image)
		for ; len(changes) >= 4; changes = changes[4:] {
			at := int(be.Uint32(changes) >> 8)
			image[places[at/chunk%len(places)]+at%chunk] = changes[3]
		}
		walkDamaged(t, image)
	})
}

// FuzzOpeners gives each format any bytes at all.
func FuzzOpeners(f *testing.F) {
	for kind, name := range seedKinds {
		image := seed(f, name)
		f.Add(byte(kind), image[:min(len(image), 64<<10)])
	}
	f.Fuzz(func(t *testing.T, kind byte, image []byte) {
		open := openers[[]string{"ext2", "ext4", "ntfs", "iso9660", "fat12", "fat32", "exfat"}[kind%7]]
		pages := NewPages(bytes.NewReader(image), int64(len(image)), 0)
		if format, err := tryOpen(open, newSource(t.Context(), pages)); err == nil {
			walk(&volume{pages: pages, format: format}, 1000)
		}
	})
}

func FuzzLZNT1(f *testing.F) {
	f.Add([]byte{0x03, 0xb0, 0x04, 'a', 'b', 0x01, 0x00})
	f.Fuzz(func(t *testing.T, packed []byte) {
		lznt1(make([]byte, 16<<10), packed)
	})
}
