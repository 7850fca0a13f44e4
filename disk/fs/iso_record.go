package fs

import (
	"bytes"
	"errors"
	"iter"
)

// An isoNode is where the record of a file lies: in the volume's bytes, within
// a folder that ends at end. A folder that is known by its place alone has no
// record; -1 says so.
type isoNode struct {
	at, end           int64
	folder, folderEnd int64 // only where there is no record
}

// An isoRecord is what a folder says of a file.
type isoRecord struct {
	length int
	extent int64 // block, behind the extended attributes
	size   int64
	time   []byte
	flags  byte
	gaps   bool // the content is interleaved
	name   []byte
	system []byte // for Rock Ridge
}

const (
	isoHidden = 0x1
	isoFolder = 0x2
	isoMore   = 0x80 // the next record goes on with the file
)

func parseISORecord(b []byte) (isoRecord, error) {
	length, name := 0, 0
	if len(b) >= 34 {
		length, name = int(b[0]), int(b[32])
	}
	if length < 34 || length > len(b) || 33+name > length {
		return isoRecord{}, damaged("a record of a folder has %d bytes, with a name of %d, where %d are left", length, name, len(b))
	}
	return isoRecord{
		length: length, extent: int64(le.Uint32(b[2:])) + int64(b[1]), size: int64(le.Uint32(b[10:])), time: b[18:25],
		flags: b[25], gaps: b[26] != 0 || b[27] != 0, name: b[33 : 33+name], system: b[min(33+name+(name+1)%2, length):length],
	}, nil
}

// record reads the one of a node.
func (iso *iso) record(s *source, n isoNode) (isoRecord, error) {
	b, err := s.read(int(max(min(255, n.end-n.at), 0)), n.at)
	if err != nil {
		return isoRecord{}, err
	}
	return parseISORecord(b)
}

// start is where a record's content begins, in bytes.
func (iso *iso) start(r isoRecord) int64 { return r.extent * iso.block }

// folderBounds are those of a folder's content.
func (iso *iso) folderBounds(s *source, n isoNode) (start, end int64, err error) {
	if n.at < 0 {
		return n.folder, n.folderEnd, nil
	}
	r, err := iso.record(s, n)
	return iso.start(r), iso.start(r) + r.size, err
}

func (iso *iso) children(s *source, folder node) iter.Seq2[child, error] {
	return func(yield func(child, error) bool) {
		start, end, err := iso.folderBounds(s, folder.(isoNode))
		if err == nil {
			err = iso.eachSector(s, start, end, yield)
		}
		if err != nil && !errors.Is(err, errStopped) {
			yield(child{}, err)
		}
	}
}

// eachSector reads a folder. A sector that can't be read doesn't hide the
// others.
func (iso *iso) eachSector(s *source, start, end int64, yield func(child, error) bool) error {
	var bad error
	fails := 0
	more := false // a file goes on from the record before
	for at := start; at < end; at += isoSector {
		b, err := s.read(int(min(isoSector, end-at)), at)
		if err == nil {
			more, err = iso.sector(s, b, at, end, more, yield)
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

// sector gives the files of one sector, up to the first byte that is zero.
func (iso *iso) sector(s *source, b []byte, at, end int64, more bool, yield func(child, error) bool) (bool, error) {
	for len(b) > 0 && b[0] != 0 {
		r, err := parseISORecord(b)
		if err != nil {
			return false, err
		}
		if !more && !isoSelf(r.name) {
			c, err := iso.child(s, r, isoNode{at: at, end: end})
			if err != nil {
				return false, err
			}
			if c.node != nil && !yield(c, nil) {
				return false, errStopped
			}
		}
		more, b, at = r.flags&isoMore != 0, b[r.length:], at+int64(r.length)
	}
	return more, nil
}

// isoSelf tells the folder itself and the one above from names.
func isoSelf(name []byte) bool { return len(name) == 1 && name[0] <= 1 }

// child makes a name of a record. It has no node if it is there only for those
// who know no Rock Ridge.
func (iso *iso) child(s *source, r isoRecord, n isoNode) (child, error) {
	if !iso.tree.rock {
		return child{name: iso.plainName(r.name), node: n}, nil
	}
	rock := iso.rockRidge(s, r, iso.tree.skip)
	if rock.moved {
		return child{}, nil
	}
	name := rock.name
	if len(name) == 0 {
		name = iso.plainName(r.name)
	}
	if rock.link == 0 {
		return child{name: name, node: n}, nil
	}
	moved, err := iso.movedFolder(s, rock.link)
	return child{name: name, node: moved}, err
}

// movedFolder is a folder that lies elsewhere, because it would be too deep
// here. Its own first record has its size.
func (iso *iso) movedFolder(s *source, block int64) (isoNode, error) {
	start := block * iso.block
	r, err := iso.record(s, isoNode{at: start, end: start + isoSector})
	if err == nil && !isoSelf(r.name) {
		err = damaged("a folder that was moved is not at block %d", block)
	}
	return isoNode{at: start, end: start + r.size}, err
}

// plainName is a name without Rock Ridge, and without a version 1.
func (iso *iso) plainName(name []byte) []byte {
	if iso.tree.joliet {
		return bytes.TrimSuffix(utf16Name(name, be), []byte(";1"))
	}
	name = bytes.Clone(name)
	if base, ok := bytes.CutSuffix(name, []byte(";1")); ok {
		return bytes.TrimSuffix(base, []byte("."))
	}
	return name
}
