package disk

import (
	"bytes"
)

// bootSector is what boot sectors of file systems say of sectors and clusters.
type bootSector struct {
	bytes          []byte
	sector         int64 // bytes
	perCluster     int64 // sectors
	jumps, hasMark bool
}

func readBootSector(s *source) (bootSector, bool) {
	b := s.bytes(0, 512)
	if b == nil {
		return bootSector{}, false
	}
	return bootSector{
		bytes: b, sector: int64(le.Uint16(b[11:])), perCluster: perCluster(b[13]),
		jumps:   b[0] == 0xeb && b[2] == 0x90 || b[0] == 0xe9,
		hasMark: b[510] == 0x55 && b[511] == 0xaa,
	}, true
}

// perCluster is a power of two: itself, or for NTFS above 128 its negative
// logarithm.
func perCluster(b byte) int64 {
	if b > 0x80 && -int8(b) < 32 {
		return 1 << -int8(b)
	}
	return int64(b)
}

// cluster is the size of one in bytes, if both its factors can be.
func (b bootSector) cluster() (int64, bool) {
	ok := powerOfTwo(uint64(b.sector), 256, 4096) && powerOfTwo(uint64(b.perCluster), 1, 1<<21)
	return b.sector * b.perCluster, ok && b.sector*b.perCluster <= 2<<20
}

func probeNTFS(s *source) *Signature {
	b, ok := readBootSector(s)
	if !ok || string(b.bytes[3:11]) != "NTFS    " || !allZero(b.bytes[14:17]) {
		return nil
	}
	cluster, ok := b.cluster()
	sectors, table := le.Uint64(b.bytes[40:]), le.Uint64(b.bytes[48:])
	if !ok || sectors == 0 || table == 0 || table >= sectors {
		return nil
	}
	f := &Signature{
		Kind: "ntfs", Name: "NTFS", Class: ClassFilesystem, Offset: 3, Browsable: true,
		UUID: hexadecimal(le.Uint64(b.bytes[72:]), 16), Size: sizeOf(sectors, b.sector), BlockSize: cluster,
	}
	record := int64(int8(b.bytes[64])) * cluster
	if record < 0 {
		record = 1 << min(-int8(b.bytes[64]), 16)
	}
	if at, ok := product(table, cluster); ok && powerOfTwo(uint64(record), 512, 65536) {
		f.Label, f.Version = ntfsVolume(s, at, record)
	}
	return f
}

// ntfsVolume reads label and version from $Volume, the record with number 3.
func ntfsVolume(s *source, table, record int64) (label, version string) {
	b := unprotect(s.bytes(table+3*record, int(record)))
	if b == nil {
		return "", ""
	}
	for at := int(le.Uint16(b[20:])); at+24 <= len(b); {
		kind, length := le.Uint32(b[at:]), int(le.Uint32(b[at+4:]))
		if kind == 0xffffffff || length < 24 || length > len(b)-at {
			break
		}
		value := resident(b[at : at+length])
		switch {
		case kind == 0x60:
			label = wide(value, le)
		case kind == 0x70 && len(value) >= 10:
			version = decimal(int(value[8])) + "." + decimal(int(value[9]))
		}
		at += length
	}
	return label, version
}

// resident is the value in an attribute itself.
func resident(attribute []byte) []byte {
	length, at := uint64(le.Uint32(attribute[16:])), uint64(le.Uint16(attribute[20:]))
	if attribute[8] != 0 || at+length > uint64(len(attribute)) {
		return nil
	}
	return attribute[at : at+length]
}

// unprotect puts the ends of a record's sectors back; nil is a record that is
// none or torn.
func unprotect(record []byte) []byte {
	if len(record) < 512 || string(record[:4]) != "FILE" {
		return nil
	}
	b := bytes.Clone(record)
	at, count := int(le.Uint16(b[4:])), int(le.Uint16(b[6:]))
	if count < 1 || (count-1)*512 > len(b) || at+2*count > len(b) {
		return nil
	}
	for i := 1; i < count; i++ {
		end := b[i*512-2:][:2]
		if !bytes.Equal(end, b[at:at+2]) {
			return nil
		}
		copy(end, b[at+2*i:])
	}
	return b
}

