package fs

import "fmt"

// exfat is an exFAT volume.
type exfat struct {
	clusters
	top    exfatNode
	told   Facts
	bitmap exfatNode // which clusters are in use
}

const (
	exfatBackup = 12 // sectors from the boot region to its copy
	exfatSummed = 11 // sectors of a boot region in front of that of its checksum
)

func openExFAT(s *source) (format, error) {
	boot, err := readExFATBoot(s, 0)
	if err != nil {
		return openExFATCopy(s, err)
	}
	return boot.open(s, "")
}

// openExFATCopy reads the copy of the boot region, whose first has an error. It
// lies by sectors, of a size that the first may not tell any more.
func openExFATCopy(s *source, err error) (format, error) {
	for sector := int64(512); sector <= 4096; sector *= 2 {
		if boot, failed := readExFATBoot(s, exfatBackup*sector); failed == nil && boot.sector == sector {
			return boot.open(s, "The boot region is damaged; its copy was used: "+err.Error())
		}
	}
	return nil, err
}

// open reads the rest of a volume's head.
func (b *exfatBoot) open(s *source, problem string) (format, error) {
	x := b.format()
	if problem != "" {
		x.told.Problems = append(x.told.Problems, problem)
	}
	if x.told.Size > s.size() {
		x.told.Problems = append(x.told.Problems, cutShort(x.told.Size, s.size()))
	}
	if le.Uint16(b.raw[106:])&2 != 0 {
		x.told.Problems = append(x.told.Problems, "The volume was not unmounted: the last changes may be missing.")
	}
	if err := x.readHead(s); err != nil {
		x.told.Problems = append(x.told.Problems, err.Error())
	}
	return x, nil
}

// An exfatBoot is a boot sector, checked.
type exfatBoot struct {
	raw            []byte
	sector, volume int64 // bytes
	clusters
}

func readExFATBoot(s *source, at int64) (*exfatBoot, error) {
	b, err := s.read(512, at)
	if err != nil {
		return nil, err
	}
	if string(b[3:11]) != "EXFAT   " || b[108] < 9 || b[108] > 12 || int(b[108])+int(b[109]) > 25 {
		return nil, damaged("this is no boot sector of exFAT")
	}
	boot := &exfatBoot{raw: b, sector: 1 << b[108]}
	boot.volume = int64(min(le.Uint64(b[72:]), 1<<50)) * boot.sector
	boot.clusters = clusters{
		size: boot.sector << b[109], heap: int64(le.Uint32(b[88:])) * boot.sector, table: int64(le.Uint32(b[80:])) * boot.sector,
		count: le.Uint32(b[92:]), bits: 32,
	}
	if active := le.Uint16(b[106:])&1 == 1 && b[110] == 2; active { // the second table is in use
		boot.table += int64(le.Uint32(b[84:])) * boot.sector
	}
	if err := boot.check(); err != nil {
		return nil, err
	}
	return boot, boot.checkSum(s, at)
}

func (b *exfatBoot) check() error {
	tableBytes := int64(le.Uint32(b.raw[84:])) * b.sector
	switch {
	case b.count == 0 || b.count > 1<<32-11:
		return damaged("it has %d clusters", b.count)
	case tableBytes < 4*(int64(b.count)+2):
		return damaged("a table of %d bytes for %d clusters", tableBytes, b.count)
	case b.heap < b.table || b.heap+int64(b.count)*b.size > b.volume:
		return damaged("%d clusters from %d on don't fit the volume's %d bytes", b.count, b.heap, b.volume)
	}
	return nil
}

// checkSum compares the boot region with the sector behind it, which is filled
// with the sum.
func (b *exfatBoot) checkSum(s *source, at int64) error {
	region, err := s.read(int((exfatSummed+1)*b.sector), at)
	if err != nil {
		return err
	}
	var sum uint32
	for i, c := range region[:exfatSummed*b.sector] {
		if i != 106 && i != 107 && i != 112 { // flags, and how full it is
			sum = sum<<31 | sum>>1
			sum += uint32(c)
		}
	}
	if told := le.Uint32(region[exfatSummed*b.sector:]); told != sum {
		return damaged("the checksum of the boot region is %08x, and it says %08x", sum, told)
	}
	return nil
}

// format is the volume, whose root folder ends with its clusters.
func (b *exfatBoot) format() *exfat {
	x := &exfat{clusters: b.clusters}
	x.told = Facts{Kind: "exFAT", UUID: serialText(le.Uint32(b.raw[100:])), Size: b.volume, BlockSize: x.size, Free: -1}
	x.top = exfatNode{at: -1}
	x.top.file[4] = fatFolder
	copy(x.top.stream[20:], b.raw[96:100])
	le.PutUint64(x.top.stream[24:], uint64(x.count)*uint64(x.size))
	copy(x.top.stream[8:16], x.top.stream[24:])
	return x
}

// readHead reads what the root folder says of the volume.
func (x *exfat) readHead(s *source) error {
	r := folderReader{s: s, each: x.headPiece}
	if err := r.result(r.chain(x.chainOf(x.top), x.top.bytes())); err != nil {
		return err
	}
	x.told.Free = x.free(s)
	return nil
}

// headPiece looks at the entries in front of the first file.
func (x *exfat) headPiece(b []byte, _ int64) error {
	for ; len(b) >= 32; b = b[32:] {
		switch b[0] {
		case 0, exfatFile:
			return errEnd
		case 0x81:
			if b[1]&1 == 0 || x.bitmap.stream == [32]byte{} { // the first of two
				copy(x.bitmap.stream[20:], b[20:32])
				copy(x.bitmap.stream[8:], b[24:32])
			}
		case 0x83:
			x.told.Label = string(utf16Name(b[2:2+2*min(int(b[1]), 11)], le))
		}
	}
	return nil
}

// exfatScanned is up to where the bitmap is read to count what is free, in bytes.
const exfatScanned = 256 << 10

// free counts the clusters that the bitmap has no bit for; -1 where that takes
// too much, or it can't be read.
func (x *exfat) free(s *source) int64 {
	need := (int64(x.count) + 7) / 8
	if x.bitmap.bytes() < need || need > exfatScanned {
		return -1
	}
	bits := make([]byte, need)
	if err := x.contentOf(x.bitmap).readAt(s, bits, 0); err != nil {
		return -1
	}
	var free int64
	for n := range int64(x.count) {
		if bits[n/8]>>(n%8)&1 == 0 {
			free++
		}
	}
	return free * x.size
}

func serialText(serial uint32) string { return fmt.Sprintf("%04X-%04X", serial>>16, serial&0xffff) }
