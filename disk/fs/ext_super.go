package fs

import (
	"encoding/binary"
	"fmt"
	"math/bits"
	"time"
)

var (
	le = binary.LittleEndian
	be = binary.BigEndian
)

// The features of ext2, ext3 and ext4 that matter to a reader.
const (
	extJournal = 0x4 // compatible

	extFileType    = 0x2 // incompatible
	extRecover     = 0x4
	extJournalDev  = 0x8
	extMetaGroups  = 0x10
	extExtents     = 0x40
	ext64Bit       = 0x80
	extMMP         = 0x100
	extFlexGroups  = 0x200
	extEAInode     = 0x400
	extDirData     = 0x1000
	extChecksum    = 0x2000
	extLargeFolder = 0x4000
	extInlineData  = 0x8000
	extEncrypt     = 0x10000
	extCaseFold    = 0x20000

	extSparseSuper = 0x1 // compatible for readers
	extHugeFile    = 0x8
	extBigAlloc    = 0x200
	extSince4      = 0x8 | 0x10 | 0x20 | 0x40 | extBigAlloc | 0x400

	extSparseSuper2 = 0x200 // compatible

	extKnown = extFileType | extRecover | extMetaGroups | extExtents | ext64Bit | extMMP | extFlexGroups |
		extEAInode | extDirData | extChecksum | extLargeFolder | extInlineData | extEncrypt | extCaseFold
)

// An extSuper is a superblock: what reading takes of it.
type extSuper struct {
	raw         []byte
	blockSize   int64
	blocks      int64
	firstBlock  int64
	groupBlocks int64
	groupInodes int64
	inodes      int64
	inodeSize   int64
	descSize    int64
	compat      uint32
	incompat    uint32
	roCompat    uint32
}

const extSuperOffset, extSuperSize = 1024, 1024

func readExtSuper(s *source) (*extSuper, error) {
	raw, err := s.read(extSuperSize, extSuperOffset)
	if err != nil {
		return nil, err
	}
	if le.Uint16(raw[56:]) != 0xef53 {
		return nil, damaged("the superblock of ext2 is not there")
	}
	sb := &extSuper{
		raw: raw, inodes: int64(le.Uint32(raw)), firstBlock: int64(le.Uint32(raw[20:])),
		groupBlocks: int64(le.Uint32(raw[32:])), groupInodes: int64(le.Uint32(raw[40:])),
		inodeSize: 128, descSize: 32, blocks: int64(le.Uint32(raw[4:])),
	}
	if le.Uint32(raw[76:]) > 0 { // revision 0 has no features
		sb.readFeatures()
	}
	return sb, sb.check()
}

func (sb *extSuper) readFeatures() {
	sb.inodeSize = int64(le.Uint16(sb.raw[88:]))
	sb.compat, sb.incompat, sb.roCompat = le.Uint32(sb.raw[92:]), le.Uint32(sb.raw[96:]), le.Uint32(sb.raw[100:])
	if sb.incompat&ext64Bit != 0 {
		sb.blocks |= int64(le.Uint32(sb.raw[0x150:])) << 32
		sb.descSize = int64(le.Uint16(sb.raw[0xfe:]))
	}
}

// check holds the superblock to what the rest of the reader relies on.
func (sb *extSuper) check() error {
	shift := le.Uint32(sb.raw[24:])
	if shift > 6 {
		return damaged("a block size of 2^%d bytes", 10+int64(shift))
	}
	sb.blockSize = 1024 << shift
	switch {
	case sb.incompat&extJournalDev != 0:
		return unsupported("the volume is a journal of ext3 or ext4, which holds no files")
	case sb.inodeSize < 128 || sb.inodeSize > sb.blockSize || bits.OnesCount64(uint64(sb.inodeSize)) != 1:
		return damaged("inodes of %d bytes", sb.inodeSize)
	case sb.descSize < 32 || sb.descSize > 1024 || bits.OnesCount64(uint64(sb.descSize)) != 1:
		return damaged("group descriptors of %d bytes", sb.descSize)
	case sb.groupBlocks == 0 || sb.groupInodes == 0 || sb.groupInodes > 8*sb.blockSize:
		return damaged("groups of %d blocks and %d inodes", sb.groupBlocks, sb.groupInodes)
	case sb.blocks <= 0 || sb.blocks > 1<<62/sb.blockSize:
		return damaged("%d blocks", sb.blocks)
	}
	return nil
}

