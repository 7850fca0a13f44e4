package fs

import (
	"errors"
	"iter"
)

// maxBad is how many blocks of a folder may be unreadable before it is given
// up. The entries of the others are shown, and the first error comes last.
const maxBad = 16

// children reads a folder from end to end, which also finds what an index of
// hashes orders: its blocks look like empty ones.
func (x *ext) children(s *source, folder node) iter.Seq2[child, error] {
	return func(yield func(child, error) bool) {
		i, err := x.inode(s, uint32(folder.(extNumber)))
		if err == nil {
			err = x.eachBlock(s, i, func(block []byte) (bool, error) { return extEntries(block, yield) })
		}
		if err != nil && !errors.Is(err, errStopped) {
			yield(child{}, err)
		}
	}
}

// errStopped ends a list whose reader has enough.
var errStopped = errors.New("stopped")

// eachBlock gives a folder's blocks to each, which tells whether to go on.
func (x *ext) eachBlock(s *source, i *extInode, each func([]byte) (bool, error)) error {
	if i.flags&extFlagInline != 0 {
		return eachInline(i, each)
	}
	var bad error
	fails := 0
	for at := int64(0); at*x.blockSize < i.size; {
		r, err := x.run(s, i, at)
		if err != nil {
			return errors.Join(bad, err)
		}
		if r.kind != ExtentData {
			at = r.end()
			continue
		}
		more, err := x.folderBlock(s, r.disk, each)
		if err != nil {
			if bad = errors.Join(bad, err); s.ctx.Err() != nil || errors.Is(err, ErrLimit) || fails == maxBad {
				return bad
			}
			fails++
		} else if !more {
			return errStopped
		}
		at++
	}
	return bad
}

func (x *ext) folderBlock(s *source, number int64, each func([]byte) (bool, error)) (bool, error) {
	block, err := s.read(int(x.blockSize), number*x.blockSize)
	if err != nil {
		return false, err
	}
	return each(block)
}

// eachInline does the same for a folder that lies in its inode.
func eachInline(i *extInode, each func([]byte) (bool, error)) error {
	head, rest := i.inline()
	for _, part := range [][]byte{head[4:], rest} { // first comes the parent
		if more, err := each(part); err != nil {
			return err
		} else if !more {
			return errStopped
		}
	}
	return nil
}

// extEntries gives the entries of a block of a folder.
func extEntries(block []byte, yield func(child, error) bool) (more bool, err error) {
	for len(block) >= 8 {
		length, name := extEntryLength(block), int(block[6])
		if length < 8 || length%4 != 0 || length > len(block) || 8+name > length {
			return true, damaged("an entry of a folder is %d bytes long, with a name of %d, where %d are left", length, name, len(block))
		}
		if c := extChild(block[:8+name]); c.node != nil && !yield(c, nil) {
			return false, nil
		}
		block = block[length:]
	}
	return true, nil
}

// extEntryLength is an entry's: those of 64 KiB don't fit their 16 bits.
func extEntryLength(entry []byte) int {
	length := int(le.Uint16(entry[4:]))
	if length == 0xffff || length == 0 && len(entry) == 1<<16 {
		return len(entry)
	}
	return length
}

// extChild reads an entry. It has no node if it is none, or leads to the
// folder or up.
func extChild(entry []byte) child {
	number, name := le.Uint32(entry), entry[8:]
	if number == 0 || string(name) == "." || string(name) == ".." || len(name) == 0 {
		return child{}
	}
	return child{name: append([]byte(nil), name...), node: extNumber(number)}
}
