package fs

import (
	"errors"
	"iter"
	"time"
)

// ntfsNames is the index of a folder's names.
const ntfsNames = "$I30"

// children reads a folder's index from end to end, whatever order its tree
// would give: so nothing is read twice, and no circle is followed.
func (n *ntfs) children(s *source, folder node) iter.Seq2[child, error] {
	return func(yield func(child, error) bool) {
		f, err := n.file(s, folder.(ntfsRef))
		if err == nil {
			err = n.index(s, f, yield)
		}
		if err != nil && !errors.Is(err, errStopped) {
			yield(child{}, err)
		}
	}
}

func (n *ntfs) index(s *source, f *ntfsFile, yield func(child, error) bool) error {
	root := f.find(ntfsIndexRoot, ntfsNames)
	if root == nil || !root.resident || len(root.value) < 32 {
		return damaged("file record %d has no index of names", f.ref.number)
	}
	bad := ntfsEntries(root.value[16:], yield)
	if errors.Is(bad, errStopped) {
		return bad
	}
	blocks := f.find(ntfsIndex, ntfsNames)
	if blocks == nil {
		return bad
	}
	size := int64(le.Uint32(root.value[8:]))
	if size < 512 || size > ntfsMaxRecord || size%512 != 0 {
		return damaged("an index has blocks of %d bytes", size)
	}
	return errors.Join(bad, n.indexBlocks(s, f, blocks, size, yield))
}

// indexBlocks reads the blocks that the index's bitmap has. One that can't be
// read doesn't hide the others.
func (n *ntfs) indexBlocks(s *source, f *ntfsFile, blocks *ntfsAttribute, size int64, yield func(child, error) bool) error {
	used := ntfsBits{bitmap: f.find(ntfsBitmap, ntfsNames), cluster: n.cluster}
	var bad error
	fails := 0
	raw := make([]byte, size)
	for i := int64(0); i < blocks.size/size; i++ {
		has, err := used.has(s, i)
		if err == nil && has {
			err = n.indexBlock(s, blocks, raw, i*size, yield)
		}
		if err == nil {
			continue
		}
		bad = errors.Join(bad, err)
		if fails++; errors.Is(err, errStopped) || s.ctx.Err() != nil || errors.Is(err, ErrLimit) || fails > maxBad {
			return bad
		}
	}
	return bad
}

func (n *ntfs) indexBlock(s *source, blocks *ntfsAttribute, raw []byte, offset int64, yield func(child, error) bool) error {
	if err := blocks.readAt(s, raw, offset, n.cluster); err != nil {
		return err
	}
	if err := ntfsFixUp(raw, "INDX"); err != nil {
		return err
	}
	return ntfsEntries(raw[24:], yield)
}

// ntfsBits reads a bitmap as it is asked, a piece at a time. None has all bits.
type ntfsBits struct {
	bitmap  *ntfsAttribute
	cluster int64
	piece   []byte
	start   int64 // byte of the bitmap that the piece begins with
}

func (b *ntfsBits) has(s *source, bit int64) (bool, error) {
	at := bit / 8
	if b.bitmap == nil {
		return true, s.step()
	}
	if at >= b.bitmap.size {
		return false, s.step()
	}
	if b.piece == nil || at >= b.start+int64(len(b.piece)) {
		piece := make([]byte, min(4096, b.bitmap.size-at))
		if err := b.bitmap.readAt(s, piece, at, b.cluster); err != nil {
			return false, err
		}
		b.piece, b.start = piece, at
	}
	return b.piece[at-b.start]>>(bit%8)&1 != 0, nil
}

// ntfsEntries gives the names of one node of an index, of which node is what
// begins with its header.
func ntfsEntries(node []byte, yield func(child, error) bool) error {
	at, end := int64(le.Uint32(node)), int64(le.Uint32(node[4:]))
	if end > int64(len(node)) {
		return damaged("a node of an index has %d bytes, and says %d", len(node), end)
	}
	for at+16 <= end {
		entry := node[at:end]
		length, key, flags := int64(le.Uint16(entry[8:])), int64(le.Uint16(entry[10:])), le.Uint16(entry[12:])
		if flags&2 != 0 {
			return nil
		}
		if length < 16 || length > int64(len(entry)) || 16+key > length {
			return damaged("an entry of an index has %d bytes, with a name of %d, where %d are left", length, key, len(entry))
		}
		c, err := ntfsChild(ntfsReference(entry), entry[16:16+key])
		if err != nil {
			return err
		}
		if c.node != nil && !yield(c, nil) {
			return errStopped
		}
		at += length
	}
	return damaged("a node of an index has no end")
}

// ntfsChild reads a name. It has no node if it is the folder's own, or the
// short form of another, as DOS has it.
func ntfsChild(ref ntfsRef, key []byte) (child, error) {
	name, err := parseNTFSName(key)
	if err != nil || name.space == ntfsDOS || string(name.name) == "." {
		return child{}, err
	}
	e := name.entry(ref)
	return child{name: name.name, node: ref, entry: &e}, nil
}

// An ntfsName is an attribute of a file and the key of its folder's index.
type ntfsName struct {
	name    []byte
	space   byte
	times   []byte // four of 8 bytes
	size    int64
	flags   uint32
	reparse uint32 // kind of reparse point, if flags say that it is one
}

const ntfsDOS = 2

func parseNTFSName(key []byte) (ntfsName, error) {
	if len(key) < 66 || 66+2*int(key[64]) > len(key) {
		return ntfsName{}, damaged("a name of a file has %d bytes", len(key))
	}
	return ntfsName{
		name: utf16Name(key[66:66+2*int(key[64])], le), space: key[65], times: key[8:40],
		size: int64(le.Uint64(key[48:])), flags: le.Uint32(key[56:]), reparse: le.Uint32(key[60:]),
	}, nil
}

func (name ntfsName) entry(ref ntfsRef) Entry {
	e := Entry{Type: ntfsType(name.flags, name.reparse, name.flags&ntfsFolder != 0), ID: uint64(ref.number), Hidden: name.flags&ntfsHidden != 0}
	if t, ok := ntfsTime("", "", name.times[8:]); ok {
		e.Modified = t
	}
	if e.Type == TypeFile && name.size > 0 {
		e.Size = name.size
	}
	return e
}

// ntfsTime reads a time, of 100 nanoseconds since 1601. 0 is none.
func ntfsTime(name, source string, b []byte) (Time, bool) {
	const to1970 = 11644473600
	ticks := le.Uint64(b)
	return utc(name, source, time.Unix(int64(ticks/1e7)-to1970, int64(ticks%1e7*100))), ticks != 0
}

// ntfsTimes reads the four times of a name or of the standard information.
func ntfsTimes(source string, b []byte) []Time {
	var times []Time
	for i, name := range []string{"created", "modified", "changed", "accessed"} {
		if t, ok := ntfsTime(name, source, b[8*i:]); ok {
			times = append(times, t)
		}
	}
	return times
}
