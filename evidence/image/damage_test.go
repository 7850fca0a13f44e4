package image

import (
	"bytes"
	"errors"
	"io"
	"runtime"
	"strings"
	"sync"
	"testing"
)

// damaged is an image that was made otherwise than by a Writer.
func damaged(frames, entries []byte, change func(header, footer []byte)) []byte {
	header, footer := tableEnds(len(entries) / entrySize)
	if change != nil {
		change(header, footer)
	}
	return bytes.Join([][]byte{frames, header, entries, footer}, nil)
}

func TestOpenRefuses(t *testing.T) {
	frames := imageOf(t, Zstd, part{data: []byte("abc")}, part{zeros: 5})[:34]
	good := appendEntry(appendEntry(nil, 16, 3), 18, 5)
	if i := open(t, Zstd, damaged(frames, good, nil)); i.Size() != 8 {
		t.Fatalf("%d bytes", i.Size())
	}
	for _, c := range []struct {
		name, want string
		file       []byte
	}{
		{"nothing", "no image", nil},
		{"the end is missing", "no image", damaged(frames, good, nil)[:60]},
		{"no table", "no image", frames},
		{"another magic", "no image", damaged(frames, good, func(_, f []byte) { f[8]++ })},
		{"checksums in the table", "kind (0x80)", damaged(frames, good, func(_, f []byte) { f[4] = 0x80 })},
		{"another number", "no beginning", damaged(frames, good, func(_, f []byte) { f[0]-- })},
		{"a number beyond the file", "no room", damaged(frames, good, func(_, f []byte) { f[3] = 7 })},
		{"a number beyond all", "no room", damaged(frames, good, func(_, f []byte) { f[3] = 0xff })},
		{"another header", "no beginning", damaged(frames, good, func(h, _ []byte) { h[0] ^= 1 })},
		{"another size of the table", "no beginning", damaged(frames, good, func(h, _ []byte) { h[4]++ })},
		{"frames that are too short", "damaged", damaged(frames, appendEntry(appendEntry(nil, 16, 3), 17, 5), nil)},
		{"frames that are too long", "damaged", damaged(frames, appendEntry(appendEntry(nil, 16, 3), 19, 5), nil)},
		{"a frame of nothing", "no image of this program", damaged(frames, appendEntry(good, 0, 1), nil)},
		{"a frame for nothing", "no image of this program", damaged(frames, appendEntry(appendEntry(nil, 16, 3), 18, 0), nil)},
		{"too long a frame", "no image of this program", damaged(frames, appendEntry(appendEntry(nil, 16, 3), 18, maxFrame+1), nil)},
		{"too much in a frame", "no image of this program", damaged(frames, appendEntry(appendEntry(nil, maxCompressed+1, 3), 18, 5), nil)},
	} {
		_, err := Open(Zstd, bytes.NewReader(c.file), int64(len(c.file)))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}
	if _, err := Open("e01", bytes.NewReader(nil), 0); err == nil {
		t.Error("a format that is none is opened")
	}
}

// TestReadRefuses reads frames that are not what the table says.
func TestReadRefuses(t *testing.T) {
	const long = 5 * MaxPiece
	e, err := newEncoder()
	must(t, err)
	piece := func(n int) []byte { return bytes.Clone(e.piece(bytes.Repeat([]byte("ab"), n/2))) }
	zeros := func(n int64) []byte {
		frame, err := e.zeros(n)
		must(t, err)
		return bytes.Clone(frame)
	}
	flipped := func(frame []byte) []byte {
		frame[len(frame)-1] ^= 1 // of the checksum
		return frame
	}
	for _, c := range []struct {
		name, want string
		frame      []byte
		length     int
	}{
		{"a piece that is shorter", "as long as", piece(100), 101},
		{"a piece that is longer", "damaged in bytes", piece(100), 99},
		{"two frames", "exceeds", append(piece(100), piece(100)...), 100},
		{"a wrong checksum", "CRC", flipped(piece(100)), 100},
		{"no frame", "magic", []byte("this is no frame of Zstandard"), 100},
		{"zeros that are fewer", "as long as", zeros(long - 1), long},
		{"zeros that are more", "as long as", zeros(long), long - 1},
		{"zeros with a wrong checksum", "CRC", flipped(zeros(long)), long},
		{"data that is too long", "not of zeros", piece(2 * MaxPiece), 2 * MaxPiece},
		{"zeros that are cut", "EOF", zeros(long)[:300], long},
		{"a window that is too large", "window", unhex(t, "28b52ffd0488010000"), 100},
		{"a content that is too large", "exceeds", unhex(t, "28b52ffda400000040010000"), 100},
	} {
		file := damaged(c.frame, appendEntry(nil, len(c.frame), c.length), nil)
		i := open(t, Zstd, file)
		for range 2 { // the second time must not find it in a cache
			n, err := i.ReadAt(make([]byte, 10), int64(c.length)-10)
			if err == nil || n != 0 || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%s: %d bytes, %v, want %q", c.name, n, err, c.want)
			}
		}
	}
}

// TestKnownZeros has the same frame twice, of which the table lies once.
func TestKnownZeros(t *testing.T) {
	const long = 5 * MaxPiece
	e, err := newEncoder()
	must(t, err)
	frame, err := e.zeros(long)
	must(t, err)
	entries := appendEntry(appendEntry(nil, len(frame), long), len(frame), long-1)
	i := open(t, Zstd, damaged(bytes.Repeat(frame, 2), entries, nil))
	if _, err := i.ReadAt(make([]byte, 10), 0); err != nil {
		t.Error(err)
	}
	if _, err := i.ReadAt(make([]byte, 10), long); err == nil {
		t.Error("a frame is as long as the table says, whatever it holds")
	}
}

