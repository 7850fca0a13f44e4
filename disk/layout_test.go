package disk

import (
	"slices"
	"strings"
	"testing"
)

const (
	linuxGUID = "0FC63DAF-8483-4772-8E79-3D69D8477DE4"
	efiGUID   = "C12A7328-F81F-11D2-BA4B-00A0C93EC93B"
	oneGUID   = "11111111-1111-4111-8111-111111111111"
	twoGUID   = "22222222-2222-4222-8222-222222222222"
)

const mib = 1 << 20

func usual() gptSpec {
	return gptSpec{sector: 512, count: 128, each: 128, parts: []gptEntry{
		{kind: efiGUID, id: oneGUID, first: 2048, last: 4095, flags: 1<<2 | 1<<50, name: []uint16{'E', 'F', 'I'}},
		{kind: linuxGUID, id: twoGUID, first: 8192, last: 12287, name: []uint16{0xd800, 'a', 0xd83d, 0xde00, 7}},
	}}
}

const usualOutline = "gpt t:0+1 t:1+1 t:2+32 -:34+2014 p1:2048+2048 -:4096+4096 p2:8192+4096 -:12288+4063 t:16351+32 t:16383+1"

// fat is a disk with the boot sector of a FAT file system.
func fatDisk(d *testDisk) *testDisk {
	return d.put(0, []byte{0xeb, 0x3c, 0x90}).text(3, "mkfs.fat").le16(11, 512).put(13, []byte{4, 1, 0, 2}).
		le16(17, 512).le16(19, 8192).put(21, []byte{0xf8}).le16(22, 8).put(38, []byte{0x29}).le32(39, 0x12345678).
		text(43, "NO NAME    FAT12   ").le16(510, 0xaa55).put(512, []byte{0xf8, 0xff, 0xff})
}

