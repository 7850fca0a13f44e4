package image

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"io"
	"math/rand/v2"
	"slices"
	"testing"
)

// A memory is an Output. It fails when it has had room bytes, if room is set.
type memory struct {
	file    []byte
	holes   int64 // bytes that were skipped
	synced  int   // bytes that are durable
	room    int
	longest int // bytes of a Write
}

var errFull = errors.New("no space left")

func (m *memory) Write(ctx context.Context, p []byte) error {
	m.longest = max(m.longest, len(p))
	if m.room > 0 && len(m.file)+len(p) > m.room {
		m.file = append(m.file, p[:m.room-len(m.file)]...)
		return errFull
	}
	m.file = append(m.file, p...)
	return ctx.Err()
}

func (m *memory) Skip(ctx context.Context, n int64) error {
	m.holes += n
	return m.Write(ctx, make([]byte, n))
}

func (m *memory) Sync(ctx context.Context) error {
	m.synced = len(m.file)
	return ctx.Err()
}

// A part is what one call of a Writer gets: bytes, or zeros.
type part struct {
	data  []byte
	zeros int64
}

func (p part) write(w *Writer) error {
	if p.data != nil {
		return w.Write(context.Background(), p.data)
	}
	return w.Zeros(context.Background(), p.zeros)
}

func joined(parts []part) []byte {
	var disk []byte
	for _, p := range parts {
		disk = append(append(disk, p.data...), make([]byte, p.zeros)...)
	}
	return disk
}

// randomParts are pieces and holes of all kinds of lengths.
func randomParts(random *rand.Rand, source io.Reader) []part {
	parts := make([]part, 3+random.IntN(12))
	for i := range parts {
		switch length := random.IntN(300_000) + 1; random.IntN(4) {
		case 0:
			parts[i].zeros = int64(length)
		case 1:
			parts[i].data = make([]byte, MaxPiece)
			_, _ = source.Read(parts[i].data)
		case 3: // what compresses
			parts[i].data = bytes.Repeat([]byte{byte(length)}, length)
		default:
			parts[i].data = make([]byte, length)
			_, _ = source.Read(parts[i].data)
		}
	}
	return parts
}