func probeExFAT(s *source) *Signature {
	b := s.bytes(0, 512)
	if b == nil || string(b[3:11]) != "EXFAT   " || !allZero(b[11:64]) {
		return nil
	}
	sectorBits, clusterBits := b[108], b[109]
	clusters, root := le.Uint32(b[92:]), le.Uint32(b[96:])
	if sectorBits < 9 || sectorBits > 12 || clusterBits > 25-sectorBits || root < 2 || uint64(root) > uint64(clusters)+1 {
		return nil
	}
	sector, cluster := int64(1)<<sectorBits, int64(1)<<(sectorBits+clusterBits)
	serial := hexadecimal(uint64(le.Uint32(b[100:])), 8)
	f := &Signature{
		Kind: "exfat", Name: "exFAT", Class: ClassFilesystem, Offset: 3, Browsable: true,
		UUID: serial[:4] + "-" + serial[4:], Version: decimal(int(b[105])) + "." + decimal(int(b[104])),
		Size: sizeOf(le.Uint64(b[72:]), sector), BlockSize: cluster,
	}
	at := int64(le.Uint32(b[88:]))*sector + int64(root-2)*cluster
	f.Label = exFATLabel(s.upTo(at, int(min(cluster, 4096))))
	return f
}

// exFATLabel looks for the label among the first entries of the root folder.
func exFATLabel(folder []byte) string {
	for ; len(folder) >= 32 && folder[0] != 0; folder = folder[32:] {
		if folder[0] == 0x83 {
			return wide(folder[2:2+2*min(folder[1], 11)], le)
		}
	}
	return ""
}

func probeReFS(s *source) *Signature {
	b := s.bytes(0, 512)
	if b == nil || string(b[3:11]) != "ReFS\x00\x00\x00\x00" || string(b[16:20]) != "FSRS" {
		return nil
	}
	sector, perCluster := uint64(le.Uint32(b[32:])), uint64(le.Uint32(b[36:]))
	if !powerOfTwo(sector, 512, 4096) || !powerOfTwo(perCluster, 1, 1<<12) {
		return nil
	}
	return &Signature{
		Kind: "refs", Name: "ReFS", Class: ClassFilesystem, Offset: 3,
		UUID: hexadecimal(le.Uint64(b[56:]), 16), Version: decimal(int(b[40])) + "." + decimal(int(b[41])),
		Size: sizeOf(le.Uint64(b[24:]), int64(sector)), BlockSize: int64(sector * perCluster),
	}
}

// bitLockerID is the GUID of BitLocker's volumes, and that of those on which
// only the space in use is encrypted.
var bitLockerID = []string{"4967D63B-2E29-4AD8-8399-F6A339E3D001", "92A84D3B-DD80-4D0E-9E4E-B1E3284EAED8"}

func probeBitLocker(s *source) *Signature {
	b := s.bytes(0, 512)
	if b == nil {
		return nil
	}
	at, name := 0, string(b[3:11])
	switch {
	case name == "-FVE-FS-" && b[0] == 0xeb && (b[1] == 0x52 || isBitLocker(b[160:176])):
		at = 3
	case name == "MSWIN4.1" && isBitLocker(b[424:440]):
		at = 424
	default:
		return nil
	}
	return &Signature{Kind: "bitlocker", Name: "BitLocker", Class: ClassCrypto, Offset: int64(at)}
}

func isBitLocker(b []byte) bool {
	id := guid(b)
	return id == bitLockerID[0] || id == bitLockerID[1]
}

// bootLoaders are known by words in their code.
var bootLoaders = []struct{ word, kind, name string }{
	{"GRUB", "grub", "GRUB boot sector"},
	{"ISOLINUX", "isolinux", "ISOLINUX boot sector"},
	{"SYSLINUX", "syslinux", "SYSLINUX boot sector"},
	{"LILO", "lilo", "LILO boot sector"},
	{"BOOTMGR", "bootmgr", "Windows boot sector"},
	{"NTLDR", "ntldr", "Windows boot sector"},
}

// bootCode finds a boot loader in the first sector.
func bootCode(s *source) []Signature {
	b, ok := readBootSector(s)
	if !ok || !b.hasMark {
		return nil
	}
	for _, loader := range bootLoaders {
		if at := bytes.Index(b.bytes, []byte(loader.word)); at >= 0 {
			return []Signature{{Kind: loader.kind, Name: loader.name, Class: ClassBoot, Offset: int64(at)}}
		}
	}
	return nil
}
