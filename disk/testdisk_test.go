package disk

import (
	"encoding/hex"
	"errors"
	"hash/crc32"
	"io"
	"strings"
	"testing"
)

// testDisk is a disk of zeros, but for the blocks that were written. It counts
// its reads, and fails those that touch a byte from bad to badEnd.
type testDisk struct {
	size        int64
	blocks      map[int64][]byte
	reads       int
	largest     int
	bad, badEnd int64
}

const testBlock = 512

var errBad = errors.New("a bad sector")

func newDisk(size int64) *testDisk { return &testDisk{size: size, blocks: map[int64][]byte{}} }

func (d *testDisk) put(at int64, b []byte) *testDisk {
	for i, c := range b {
		number := (at + int64(i)) / testBlock
		if d.blocks[number] == nil {
			d.blocks[number] = make([]byte, testBlock)
		}
		d.blocks[number][(at+int64(i))%testBlock] = c
	}
	return d
}

func (d *testDisk) text(at int64, t string) *testDisk { return d.put(at, []byte(t)) }

func (d *testDisk) le16(at int64, n uint16) *testDisk { return d.put(at, le.AppendUint16(nil, n)) }
func (d *testDisk) le32(at int64, n uint32) *testDisk { return d.put(at, le.AppendUint32(nil, n)) }
func (d *testDisk) le64(at int64, n uint64) *testDisk { return d.put(at, le.AppendUint64(nil, n)) }
func (d *testDisk) be16(at int64, n uint16) *testDisk { return d.put(at, be.AppendUint16(nil, n)) }
func (d *testDisk) be32(at int64, n uint32) *testDisk { return d.put(at, be.AppendUint32(nil, n)) }
func (d *testDisk) be64(at int64, n uint64) *testDisk { return d.put(at, be.AppendUint64(nil, n)) }

func (d *testDisk) ReadAt(p []byte, at int64) (int, error) {
	d.reads++
	d.largest = max(d.largest, len(p))
	if at < d.badEnd && at+int64(len(p)) > d.bad {
		return 0, errBad
	}
	clear(p)
	whole := len(p)
	p = p[:max(0, min(int64(whole), d.size-at))]
	for number, block := range d.blocks {
		if from := number * testBlock; from < at+int64(len(p)) && from+testBlock > at {
			copy(p[max(0, from-at):], block[max(0, at-from):])
		}
	}
	if len(p) < whole {
		return len(p), io.EOF
	}
	return whole, nil
}

// dump gives the first bytes of a disk.
func (d *testDisk) dump(length int64) []byte {
	b := make([]byte, min(length, d.size))
	_, _ = d.ReadAt(b, 0)
	return b
}

// entry writes an entry of an MBR, or of a table of logical partitions.
func (d *testDisk) entry(at int64, slot int, active, kind byte, start, count uint32) *testDisk {
	d.le16(at+510, 0xaa55)
	e := append([]byte{active, 0, 0, 0, kind, 0, 0, 0}, le.AppendUint32(nil, start)...)
	return d.put(at+446+16*int64(slot), le.AppendUint32(e, count))
}

// gptSpec is a GPT to be written.
type gptSpec struct {
	sector      int64
	count, each uint32
	last        uint64 // the sector of the backup; zero is the last one
	parts       []gptEntry
}

type gptEntry struct {
	kind, id    string
	first, last uint64
	flags       uint64
	name        []uint16
}

// rawGUID is a GUID as it is stored.
func rawGUID(t testing.TB, text string) []byte {
	b, err := hex.DecodeString(strings.ReplaceAll(text, "-", ""))
	if err != nil || len(b) != 16 {
		t.Fatal(text)
	}
	return append([]byte{b[3], b[2], b[1], b[0], b[5], b[4], b[7], b[6]}, b[8:]...)
}

const diskGUID = "12345678-9ABC-4DEF-8123-456789ABCDEF"

// gpt writes both copies and the protective MBR.
func (d *testDisk) gpt(t testing.TB, g gptSpec) *testDisk {
	entries := make([]byte, int64(g.count)*int64(g.each))
	for i, p := range g.parts {
		b := entries[i*int(g.each):]
		copy(b, rawGUID(t, p.kind))
		copy(b[16:], rawGUID(t, p.id))
		le.PutUint64(b[32:], p.first)
		le.PutUint64(b[40:], p.last)
		le.PutUint64(b[48:], p.flags)
		for j, unit := range p.name {
			le.PutUint16(b[56+2*j:], unit)
		}
	}
	sectors := (uint64(len(entries)) + uint64(g.sector) - 1) / uint64(g.sector)
	last := g.last
	if last == 0 {
		last = uint64(d.size/g.sector) - 1
	}
	d.entry(0, 0, 0, typeProtective, 1, uint32(min(last, 0xffffffff)))
	d.header(t, g, entries, 1, last, 2)
	return d.header(t, g, entries, last, 1, last-sectors)
}

func (d *testDisk) header(t testing.TB, g gptSpec, entries []byte, own, other, table uint64) *testDisk {
	h := make([]byte, 92)
	copy(h, gptMagic)
	le.PutUint32(h[8:], 0x10000)
	le.PutUint32(h[12:], 92)
	le.PutUint64(h[24:], own)
	le.PutUint64(h[32:], other)
	copy(h[56:], rawGUID(t, diskGUID))
	le.PutUint64(h[72:], table)
	le.PutUint32(h[80:], g.count)
	le.PutUint32(h[84:], g.each)
	le.PutUint32(h[88:], crc32.ChecksumIEEE(entries))
	le.PutUint32(h[16:], crc32.ChecksumIEEE(h))
	return d.put(int64(own)*g.sector, h).put(int64(table)*g.sector, entries)
}

// layout reads the layout, and holds it to what is always so.
func layout(t testing.TB, d *testDisk) *Layout {
	t.Helper()
	l, err := ReadLayout(d, d.size)
	if err != nil {
		t.Fatal(err)
	}
	checkCover(t, l)
	return l
}

// checkCover checks that the parts are in order and leave no byte out.
func checkCover(t testing.TB, l *Layout) {
	t.Helper()
	end, last := int64(0), int64(0)
	for _, p := range l.Parts {
		if p.Offset < last || p.Offset > end || p.Length < 0 || p.Offset+p.Length > l.Size || p.TypeName == "" {
			t.Fatalf("a part is out of place: %+v of %+v", p, l)
		}
		last, end = p.Offset, max(end, p.Offset+p.Length)
	}
	if end != l.Size {
		t.Fatalf("the parts end at %d of %d bytes", end, l.Size)
	}
}

// outline is a layout in short: kind, number, offset and length in sectors.
func outline(l *Layout) string {
	t := l.Scheme
	for _, p := range l.Parts {
		t += " " + map[string]string{PartPartition: "p", PartTable: "t", PartUnallocated: "-", PartWhole: "w"}[p.Kind]
		if p.Number > 0 {
			t += decimal(p.Number)
		}
		t += ":" + decimal(p.Offset/l.SectorSize) + "+" + decimal(p.Length/l.SectorSize)
	}
	return t
}

func problems(l *Layout) string {
	t := ""
	for _, p := range l.Problems {
		t += p.Text + "\n"
	}
	return t
}