var layouts = []struct {
	name    string
	disk    func(t *testing.T) *testDisk
	outline string
	// problems are parts of the sentences, in order.
	problems []string
}{
	{"empty disk", func(*testing.T) *testDisk { return newDisk(8 * mib) }, "none w:0+16384", nil},
	{"tiny disk", func(*testing.T) *testDisk { return newDisk(100) }, "none w:0+0", nil},
	{"usual", func(t *testing.T) *testDisk { return newDisk(8*mib).gpt(t, usual()) }, usualOutline, nil},
	{"sectors of 4096", func(t *testing.T) *testDisk {
		g := usual()
		g.sector, g.parts[0].first, g.parts[0].last, g.parts = 4096, 256, 511, g.parts[:1]
		return newDisk(8*mib).gpt(t, g)
	}, "gpt t:0+1 t:1+1 t:2+4 -:6+250 p1:256+256 -:512+1531 t:2043+4 t:2047+1", nil},
	{"large entries", func(t *testing.T) *testDisk {
		g := usual()
		g.each, g.count = 256, 8
		return newDisk(8*mib).gpt(t, g)
	}, "gpt t:0+1 t:1+1 t:2+4 -:6+2042 p1:2048+2048 -:4096+4096 p2:8192+4096 -:12288+4091 t:16379+4 t:16383+1", nil},
	{"primary header damaged", func(t *testing.T) *testDisk {
		return newDisk(8*mib).gpt(t, usual()).text(512+60, "damage")
	}, strings.Replace(usualOutline, "t:2+32 -:34+2014", "-:2+2046", 1), []string{"The header of the primary GPT has a wrong checksum. The other copy is used."}},
	{"primary header gone", func(t *testing.T) *testDisk {
		return newDisk(8*mib).gpt(t, usual()).put(512, make([]byte, 512))
	}, strings.Replace(usualOutline, "t:1+1 t:2+32 -:34+2014", "-:1+2047", 1), []string{"The primary GPT is missing"}},
	{"primary entries damaged", func(t *testing.T) *testDisk {
		return newDisk(8*mib).gpt(t, usual()).text(1024+56, "damage")
	}, usualOutline, []string{"The entries of the primary GPT have a wrong checksum. The other copy is used."}},
	{"backup gone", func(t *testing.T) *testDisk {
		return newDisk(8*mib).gpt(t, usual()).put(8*mib-512, make([]byte, 512))
	}, strings.Replace(usualOutline, "4063 t:16351+32 t:16383+1", "4096", 1), []string{"The backup GPT is missing"}},
	{"both entries damaged", func(t *testing.T) *testDisk {
		return newDisk(8*mib).gpt(t, usual()).text(1024+56, "damage").text(16351*512+56, "damage")
	}, usualOutline, []string{"It is used all the same", "The entries of the backup GPT have a wrong checksum. The other"}},
	{"copies differ", func(t *testing.T) *testDisk {
		d, g := newDisk(8*mib).gpt(t, usual()), usual()
		d.header(t, g, make([]byte, 16384), 16383, 1, 16351)
		return d
	}, usualOutline, []string{"The two copies of the GPT differ. The primary GPT is used."}},
	{"grown", func(t *testing.T) *testDisk {
		g := usual()
		g.last = 16383
		return newDisk(16*mib).gpt(t, g)
	}, usualOutline + " -:16384+16384", []string{"seems to have been grown"}},
	{"grown, and the primary's entries damaged", func(t *testing.T) *testDisk {
		g := usual()
		g.last = 16383
		return newDisk(16*mib).gpt(t, g).text(1024, "damage")
	}, usualOutline + " -:16384+16384", []string{"The entries of the primary", "seems to have been grown"}},
	{"cut short", func(t *testing.T) *testDisk {
		d := newDisk(8*mib).gpt(t, usual())
		d.size = 5 * mib
		return d
	}, "gpt t:0+1 t:1+1 t:2+32 -:34+2014 p1:2048+2048 -:4096+4096 p2:8192+2048", []string{"The backup GPT is missing", "beyond the end of the disk, which may have been cut", "It is cut off there"}},
	{"no protective MBR", func(t *testing.T) *testDisk {
		return newDisk(8*mib).gpt(t, usual()).put(446, make([]byte, 66))
	}, usualOutline, []string{"is missing or damaged. The GPT is used"}},
	{"hybrid", func(t *testing.T) *testDisk {
		return newDisk(8*mib).gpt(t, usual()).entry(0, 1, 0x80, 0x83, 8192, 4096)
	}, usualOutline, []string{"hybrid"}},
	{"protective MBR without GPT", func(*testing.T) *testDisk {
		return newDisk(8*mib).entry(0, 0, 0, typeProtective, 1, 16383)
	}, "mbr t:0+1 p1:1+16383", []string{"neither copy can be read"}},
	{"GPT of an earlier use", func(t *testing.T) *testDisk {
		return newDisk(8*mib).gpt(t, usual()).entry(0, 0, 0, 0x83, 2048, 2048)
	}, "mbr t:0+1 -:1+2047 p1:2048+2048 -:4096+12288", []string{"no MBR protects"}},
	{"GPT partitions overlap, and are out of place", func(t *testing.T) *testDisk {
		g := usual()
		g.parts = []gptEntry{
			{kind: linuxGUID, id: oneGUID, first: 2048, last: 6143},
			{kind: linuxGUID, id: twoGUID, first: 4096, last: 8191},
			{kind: linuxGUID, id: twoGUID, first: 9000, last: 8000},
			{kind: linuxGUID, id: twoGUID, first: 1 << 62, last: 1<<63 - 1},
			{kind: linuxGUID, id: twoGUID, first: 1 << 40, last: 1 << 41},
			{kind: linuxGUID, id: twoGUID, first: 16000, last: 1<<64 - 1},
		}
		return newDisk(8*mib).gpt(t, g)
	}, "gpt t:0+1 t:1+1 t:2+32 -:34+2014 p1:2048+4096 p2:4096+4096 -:8192+7808 p6:16000+384 t:16351+32 t:16383+1", []string{
		"Partition 3 ends before", "Partition 4 ends before", "Partition 5 begins at byte 562949953421312, beyond", "It is cut off there",
		"Partition 1 and Partition 2 overlap", "Partition 6 and Backup GPT entries overlap", "Partition 6 and Backup GPT header overlap",
	}},
	{"MBR", func(*testing.T) *testDisk {
		return newDisk(8*mib).le32(440, 0xdeadbeef).entry(0, 0, 0x80, 0x07, 2048, 2048).entry(0, 2, 0, 0x83, 8192, 8192)
	}, "mbr t:0+1 -:1+2047 p1:2048+2048 -:4096+4096 p3:8192+8192", nil},
	{"MBR without partitions", func(*testing.T) *testDisk {
		return newDisk(8*mib).le16(510, 0xaa55)
	}, "mbr t:0+1 -:1+16383", nil},
	{"logical partitions", func(*testing.T) *testDisk { return logical(newDisk(8 * mib)) },
		"mbr t:0+1 -:1+2047 p1:2048+2048 t:4096+1 -:4097+63 p5:4160+1000 -:5160+936 t:6096+1 -:6097+63 p6:6160+1000 -:7160+5128 -:12288+4096", nil},
	{"a chain that loops", func(*testing.T) *testDisk {
		return logical(newDisk(8*mib)).entry(6096*512, 1, 0, 0x05, 0, 1000)
	}, "mbr t:0+1 -:1+2047 p1:2048+2048 t:4096+1 -:4097+63 p5:4160+1000 -:5160+936 t:6096+1 -:6097+63 p6:6160+1000 -:7160+5128 -:12288+4096",
		[]string{"The chain of logical partitions leads back to byte 2097152"}},
	{"a chain that leaves", func(*testing.T) *testDisk {
		return logical(newDisk(8*mib)).entry(6096*512, 1, 0, 0x05, 8192, 1000)
	}, "mbr t:0+1 -:1+2047 p1:2048+2048 t:4096+1 -:4097+63 p5:4160+1000 -:5160+936 t:6096+1 -:6097+63 p6:6160+1000 -:7160+5128 -:12288+4096",
		[]string{"out of its extended partition"}},
	{"a chain that breaks", func(*testing.T) *testDisk {
		return logical(newDisk(8*mib)).put(6096*512, make([]byte, 512))
	}, "mbr t:0+1 -:1+2047 p1:2048+2048 t:4096+1 -:4097+63 p5:4160+1000 -:5160+7128 -:12288+4096", []string{"no readable table"}},
	{"a logical partition that is too long", func(*testing.T) *testDisk {
		return logical(newDisk(8*mib)).entry(6096*512, 0, 0, 0x83, 64, 7000)
	}, "mbr t:0+1 -:1+2047 p1:2048+2048 t:4096+1 -:4097+63 p5:4160+1000 -:5160+936 t:6096+1 -:6097+63 p6:6160+7000 -:13160+3224",
		[]string{"reaches beyond its extended partition 2"}},
	{"MBR of sectors of 4096", func(*testing.T) *testDisk {
		return newDisk(8*mib).entry(0, 0, 0, 0x83, 256, 1024).text(256*4096, "LUKS\xba\xbe\x00\x01aes").be32(256*4096+108, 32)
	}, "mbr t:0+1 -:1+255 p1:256+1024 -:1280+768", nil},
	{"FAT without a table", func(*testing.T) *testDisk { return fatDisk(newDisk(8 * mib)) }, "none w:0+16384", nil},
	{"FAT with code like a table", func(*testing.T) *testDisk {
		return fatDisk(newDisk(8*mib)).entry(0, 0, 0x80, 0x83, 0x20202020, 0x20202020)
	}, "none w:0+16384", nil},
	{"FAT with a table", func(*testing.T) *testDisk {
		return fatDisk(newDisk(8*mib)).entry(0, 0, 0x80, 0x83, 8192, 2048)
	}, "mbr t:0+1 -:1+8191 p1:8192+2048 -:10240+6144", nil},
	{"FAT over the backup of a GPT", func(t *testing.T) *testDisk {
		return fatDisk(newDisk(8*mib).gpt(t, usual()).put(0, make([]byte, 1024)))
	}, "none w:0+16384", []string{"no MBR protects"}},
	{"boot code without a table", func(*testing.T) *testDisk {
		return newDisk(8*mib).entry(0, 0, 0x55, 0x83, 1, 1)
	}, "none w:0+16384", nil},
	{"hybrid CD", func(*testing.T) *testDisk {
		return isoDisk(newDisk(8*mib)).entry(0, 0, 0x80, 0x17, 0, 16384)
	}, "mbr t:0+1 p1:0+16384", nil},
	{"partition on the table", func(*testing.T) *testDisk {
		return newDisk(8*mib).entry(0, 0, 0x80, 0x17, 0, 16384)
	}, "mbr t:0+1 p1:0+16384", []string{"Master boot record and Partition 1 overlap"}},
	{"Apple", func(*testing.T) *testDisk {
		return newDisk(8*mib).text(0, "ER\x02\x00").text(512, "PM\x00\x00\x00\x00\x00\x01")
	}, "none w:0+16384", []string{"Apple partition map"}},
}