func begin(t testing.TB, f Format, out Output) *Writer {
	t.Helper()
	w, err := NewWriter(f, out)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// imageOf is the file that the parts make.
func imageOf(t testing.TB, f Format, parts ...part) []byte {
	t.Helper()
	var m memory
	w := begin(t, f, &m)
	for _, p := range parts {
		must(t, p.write(w))
	}
	must(t, w.Finish(context.Background()))
	if m.synced != len(m.file) || w.State().File != int64(len(m.file)) {
		t.Errorf("%d bytes of %d are durable, and the state says %d", m.synced, len(m.file), w.State().File)
	}
	return m.file
}

func open(t testing.TB, f Format, file []byte) *Image {
	t.Helper()
	i, err := Open(f, bytes.NewReader(file), int64(len(file)))
	if err != nil {
		t.Fatal(err)
	}
	return i
}

// wantDisk reads the whole image, and then pieces of it here and there.
func wantDisk(t *testing.T, i *Image, disk []byte, random *rand.Rand) {
	t.Helper()
	if i.Size() != int64(len(disk)) {
		t.Fatalf("the disk has %d bytes, want %d", i.Size(), len(disk))
	}
	got := make([]byte, len(disk)+1)
	if n, err := i.ReadAt(got, 0); !errors.Is(err, io.EOF) || !bytes.Equal(got[:n], disk) {
		t.Fatalf("%d bytes of %d are not those of the disk, or: %v", n, len(disk), err)
	}
	for range 20 {
		from := random.IntN(len(disk))
		p := make([]byte, random.IntN(min(len(disk)-from, 3_000_000)+1))
		if n, err := i.ReadAt(p, int64(from)); n != len(p) || err != nil || !bytes.Equal(p, disk[from:from+n]) {
			t.Fatalf("%d bytes at %d: %d, %v", len(p), from, n, err)
		}
	}
}

func TestRoundTrip(t *testing.T) {
	for _, f := range []Format{Raw, Zstd} {
		for seed := range uint64(6) {
			random := rand.New(rand.NewPCG(seed, 1))
			parts := randomParts(random, rand.NewChaCha8([32]byte{byte(seed)}))
			if seed == 0 {
				parts = slices.Insert(parts, 1, part{zeros: maxFrame + 7})
			}
			disk, file := joined(parts), imageOf(t, f, parts...)
			if f == Raw && !bytes.Equal(file, disk) {
				t.Fatal("a raw image is not the disk")
			}
			wantDisk(t, open(t, f, file), disk, random)
		}
	}
}

// TestResume stops after each part, loses what was written later, and goes on.
func TestResume(t *testing.T) {
	for _, f := range []Format{Raw, Zstd} {
		random := rand.New(rand.NewPCG(7, 7))
		parts := randomParts(random, rand.NewChaCha8([32]byte{7}))
		want := imageOf(t, f, parts...)
		var first memory
		w := begin(t, f, &first)
		for at, p := range parts {
			state := w.State()
			var second memory
			second.file = slices.Clone(first.file[:state.File])
			must(t, p.write(w)) // must not reach into the state
			resumed, err := Resume(state, &second)
			must(t, err)
			for _, p := range parts[at:] {
				must(t, p.write(resumed))
			}
			must(t, resumed.Finish(context.Background()))
			if !bytes.Equal(second.file, want) {
				t.Errorf("%s: resumed after %d parts, it is another image", f, at)
			}
		}
	}
}

// TestManyFrames has a table of several pages.
func TestManyFrames(t *testing.T) {
	parts := make([]part, 2*pageEntries+3)
	for i := range parts {
		parts[i].data = binary.BigEndian.AppendUint64(nil, uint64(i))[8-1-i%7:]
	}
	wantDisk(t, open(t, Zstd, imageOf(t, Zstd, parts...)), joined(parts), rand.New(rand.NewPCG(1, 1)))
}

// tiny is an image of "abc" and five zeros, field by field of RFC 8878 and of
// the seekable format.
var tiny = []struct{ field, bytes string }{
	{"Magic_Number", "28b52ffd"},
	{"Frame_Header_Descriptor: with a checksum", "04"},
	{"Window_Descriptor: 1 KiB", "00"},
	{"Block_Header: the last, raw, 3 bytes", "190000"},
	{"Block_Content", "616263"},
	{"Content_Checksum: of XXH64 44bc2cf5ad770999", "990977ad"},
	{"Magic_Number", "28b52ffd"},
	{"Frame_Header_Descriptor: with a checksum", "04"},
	{"Window_Descriptor: 1 KiB", "00"},
	{"Block_Header: the last, raw, 5 bytes", "290000"},
	{"Block_Content", "0000000000"},
	{"Content_Checksum", "48c6a8b7"},
	{"Skippable_Magic_Number", "5e2a4d18"},
	{"Frame_Size", "19000000"},
	{"Compressed_Size", "10000000"},
	{"Decompressed_Size", "03000000"},
	{"Compressed_Size", "12000000"},
	{"Decompressed_Size", "05000000"},
	{"Number_Of_Frames", "02000000"},
	{"Seek_Table_Descriptor: no checksums", "00"},
	{"Seekable_Magic_Number", "b1ea928f"},
}

func TestTiny(t *testing.T) {
	file := imageOf(t, Zstd, part{data: []byte("abc")}, part{zeros: 5})
	for _, c := range tiny {
		want := unhex(t, c.bytes)
		if !bytes.HasPrefix(file, want) {
			t.Fatalf("%s is %x, want %s", c.field, file[:min(len(want), len(file))], c.bytes)
		}
		file = file[len(want):]
	}
	if len(file) != 0 {
		t.Errorf("%x follows", file)
	}
}

func unhex(t testing.TB, text string) []byte {
	t.Helper()
	b, err := hex.DecodeString(text)
	must(t, err)
	return b
}
