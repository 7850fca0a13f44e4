package fs

import (
	"bytes"
	"fmt"
	"time"
)

// Flags of inodes.
const (
	extFlagEncrypted = 0x800
	extFlagHuge      = 0x40000
	extFlagExtents   = 0x80000
	extFlagInline    = 0x10000000
)

var extFlagNames = []struct {
	flag uint32
	name string
}{
	{0x1, "secure deletion"}, {0x2, "undeletable"}, {0x4, "compressed"}, {0x8, "synchronous"}, {0x10, "immutable"},
	{0x20, "append only"}, {0x40, "no dump"}, {0x80, "no access time"}, {extFlagEncrypted, "encrypted"},
	{0x1000, "indexed"}, {0x4000, "journaled data"}, {extFlagExtents, "extents"}, {0x100000, "verity"},
	{extFlagInline, "inline data"}, {0x40000000, "case folded"},
}

// An extInode is an inode as it lies on the disk.
type extInode struct {
	number uint32
	raw    []byte
	mode   uint16
	flags  uint32
	size   int64
}

// extBlock is where an inode has its map of blocks, a short target, or the
// beginning of inline data.
const extBlockOffset, extBlockSize = 40, 60

func (i *extInode) block() []byte { return i.raw[extBlockOffset : extBlockOffset+extBlockSize] }

func (x *ext) inode(s *source, number uint32) (*extInode, error) {
	if number == 0 || int64(number) > x.inodes {
		return nil, damaged("inode %d of %d", number, x.inodes)
	}
	group, index := int64(number-1)/x.groupInodes, int64(number-1)%x.groupInodes
	desc, err := s.read(int(x.descSize), x.descriptor(group))
	if err != nil {
		return nil, err
	}
	table := int64(le.Uint32(desc[8:]))
	if x.incompat&ext64Bit != 0 && x.descSize >= 64 {
		table |= int64(le.Uint32(desc[0x28:])) << 32
	}
	if table <= 0 || table >= x.blocks {
		return nil, damaged("the inodes of group %d are said to be at block %d of %d", group, table, x.blocks)
	}
	raw, err := s.read(int(x.inodeSize), table*x.blockSize+index*x.inodeSize)
	if err != nil {
		return nil, err
	}
	return x.parseInode(number, raw)
}

func (x *ext) parseInode(number uint32, raw []byte) (*extInode, error) {
	i := &extInode{number: number, raw: raw, mode: le.Uint16(raw), flags: le.Uint32(raw[32:]), size: int64(le.Uint32(raw[4:]))}
	if i.mode == 0 {
		return nil, damaged("inode %d is not in use", number)
	}
	if i.mode&modeKind == modeFile || x.incompat&extLargeFolder != 0 {
		i.size |= int64(le.Uint32(raw[108:])) << 32
	}
	if uint64(i.size) > uint64(extBlocks*x.blockSize) {
		return nil, damaged("inode %d has a size of %d bytes", number, uint64(i.size))
	}
	return i, nil
}

// extra is a field of 4 bytes behind the first 128, if the inode has it.
func (i *extInode) extra(offset int) (uint32, bool) {
	if len(i.raw) < offset+4 || 128+int(le.Uint16(i.raw[128:])) < offset+4 {
		return 0, false
	}
	return le.Uint32(i.raw[offset:]), true
}

// time reads a time of 4 bytes, and behind the first 128 bytes its
// nanoseconds and two more bits of seconds.
func (i *extInode) time(name string, offset, extra int) Time {
	seconds := int64(int32(le.Uint32(i.raw[offset:])))
	more, _ := i.extra(extra)
	return utc(name, "inode", time.Unix(seconds+int64(more&3)<<32, int64(more>>2)))
}

func (i *extInode) times() []Time {
	times := []Time{i.time("modified", 16, 136), i.time("changed", 12, 132), i.time("accessed", 8, 140)}
	if _, ok := i.extra(144); ok {
		times = append(times, i.time("created", 144, 148))
	}
	if le.Uint32(i.raw[20:]) != 0 {
		times = append(times, i.time("deleted", 20, len(i.raw)))
	}
	return times
}

func (i *extInode) owner() *Owner {
	user := uint32(le.Uint16(i.raw[2:])) | uint32(le.Uint16(i.raw[120:]))<<16
	group := uint32(le.Uint16(i.raw[24:])) | uint32(le.Uint16(i.raw[122:]))<<16
	return &Owner{User: fmt.Sprint(user), Group: fmt.Sprint(group)}
}

func (i *extInode) attributes() []string {
	var names []string
	for _, f := range extFlagNames {
		if i.flags&f.flag != 0 {
			names = append(names, f.name)
		}
	}
	return names
}

// device is the number of a device, in one of two encodings.
func (i *extInode) device() string {
	if old := le.Uint32(i.block()); old != 0 {
		return fmt.Sprintf("%d:%d", old>>8&0xff, old&0xff)
	}
	n := le.Uint32(i.block()[4:])
	return fmt.Sprintf("%d:%d", n>>8&0xfff, n&0xff|n>>12&0xfff00)
}

func (i *extInode) allocated(sb *extSuper) int64 {
	n := int64(le.Uint32(i.raw[28:]))
	if sb.roCompat&extHugeFile == 0 {
		return n * 512
	}
	n |= int64(le.Uint16(i.raw[116:])) << 32
	if i.flags&extFlagHuge != 0 {
		return n * sb.blockSize
	}
	return n * 512
}

// inline gives data that lies in the inode: what its map of blocks has room
// for, and the rest as an attribute behind its fields.
func (i *extInode) inline() (head, rest []byte) {
	if len(i.raw) < 132 {
		return i.block(), nil
	}
	start := 128 + int(le.Uint16(i.raw[128:])) + 4
	if start > len(i.raw) || le.Uint32(i.raw[start-4:]) != 0xea020000 {
		return i.block(), nil
	}
	return i.block(), extAttribute(i.raw[start:], 7, "data")
}

// extAttribute finds a value among extended attributes. Values that lie
// elsewhere are not for it.
func extAttribute(b []byte, index byte, name string) []byte {
	for at := 0; at+16 <= len(b) && le.Uint32(b[at:]) != 0; {
		length := int(b[at])
		end := at + 16 + length
		if end > len(b) {
			return nil
		}
		if b[at+1] == index && bytes.Equal(b[at+16:end], []byte(name)) && le.Uint32(b[at+4:]) == 0 {
			offset, size := int64(le.Uint16(b[at+2:])), int64(le.Uint32(b[at+8:]))
			if offset+size > int64(len(b)) {
				return nil
			}
			return b[offset : offset+size]
		}
		at = (end + 3) &^ 3
	}
	return nil
}