// logical is a disk with two logical partitions in the extended one.
func logical(d *testDisk) *testDisk {
	return d.entry(0, 0, 0, 0x83, 2048, 2048).entry(0, 1, 0, 0x05, 4096, 8192).
		entry(4096*512, 0, 0, 0x83, 64, 1000).entry(4096*512, 1, 0, 0x05, 2000, 1064).
		entry(6096*512, 0, 0, 0x82, 64, 1000)
}

// isoDisk is a disk with the primary descriptor of a CD.
func isoDisk(d *testDisk) *testDisk {
	return d.text(32768, "\x01CD001\x01").text(32768+40, "A LABEL                         ").
		le32(32768+80, 4096).be32(32768+84, 4096).le16(32768+128, 2048).be16(32768+130, 2048).
		text(32768+813, "2026010203040506").text(32768+2048, "\xffCD001\x01")
}

func TestLayouts(t *testing.T) {
	for _, test := range layouts {
		t.Run(test.name, func(t *testing.T) {
			l := layout(t, test.disk(t))
			if got := outline(l); got != test.outline {
				t.Errorf("got  %s\nwant %s", got, test.outline)
			}
			if len(l.Problems) != len(test.problems) {
				t.Fatalf("got problems:\n%s", problems(l))
			}
			for i, want := range test.problems {
				if !strings.Contains(l.Problems[i].Text, want) {
					t.Errorf("got %q, want %q", l.Problems[i].Text, want)
				}
			}
		})
	}
}