// TestReadsAfterDamage: a frame that is damaged is not read, and the one before
// it is read again.
func TestReadsAfterDamage(t *testing.T) {
	file := imageOf(t, Zstd, part{data: []byte("good")}, part{data: []byte("evil")})
	file[bytes.Index(file, []byte("evil"))] ^= 1
	i, p := open(t, Zstd, file), make([]byte, 4)
	for range 2 {
		if _, err := i.ReadAt(p, 0); err != nil || string(p) != "good" {
			t.Errorf("%q, %v", p, err)
		}
		if _, err := i.ReadAt(p, 4); err == nil {
			t.Errorf("%q", p)
		}
	}
}

// TestReadsAfterLongFrames leaves a frame in its middle, and reads another.
func TestReadsAfterLongFrames(t *testing.T) {
	e, err := newEncoder()
	must(t, err)
	long := bytes.Clone(e.piece(bytes.Repeat([]byte("ab"), MaxPiece)))
	good := e.piece([]byte("good"))
	entries := appendEntry(appendEntry(nil, len(long), 2*MaxPiece), len(good), 4)
	i, p := open(t, Zstd, damaged(append(long, good...), entries, nil)), make([]byte, 4)
	for range 2 {
		if _, err := i.ReadAt(p, 0); err == nil {
			t.Error("a long frame of data is read")
		}
		if _, err := i.ReadAt(p, 2*MaxPiece); err != nil || string(p) != "good" {
			t.Errorf("%q, %v", p, err)
		}
	}
}

// TestHostileSizes opens an image whose table takes more memory than a
// reader may. All frames are the same few bytes.
func TestHostileSizes(t *testing.T) {
	e, err := newEncoder()
	must(t, err)
	frame, err := e.zeros(maxFrame)
	must(t, err)
	const count = 1_000_000
	file := repeated{frame: frame, entry: appendEntry(nil, len(frame), maxFrame), count: count}
	file.header, file.footer = tableEnds(count)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	i, err := Open(Zstd, file, file.size())
	must(t, err)
	p := make([]byte, 100)
	for at := int64(1); at < i.Size(); at += i.Size() / 50 {
		if _, err := i.ReadAt(p, at); err != nil || !bytes.Equal(p, make([]byte, 100)) {
			t.Fatal(at, err)
		}
	}
	runtime.ReadMemStats(&after)
	if got := after.TotalAlloc - before.TotalAlloc; got > 6<<20 {
		t.Errorf("%d bytes were allocated for an image of %d", got, i.Size())
	}
}

// A repeated is an image of count times the same frame.
type repeated struct {
	frame, header, entry, footer []byte
	count                        int64
}

func (r repeated) size() int64 {
	return r.count*int64(len(r.frame)+len(r.entry)) + int64(len(r.header)+len(r.footer))
}

func (r repeated) ReadAt(p []byte, at int64) (int, error) {
	for i := range p {
		p[i] = r.at(at + int64(i))
	}
	return len(p), nil
}

func (r repeated) at(i int64) byte {
	for _, part := range []struct {
		bytes []byte
		times int64
	}{{r.frame, r.count}, {r.header, 1}, {r.entry, r.count}} {
		length := int64(len(part.bytes)) * part.times
		if i < length {
			return part.bytes[i%int64(len(part.bytes))]
		}
		i -= length
	}
	return r.footer[i]
}

func TestReadAtEnds(t *testing.T) {
	for _, f := range []Format{Raw, Zstd} {
		i := open(t, f, imageOf(t, f, part{data: []byte("abcdef")}))
		p := make([]byte, 4)
		if n, err := i.ReadAt(p, 2); n != 4 || err != nil || string(p) != "cdef" {
			t.Errorf("%s: up to the end: %q, %v", f, p[:n], err)
		}
		if n, err := i.ReadAt(p, 3); n != 3 || !errors.Is(err, io.EOF) || string(p[:n]) != "def" {
			t.Errorf("%s: over the end: %q, %v", f, p[:n], err)
		}
		if n, err := i.ReadAt(p, 6); n != 0 || !errors.Is(err, io.EOF) {
			t.Errorf("%s: at the end: %d, %v", f, n, err)
		}
		if n, err := i.ReadAt(p, -1); n != 0 || err == nil {
			t.Errorf("%s: before the beginning: %d, %v", f, n, err)
		}
	}
	if i := open(t, Zstd, imageOf(t, Zstd)); i.Size() != 0 {
		t.Error("an empty disk is not")
	}
}

func TestConcurrentReads(t *testing.T) {
	parts := []part{{data: bytes.Repeat([]byte("one"), 100_000)}, {zeros: 2_000_000}, {data: bytes.Repeat([]byte("two"), 100_000)}}
	disk, i := joined(parts), open(t, Zstd, imageOf(t, Zstd, parts...))
	var all sync.WaitGroup
	for k := range 8 {
		all.Go(func() {
			p := make([]byte, 200_000)
			for at := k * 1000; at+len(p) < len(disk); at += 150_000 {
				if _, err := i.ReadAt(p, int64(at)); err != nil || !bytes.Equal(p, disk[at:at+len(p)]) {
					t.Errorf("at %d: %v", at, err)
				}
			}
		})
	}
	all.Wait()
}