// descriptor is where the descriptor of a group lies, in bytes.
func (sb *extSuper) descriptor(group int64) int64 {
	perBlock := sb.blockSize / sb.descSize
	block := sb.firstBlock + 1 + group/perBlock
	if sb.incompat&extMetaGroups != 0 && group/perBlock >= int64(le.Uint32(sb.raw[0x104:])) {
		block = sb.metaBlock(group / perBlock * perBlock)
	}
	return block*sb.blockSize + group%perBlock*sb.descSize
}

// metaBlock is the block of descriptors that begins with those of group, where
// each such block lies in the first of its groups.
func (sb *extSuper) metaBlock(group int64) int64 {
	block := sb.firstBlock + group*sb.groupBlocks
	if sb.hasSuper(group) {
		block++
	}
	if group == 0 && sb.blockSize == 1024 && sb.firstBlock == 0 {
		block++
	}
	return block
}

// hasSuper tells whether a group begins with a copy of the superblock.
func (sb *extSuper) hasSuper(group int64) bool {
	switch {
	case group == 0:
		return true
	case sb.compat&extSparseSuper2 != 0:
		return group == int64(le.Uint32(sb.raw[0x24c:])) || group == int64(le.Uint32(sb.raw[0x250:]))
	case group == 1 || sb.roCompat&extSparseSuper == 0:
		return true
	}
	return isPower(group, 3) || isPower(group, 5) || isPower(group, 7)
}

func isPower(n, base int64) bool {
	for n > 1 && n%base == 0 {
		n /= base
	}
	return n == 1
}

// facts are what the superblock tells.
func (sb *extSuper) facts() Facts {
	f := Facts{
		Kind: sb.kind(), Label: Escape(zeroEnded(sb.raw[120:136])), UUID: uuidText(sb.raw[104:120]),
		Size: sb.blocks * sb.blockSize, BlockSize: sb.blockSize, Free: sb.free(), Times: sb.times(),
		Mounted: EscapePath(zeroEnded(sb.raw[136:200])), Features: sb.features(),
	}
	if sb.incompat&extRecover != 0 {
		f.Problems = append(f.Problems, "It was not unmounted: its journal holds changes that are not shown here.")
	}
	if le.Uint16(sb.raw[58:])&2 != 0 {
		f.Problems = append(f.Problems, "It is marked as having errors.")
	}
	if unknown := sb.incompat &^ extKnown; unknown != 0 {
		f.Problems = append(f.Problems, fmt.Sprintf("It has features that are not known here (%#x): some files may not be readable.", unknown))
	}
	return f
}

func (sb *extSuper) kind() string {
	switch {
	case sb.incompat&^(extFileType|extRecover|extMetaGroups) != 0, sb.roCompat&extSince4 != 0:
		return "ext4"
	case sb.compat&extJournal != 0:
		return "ext3"
	}
	return "ext2"
}

func (sb *extSuper) free() int64 {
	free := int64(le.Uint32(sb.raw[12:]))
	if sb.incompat&ext64Bit != 0 {
		free |= int64(le.Uint32(sb.raw[0x158:])) << 32
	}
	if sb.roCompat&extBigAlloc != 0 { // counted in clusters
		free <<= min(le.Uint32(sb.raw[28:])-le.Uint32(sb.raw[24:]), 20)
	}
	if free < 0 || free > sb.blocks {
		return -1
	}
	return free * sb.blockSize
}

func (sb *extSuper) times() []Time {
	var times []Time
	for _, t := range []struct {
		name     string
		at, high int
	}{{"created", 0x108, 0x276}, {"mounted", 44, 0x275}, {"written", 48, 0x274}, {"checked", 64, 0x277}} {
		if seconds := int64(sb.raw[t.high])<<32 | int64(le.Uint32(sb.raw[t.at:])); seconds != 0 {
			times = append(times, utc(t.name, "superblock", time.Unix(seconds, 0)))
		}
	}
	return times
}

func (sb *extSuper) features() []string {
	var names []string
	for _, f := range []struct {
		has  bool
		name string
	}{
		{sb.compat&extJournal != 0, "journal"},
		{sb.incompat&extExtents != 0, "extents"},
		{sb.incompat&ext64Bit != 0, "64bit"},
		{sb.incompat&extFlexGroups != 0, "flex_bg"},
		{sb.incompat&extMetaGroups != 0, "meta_bg"},
		{sb.incompat&extInlineData != 0, "inline_data"},
		{sb.incompat&extEncrypt != 0, "encrypt"},
		{sb.incompat&extCaseFold != 0, "casefold"},
		{sb.roCompat&extBigAlloc != 0, "bigalloc"},
		{sb.roCompat&0x400 != 0, "metadata_csum"},
	} {
		if f.has {
			names = append(names, f.name)
		}
	}
	return names
}
