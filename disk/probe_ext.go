package disk

import "hash/crc32"

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

const badChecksum = "its checksum is wrong"

// Features of ext4 that tell it from its elders.
const (
	extJournal         = 0x4 // compatible
	extJournalDevice   = 0x8 // incompatible
	ext64Bit           = 0x80
	ext3Incompatible   = 0x2 | 0x4 | 0x10 // file types, recovery, meta groups
	ext3ReadOnly       = 0x1 | 0x2 | 0x4  // sparse superblocks, large files, trees
	extMetadataSummed  = 0x400            // read-only compatible
	extSuperblock      = 1024
	extLargestBlockLog = 6
)

func probeExt(s *source) *Signature {
	b := s.bytes(extSuperblock, 1024)
	if b == nil || le.Uint16(b[56:]) != 0xef53 {
		return nil
	}
	blocks, log := uint64(le.Uint32(b[4:])), le.Uint32(b[24:])
	if log > extLargestBlockLog || le.Uint32(b[0:]) == 0 || le.Uint32(b[32:]) == 0 || le.Uint32(b[40:]) == 0 || le.Uint32(b[76:]) > 1 {
		return nil
	}
	compatible, incompatible, readOnly := le.Uint32(b[92:]), le.Uint32(b[96:]), le.Uint32(b[100:])
	if incompatible&ext64Bit != 0 {
		blocks |= uint64(le.Uint32(b[336:])) << 32
	}
	if blocks == 0 {
		return nil
	}
	f := &Signature{
		Class: ClassFilesystem, Offset: extSuperblock + 56, UUID: uuid(b[104:]), Label: text(b[120:136]),
		Size: sizeOf(blocks, 1024<<log), BlockSize: 1024 << log, Browsable: true,
	}
	f.Kind, f.Name = extKind(compatible, incompatible, readOnly)
	f.Browsable = f.Kind != "jbd"
	if readOnly&extMetadataSummed != 0 && ^crc32.Checksum(b[:1020], castagnoli) != le.Uint32(b[1020:]) {
		f.Notes = append(f.Notes, badChecksum)
	}
	return f
}

func extKind(compatible, incompatible, readOnly uint32) (kind, name string) {
	switch {
	case incompatible&extJournalDevice != 0:
		return "jbd", "Journal of an ext file system"
	case incompatible&^uint32(ext3Incompatible) != 0 || readOnly&^uint32(ext3ReadOnly) != 0:
		return "ext4", "ext4"
	case compatible&extJournal != 0:
		return "ext3", "ext3"
	}
	return "ext2", "ext2"
}

func probeXFS(s *source) *Signature {
	b := s.bytes(0, 512)
	if b == nil || string(b[:4]) != "XFSB" {
		return nil
	}
	block, version := uint64(be.Uint32(b[4:])), be.Uint16(b[100:])&0xf
	if !powerOfTwo(block, 512, 65536) || 1<<(b[120]&63) != block || be.Uint32(b[88:]) == 0 || version < 1 || version > 5 {
		return nil
	}
	return &Signature{
		Kind: "xfs", Name: "XFS", Class: ClassFilesystem, Label: text(b[108:120]), UUID: uuid(b[32:]),
		Version: decimal(int(version)), Size: sizeOf(be.Uint64(b[8:]), int64(block)), BlockSize: int64(block),
	}
}

func probeBtrfs(s *source) *Signature {
	const at = 64 << 10
	b := s.bytes(at, 4096)
	if b == nil || string(b[64:72]) != "_BHRfS_M" || le.Uint64(b[48:]) != at {
		return nil
	}
	sector := uint64(le.Uint32(b[144:]))
	if !powerOfTwo(sector, 512, 65536) || !powerOfTwo(uint64(le.Uint32(b[148:])), sector, 65536) {
		return nil
	}
	f := &Signature{
		Kind: "btrfs", Name: "btrfs", Class: ClassFilesystem, Offset: at + 64, Label: text(b[299:555]), UUID: uuid(b[32:]),
		Size: sizeOf(le.Uint64(b[209:]), 1), BlockSize: int64(sector),
	}
	if devices := le.Uint64(b[136:]); devices > 1 {
		f.Notes = append(f.Notes, "one of "+decimal(devices)+" devices")
	}
	if le.Uint16(b[196:]) == 0 && crc32.Checksum(b[32:], castagnoli) != le.Uint32(b) {
		f.Notes = append(f.Notes, badChecksum)
	}
	return f
}

func probeF2FS(s *source) *Signature {
	b := s.bytes(1024, 1024+124)
	if b == nil || le.Uint32(b) != 0xf2f52010 {
		return nil
	}
	log := le.Uint32(b[16:])
	if log < 12 || log > 16 || le.Uint32(b[8:]) < 9 || le.Uint32(b[8:]) > 16 || le.Uint64(b[36:]) == 0 {
		return nil
	}
	return &Signature{
		Kind: "f2fs", Name: "F2FS", Class: ClassFilesystem, Offset: 1024, Label: wide(b[124:], le), UUID: uuid(b[108:]),
		Version: decimal(int(le.Uint16(b[4:]))) + "." + decimal(int(le.Uint16(b[6:]))),
		Size:    sizeOf(le.Uint64(b[36:]), 1<<log), BlockSize: 1 << log,
	}
}
