package fs

// A run is a piece of a file whose bytes lie side by side.
type run struct {
	first int64 // in the file; blocks
	count int64
	disk  int64 // in the volume; -1 where there is no such place
	kind  ExtentKind
}

func (r run) end() int64 { return r.first + r.count }

// from cuts off what lies before at.
func (r run) from(at int64) run {
	cut := at - r.first
	r.first, r.count = at, r.count-cut
	if r.disk >= 0 {
		r.disk += cut
	}
	return r
}

// extBlocks is how many blocks a file can have: no inode has a larger size.
const extBlocks = 1 << 32

// run finds the run that block number at of a file is in, from there on.
func (x *ext) run(s *source, i *extInode, at int64) (run, error) {
	hole := run{first: at, count: extBlocks - at, disk: -1, kind: ExtentHole}
	if i.flags&extFlagExtents != 0 {
		return x.extent(s, i.block(), at, hole)
	}
	return x.indirect(s, i.block(), at, hole)
}

const extMaxDepth = 5

// extent follows the tree of extents from its root. Each step goes one level
// down, so that nothing on the disk can make it a circle.
func (x *ext) extent(s *source, node []byte, at int64, hole run) (run, error) {
	for want := -1; ; {
		entries, level, err := extNode(node, want)
		if err != nil {
			return run{}, err
		}
		entry, next := extFind(entries, at)
		if next >= 0 {
			hole.count = min(hole.count, next-at)
		}
		if entry == nil {
			return hole, nil
		}
		if level == 0 {
			return extLeaf(entry, at, hole), nil
		}
		want = level - 1
		child := int64(le.Uint32(entry[4:])) | int64(le.Uint16(entry[8:]))<<32
		if node, err = s.read(int(x.blockSize), child*x.blockSize); err != nil {
			return run{}, err
		}
	}
}

// extNode checks a node of the tree and gives its entries, of 12 bytes each,
// and its level over the leaves. The level is to be want, unless that is below
// zero.
func extNode(node []byte, want int) (entries []byte, level int, err error) {
	count, room, level := int(le.Uint16(node[2:])), (len(node)-12)/12, int(le.Uint16(node[6:]))
	switch {
	case le.Uint16(node) != 0xf30a:
		return nil, 0, damaged("a tree of extents has no mark")
	case count > room:
		return nil, 0, damaged("a node of extents of %d entries, with room for %d", count, room)
	case level > extMaxDepth, want >= 0 && level != want:
		return nil, 0, damaged("a node of extents is of level %d", level)
	}
	return node[12 : 12+12*count], level, nil
}

// extFind gives the last entry that begins at or before a block, and where the
// one behind it begins, or -1.
func extFind(entries []byte, at int64) (entry []byte, next int64) {
	low, high := 0, len(entries)/12
	for low < high {
		middle := (low + high) / 2
		if int64(le.Uint32(entries[12*middle:])) <= at {
			low = middle + 1
		} else {
			high = middle
		}
	}
	next = -1
	if 12*low < len(entries) {
		next = int64(le.Uint32(entries[12*low:]))
	}
	if low == 0 {
		return nil, next
	}
	return entries[12*(low-1) : 12*low], next
}

// extLeaf is the run of an extent, or the hole behind it.
func extLeaf(entry []byte, at int64, hole run) run {
	r := run{first: int64(le.Uint32(entry)), count: int64(le.Uint16(entry[4:])), kind: ExtentData}
	r.disk = int64(le.Uint16(entry[6:]))<<32 | int64(le.Uint32(entry[8:]))
	if r.count > 1<<15 {
		r.count, r.kind = r.count-1<<15, ExtentUnwritten
	}
	if at >= r.end() {
		return hole
	}
	r = r.from(at)
	r.count = min(r.count, hole.count) // not over the next extent
	return r
}

// indirect follows the map of ext2: twelve blocks, and then blocks of block
// numbers, up to three levels of them.
func (x *ext) indirect(s *source, block []byte, at int64, hole run) (run, error) {
	if at < 12 {
		return extPointers(block[:48], at, at), nil
	}
	per, rest, span := x.blockSize/4, at-12, int64(1)
	for level := range 3 {
		span *= per
		if rest < span {
			return x.indirectLevel(s, int64(le.Uint32(block[4*(12+level):])), level, rest, at)
		}
		rest -= span
	}
	return hole, nil
}

// indirectLevel finds block number rest of those under a block of pointers.
func (x *ext) indirectLevel(s *source, pointers int64, level int, rest, at int64) (run, error) {
	per := x.blockSize / 4
	span := per
	for range level {
		span *= per
	}
	for ; ; level-- {
		if pointers == 0 {
			return run{first: at, count: span - rest, disk: -1, kind: ExtentHole}, nil
		}
		block, err := s.read(int(x.blockSize), pointers*x.blockSize)
		if err != nil {
			return run{}, err
		}
		if level == 0 {
			return extPointers(block, rest, at), nil
		}
		span /= per
		pointers, rest = int64(le.Uint32(block[4*(rest/span):])), rest%span
	}
}

// extPointers is the run that begins with pointer number i of a list.
func extPointers(list []byte, i, at int64) run {
	r := run{first: at, count: 1, disk: int64(le.Uint32(list[4*i:])), kind: ExtentData}
	step := int64(1)
	if r.disk == 0 {
		r.disk, r.kind, step = -1, ExtentHole, 0
	}
	for next := max(r.disk, 0) + step; 4*(i+r.count) < int64(len(list)); next += step {
		if int64(le.Uint32(list[4*(i+r.count):])) != next {
			break
		}
		r.count++
	}
	return r
}