func TestEntriesInWords(t *testing.T) {
	l := layout(t, newDisk(8*mib).gpt(t, usual()))
	if l.UUID != diskGUID {
		t.Error(l.UUID)
	}
	i := slices.IndexFunc(l.Parts, func(p Part) bool { return p.Number == 1 })
	p := l.Parts[i]
	if p.Type != efiGUID || p.TypeName != "EFI System" || p.UUID != oneGUID || p.Name != "EFI" || strings.Join(p.Flags, ", ") != "bootable by a legacy BIOS, bit 50" {
		t.Errorf("%+v", p)
	}
	if name := l.Parts[i+2].Name; name != "\ufffda\U0001f600\ufffd" {
		t.Errorf("%q", name)
	}
}

func TestMBRInWords(t *testing.T) {
	l := layout(t, logical(newDisk(8*mib)).le32(440, 0xdeadbeef).entry(0, 2, 0x80, 0x0c, 14000, 100))
	if l.UUID != "DEADBEEF" || len(l.Containers) != 1 || l.Containers[0].Number != 2 || l.Containers[0].TypeName != "Extended" {
		t.Errorf("%+v", l)
	}
	i := slices.IndexFunc(l.Parts, func(p Part) bool { return p.Number == 6 })
	if p := l.Parts[i]; p.TypeName != "Linux swap" || p.UUID != "DEADBEEF-06" || p.Type != "82" || p.Flags != nil {
		t.Errorf("%+v", p)
	}
	if p := l.Parts[i+1]; p.TypeName != "Unallocated in the extended partition" {
		t.Errorf("%+v", p)
	}
	i = slices.IndexFunc(l.Parts, func(p Part) bool { return p.Number == 3 })
	if p := l.Parts[i]; len(p.Flags) != 1 || p.Flags[0] != "active" {
		t.Errorf("%+v", p)
	}
}

func TestLongChainIsCut(t *testing.T) {
	d := newDisk(64*mib).entry(0, 0, 0, 0x05, 1, 100000)
	for i := range uint32(1000) {
		at := (1 + int64(i)*4) * 512
		d.entry(at, 0, 0, 0x83, 1, 1).entry(at, 1, 0, 0x05, (i+1)*4, 4)
	}
	l := layout(t, d)
	if !strings.Contains(problems(l), "more than 256 logical") || d.reads > layoutReads {
		t.Errorf("%d reads, %s", d.reads, problems(l))
	}
}

func TestHostileTablesTakeNoMemory(t *testing.T) {
	for _, g := range []gptSpec{
		{sector: 512, count: 0, each: 128}, {sector: 512, count: 1, each: 64}, {sector: 512, count: 1, each: 132},
		{sector: 512, count: 9000, each: 128}, {sector: 512, count: 300, each: 4096},
	} {
		d := newDisk(8*mib).gpt(t, g)
		if l := layout(t, d); l.Scheme != "mbr" || d.largest > maxEntryBytes {
			t.Errorf("%+v: %s, %d bytes at once", g, outline(l), d.largest)
		}
	}
}

func TestProblemsAreBounded(t *testing.T) {
	g := gptSpec{sector: 512, count: 1024, each: 128}
	for range g.count {
		g.parts = append(g.parts, gptEntry{kind: linuxGUID, id: oneGUID, first: 9000, last: 8000})
	}
	if l := layout(t, newDisk(8*mib).gpt(t, g)); len(l.Problems) != maxProblems {
		t.Error(len(l.Problems))
	}
}

func TestLayoutOfBadSectors(t *testing.T) {
	d := newDisk(8*mib).gpt(t, usual())
	d.bad, d.badEnd = 0, 600
	l := layout(t, d)
	if l.Scheme != "gpt" || !strings.Contains(problems(l), "a bad sector") || !strings.Contains(problems(l), "The primary GPT is missing or can't be read") {
		t.Error(outline(l), problems(l))
	}
	d.bad, d.badEnd = 0, d.size
	if _, err := ReadLayout(d, d.size); err == nil || err.(*ReadError).Err != errBad {
		t.Error(err)
	}
	if _, err := ReadLayout(d, -1); err == nil {
		t.Error("a negative size was taken")
	}
}

// TestLayoutReads holds the cost of the usual disks down: one of 1 TiB, which no
// two windows cover.
func TestLayoutReads(t *testing.T) {
	d := newDisk(1<<40).gpt(t, usual())
	if layout(t, d); d.reads > 4 {
		t.Errorf("%d reads of a GPT", d.reads)
	}
	d = logical(newDisk(1 << 40))
	if layout(t, d); d.reads > 20 {
		t.Errorf("%d reads of an MBR", d.reads)
	}
}
