package fs

import (
	"bytes"
	"fmt"
	"strings"
)

// fat is a FAT12, FAT16 or FAT32 volume.
type fat struct {
	clusters
	rootAt, rootEnd int64 // of FAT12 and FAT16, which have it in front of the clusters
	rootCluster     uint32
	told            Facts
}

// A fatBoot is what the boot sector says.
type fatBoot struct {
	raw                            []byte
	sector, reserved, tables       int64
	tableSectors, rootBytes, total int64
	perCluster                     int64
}

const fatBackup = 6 // the sector with a copy of FAT32's first

func openFAT(s *source) (format, error) {
	boot, err := readFATBoot(s, 0)
	if err != nil {
		return openFATCopy(s, err)
	}
	return boot.open(s, "")
}

// openFATCopy reads the copy of the boot sector, whose first has an error. It
// lies by sectors, of a size that the first may not tell any more.
func openFATCopy(s *source, err error) (format, error) {
	for sector := int64(512); sector <= 4096; sector *= 2 {
		boot, failed := readFATBoot(s, fatBackup*sector)
		if failed == nil && boot.is32() && boot.sector == sector && le.Uint16(boot.raw[510:]) == 0xaa55 {
			return boot.open(s, "The boot sector is damaged; its copy was used: "+err.Error())
		}
	}
	return nil, err
}

// open reads the rest of a volume's head.
func (b *fatBoot) open(s *source, problem string) (format, error) {
	f := b.volume()
	if f.count == 0 {
		return nil, damaged("there is no room for clusters")
	}
	if problem != "" {
		f.told.Problems = append(f.told.Problems, problem)
	}
	if f.told.Size > s.size() {
		f.told.Problems = append(f.told.Problems, cutShort(f.told.Size, s.size()))
	}
	f.told.Problems = append(f.told.Problems, f.dirty(s)...)
	f.told.Free = f.free(s, b)
	if label := f.rootLabel(s); label != "" {
		f.told.Label = label
	}
	return f, nil
}

func cutShort(told, size int64) string {
	return fmt.Sprintf("The file system has %d bytes, and the volume %d: its end is missing.", told, size)
}

func readFATBoot(s *source, at int64) (*fatBoot, error) {
	b, err := s.read(512, at)
	if err != nil {
		return nil, err
	}
	boot := &fatBoot{
		raw: b, sector: int64(le.Uint16(b[11:])), perCluster: int64(b[13]), reserved: int64(le.Uint16(b[14:])), tables: int64(b[16]),
		rootBytes: int64(le.Uint16(b[17:])) * 32, total: int64(le.Uint16(b[19:])), tableSectors: int64(le.Uint16(b[22:])),
	}
	if boot.total == 0 {
		boot.total = int64(le.Uint32(b[32:]))
	}
	if boot.is32() {
		boot.tableSectors, boot.rootBytes = int64(le.Uint32(b[36:])), 0
	}
	return boot, boot.check()
}

// is32 is how Linux tells FAT32: its tables don't fit the older field.
func (b *fatBoot) is32() bool { return le.Uint16(b.raw[22:]) == 0 }

func (b *fatBoot) check() error {
	power := func(n int64) bool { return n > 0 && n&(n-1) == 0 }
	switch {
	case !power(b.sector) || b.sector < 512 || b.sector > 4096:
		return damaged("a sector has %d bytes", b.sector)
	case !power(b.perCluster):
		return damaged("a cluster has %d sectors", b.perCluster)
	case b.tables == 0 || b.reserved == 0 || b.tableSectors == 0:
		return damaged("there is no table of clusters")
	case b.heap() > b.total*b.sector:
		return damaged("the tables take more than the %d sectors of the volume", b.total)
	}
	return nil
}

// heap is where the clusters begin: the root folder of FAT12 and FAT16 fills
// whole sectors in front of them.
func (b *fatBoot) heap() int64 { return b.rootAt() + (b.rootBytes+b.sector-1)/b.sector*b.sector }

func (b *fatBoot) rootAt() int64 { return (b.reserved + b.tables*b.tableSectors) * b.sector }

