package fs

import (
	"fmt"
	"slices"
	"sort"
)

// iso is an ISO 9660 volume, seen through the best of its trees: Rock Ridge,
// Joliet, or the plain names.
type iso struct {
	block int64
	tree  isoTree
	top   isoNode
	told  Facts
}

func (iso *iso) facts() Facts { return iso.told }

func (iso *iso) root() node { return iso.top }

// An isoFile is all that is known of one.
type isoFile struct {
	isoRecord
	rock *rockRidge
}

func (iso *iso) file(s *source, n isoNode) (*isoFile, error) {
	if n.at < 0 { // the root is its own first record
		n = isoNode{at: n.folder, end: n.folderEnd}
	}
	r, err := iso.record(s, n)
	f := &isoFile{isoRecord: r, rock: &rockRidge{}}
	if err == nil && iso.tree.rock {
		f.rock = iso.rockRidge(s, r, iso.tree.skip)
	}
	return f, err
}

func (iso *iso) entry(s *source, n node) (Entry, error) {
	f, err := iso.file(s, n.(isoNode))
	if err != nil {
		return Entry{}, err
	}
	parts, err := iso.parts(s, n.(isoNode), f)
	if err != nil {
		return Entry{}, err
	}
	return f.entry(parts), nil
}

func (f *isoFile) entry(parts []isoPart) Entry {
	e := Entry{Type: TypeFile, Hidden: f.flags&isoHidden != 0}
	switch mode := f.rock.mode(); {
	case f.flags&isoFolder != 0:
		e.Type = TypeFolder
	case mode != 0 && modeType(mode) != TypeFolder:
		e.Type = modeType(mode)
	}
	if e.Type == TypeFile {
		e.Size = isoSize(parts)
	}
	if e.Type == TypeFolder || e.Size > 0 {
		e.ID = uint64(f.extent)
	}
	for _, t := range f.allTimes() {
		if t.Name == "modified" {
			e.Modified = Time{Time: t.Time, Zone: t.Zone}
			break
		}
	}
	return e
}

// allTimes are those of Rock Ridge, and that of the record.
func (f *isoFile) allTimes() []Time {
	times := slices.Clone(f.rock.times)
	if t, ok := isoShortTime("modified", "folder", f.time); ok {
		times = append(times, t)
	}
	return times
}

func (iso *iso) details(s *source, n node) (Details, error) {
	f, err := iso.file(s, n.(isoNode))
	if err != nil {
		return Details{}, err
	}
	parts, err := iso.parts(s, n.(isoNode), f)
	d := Details{Entry: f.entry(parts), Times: f.allTimes(), Target: EscapePath(f.rock.target), Device: f.rock.device}
	d.note(err)
	d.note(f.rock.bad)
	if px := f.rock.posix; px != nil {
		d.Mode, d.Links = modeText(f.rock.mode()), int64(le.Uint32(px[12:]))
		d.Owner = &Owner{User: fmt.Sprint(le.Uint32(px[20:])), Group: fmt.Sprint(le.Uint32(px[28:]))}
	}
	if d.Hidden {
		d.Attributes = append(d.Attributes, "hidden")
	}
	if f.rock.packed {
		d.Problems = append(d.Problems, "The content is compressed (zisofs), and is given as it is stored.")
	}
	d.addParts(parts)
	return d, nil
}

func (d *Details) addParts(parts []isoPart) {
	if d.Type != TypeFile && d.Type != TypeFolder {
		return
	}
	for _, p := range parts {
		d.Allocated += (p.length + isoSector - 1) / isoSector * isoSector
		e := Extent{Offset: p.first, Length: p.length, Disk: p.disk, Kind: ExtentData}
		switch {
		case p.length == 0 || d.joined(e):
		case len(d.Extents) == MaxExtents:
			d.MoreExtent = true
		default:
			d.Extents = append(d.Extents, e)
		}
	}
}

// An isoPart is a piece of a file, in bytes.
type isoPart struct{ first, disk, length int64 }

// isoMaxParts bounds the pieces of one file, each of up to 4 GiB.
const isoMaxParts = 1 << 14

// parts are those of a file, whose records follow each other.
func (iso *iso) parts(s *source, n isoNode, f *isoFile) ([]isoPart, error) {
	parts := []isoPart{{0, iso.start(f.isoRecord), f.size}}
	for r := f.isoRecord; n.at >= 0 && r.flags&isoMore != 0; {
		var err error
		if n, r, err = iso.next(s, n, r); err != nil {
			return parts, err
		}
		if len(parts) == isoMaxParts {
			return parts, fmt.Errorf("%w: a file has more than %d parts", ErrLimit, isoMaxParts)
		}
		parts = append(parts, isoPart{isoSize(parts), iso.start(r), r.size})
	}
	return parts, nil
}

// next reads the record behind another, which may be in the next sector.
func (iso *iso) next(s *source, n isoNode, r isoRecord) (isoNode, isoRecord, error) {
	n.at += int64(r.length)
	for range 2 {
		if n.at >= n.end {
			break
		}
		first, err := s.read(1, n.at)
		if err != nil {
			return n, r, err
		}
		if first[0] != 0 {
			r, err = iso.record(s, n)
			return n, r, err
		}
		n.at = (n.at/isoSector + 1) * isoSector
	}
	return n, r, damaged("a file goes on, and its folder ends")
}

// isoSize is that of a file with these parts.
func isoSize(parts []isoPart) int64 {
	last := parts[len(parts)-1]
	return last.first + last.length
}

func (iso *iso) content(s *source, n node, stream string) (content, error) {
	if stream != "" {
		return nil, noStream(stream)
	}
	f, err := iso.file(s, n.(isoNode))
	if err != nil {
		return nil, err
	}
	if f.gaps {
		return nil, unsupported("the content is interleaved")
	}
	parts, err := iso.parts(s, n.(isoNode), f)
	return isoContent(parts), err
}

type isoContent []isoPart

func (c isoContent) size() int64 { return isoSize(c) }

func (c isoContent) readAt(s *source, p []byte, offset int64) error {
	i := sort.Search(len(c), func(i int) bool { return c[i].first+c[i].length > offset })
	for ; len(p) > 0; i++ {
		part := p[:min(int64(len(p)), c[i].first+c[i].length-offset)]
		if err := s.readFull(part, c[i].disk+offset-c[i].first); err != nil {
			return err
		}
		p, offset = p[len(part):], offset+int64(len(part))
	}
	return nil
}