// volume has as many clusters as there is room for, on the disk and in a table.
func (b *fatBoot) volume() *fat {
	f := &fat{clusters: clusters{size: b.perCluster * b.sector, heap: b.heap(), table: b.reserved * b.sector}}
	count := (b.total*b.sector - f.heap) / f.size
	switch {
	case b.is32():
		f.bits, f.rootCluster = 28, le.Uint32(b.raw[44:])
		if flags := le.Uint16(b.raw[40:]); flags&0x80 != 0 && int64(flags&0xf) < b.tables { // one table is in use, and not the first
			f.table += int64(flags&0xf) * b.tableSectors * b.sector
		}
	case count >= 4085:
		f.bits = 16
	default:
		f.bits = 12
	}
	width := int64(f.bits+4) / 8 * 8 // of an entry as it is stored, 28 in 32
	if f.bits == 12 {
		width = 12
	}
	f.count = uint32(max(min(count, b.tableSectors*b.sector*8/width-2, 1<<28-10), 0))
	f.rootAt, f.rootEnd = b.rootAt(), b.rootAt()+b.rootBytes
	f.told = b.facts(f)
	return f
}

func (b *fatBoot) facts(f *fat) Facts {
	kind, extended := fmt.Sprintf("FAT%d", f.bits), 36
	if f.bits == 28 {
		kind, extended = "FAT32", 64
	}
	told := Facts{Kind: kind, Size: b.total * b.sector, BlockSize: f.size, Free: -1}
	e := b.raw[extended:]
	if e[2] == 0x28 || e[2] == 0x29 {
		told.UUID = serialText(le.Uint32(e[3:]))
	}
	if label := strings.TrimRight(oemText(e[7:18]), " \x00"); e[2] == 0x29 && label != "NO NAME" {
		told.Label = label
	}
	return told
}

// dirty tells what the second entry of the table says of the last unmount.
func (f *fat) dirty(s *source) (problems []string) {
	if f.bits == 12 {
		return nil // has no room for it
	}
	w := chain{clusters: &f.clusters}.walk(s)
	flags, err := w.raw(1)
	if err != nil {
		return []string{err.Error()}
	}
	top := uint32(1) << (f.bits - 1)
	if flags&top == 0 {
		problems = append(problems, "The volume was not unmounted: the last changes may be missing.")
	}
	if flags&(top>>1) == 0 {
		problems = append(problems, "The system that used it last met errors of the disk.")
	}
	return problems
}

// fatScanned is up to where a table is read to count what is free, in bytes.
const fatScanned = 128 << 10

// free is by the table, where that is small, and otherwise what FAT32 keeps of
// it, which need not be true.
func (f *fat) free(s *source, b *fatBoot) int64 {
	if f.bits == 28 {
		return f.keptFree(s, int64(le.Uint16(b.raw[48:]))*b.sector)
	}
	w := chain{clusters: &f.clusters}.walk(s)
	if int64(f.count)*int64(f.bits)/8 > fatScanned {
		return -1
	}
	var free int64
	mask := uint32(1)<<f.bits - 1
	for n := range f.count {
		value, err := w.raw(n + 2)
		if err != nil {
			return -1
		}
		if value&mask == 0 {
			free++
		}
	}
	return free * f.size
}

func (f *fat) keptFree(s *source, at int64) int64 {
	b, err := s.read(512, at)
	if err != nil || !bytes.HasPrefix(b, []byte("RRaA")) || string(b[484:488]) != "rrAa" {
		return -1
	}
	if free := le.Uint32(b[488:]); free <= f.count {
		return int64(free) * f.size
	}
	return -1
}

// rootLabel is the volume's name, which the root folder begins with where it
// has one.
func (f *fat) rootLabel(s *source) string {
	at := f.rootAt
	if f.bits == 28 && f.has(f.rootCluster) {
		at = f.offset(f.rootCluster)
	}
	b, err := s.read(512, at)
	if err != nil {
		return ""
	}
	for ; len(b) > 0 && b[0] != 0; b = b[32:] {
		if b[0] != fatDeleted && b[11]&(fatLabel|fatFolder) == fatLabel && b[11]&0x3f != fatLong {
			return strings.TrimRight(oemText(b[:11]), " ")
		}
	}
	return ""
}
