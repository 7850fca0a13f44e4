package fs

import (
	"iter"
	"math"
	"time"
)

// Attributes of an entry of a folder.
const (
	fatReadOnly = 0x01
	fatHidden   = 0x02
	fatSystem   = 0x04
	fatLabel    = 0x08
	fatFolder   = 0x10
	fatArchive  = 0x20
	fatLong     = 0x0f // a piece of a long name

	fatDeleted = 0xe5 // as the first byte
)

// A fatNode is a file as its folder tells of it, and where: a file has no
// other place.
type fatNode struct {
	at    int64 // of the entry, in the volume; -1 for the root
	entry [32]byte
}

func (f *fat) facts() Facts { return f.told }

func (f *fat) root() node { return fatNode{at: -1} }

func (n fatNode) isFolder() bool { return n.at < 0 || n.entry[11]&fatFolder != 0 }

// first is the cluster where the content begins; 0 for none.
func (f *fat) first(n fatNode) uint32 {
	if n.at < 0 {
		return f.rootCluster
	}
	first := uint32(le.Uint16(n.entry[26:]))
	if f.bits == 28 {
		first |= uint32(le.Uint16(n.entry[20:])) << 16
	}
	return first
}

func (f *fat) entry(_ *source, n node) (Entry, error) { return f.list(n.(fatNode)), nil }

func (f *fat) list(n fatNode) Entry {
	e := Entry{Type: TypeFile, Hidden: n.entry[11]&fatHidden != 0, Size: int64(le.Uint32(n.entry[28:]))}
	if n.isFolder() {
		e.Type, e.Size, e.ID = TypeFolder, 0, uint64(f.first(n))
	}
	if t, ok := dosTime("", le.Uint16(n.entry[24:]), le.Uint16(n.entry[22:]), 0); ok && n.at >= 0 {
		e.Modified = t
		e.Modified.Source = ""
	}
	return e
}

func (f *fat) details(s *source, n node) (Details, error) {
	at := n.(fatNode)
	d := Details{Entry: f.list(at), Attributes: dosAttributes(at.entry[11])}
	if at.at >= 0 {
		d.Times = fatTimes(at.entry[:])
	}
	switch {
	case !at.isFolder():
		d.note(f.contentOf(at).describe(s, &d))
	case f.first(at) != 0:
		_, err := f.chainOf(at).describe(s, &d, math.MaxInt64)
		d.note(err)
	case at.at < 0:
		d.Allocated = f.rootEnd - f.rootAt
		d.Extents = []Extent{{Length: d.Allocated, Disk: f.rootAt, Kind: ExtentData}}
	}
	return d, nil
}

func dosAttributes(bits byte) (words []string) {
	for _, a := range []struct {
		bit  byte
		word string
	}{{fatReadOnly, "read-only"}, {fatHidden, "hidden"}, {fatSystem, "system"}, {fatArchive, "archive"}} {
		if bits&a.bit != 0 {
			words = append(words, a.word)
		}
	}
	return words
}

// fatTimes are by the clock of wherever the file was written.
func fatTimes(entry []byte) (times []Time) {
	hundredths := time.Duration(entry[13]) * 10 * time.Millisecond
	for _, t := range []struct {
		name       string
		date, time uint16
		more       time.Duration
	}{
		{"modified", le.Uint16(entry[24:]), le.Uint16(entry[22:]), 0},
		{"accessed", le.Uint16(entry[18:]), 0, 0}, // a day
		{"created", le.Uint16(entry[16:]), le.Uint16(entry[14:]), hundredths},
	} {
		if told, ok := dosTime(t.name, t.date, t.time, t.more); ok {
			times = append(times, told)
		}
	}
	return times
}

// dosTime reads a time of DOS; none if it was never set, or is on no calendar.
func dosTime(name string, date, clock uint16, more time.Duration) (Time, bool) {
	month, day := time.Month(date>>5&15), int(date&31)
	t := time.Date(1980+int(date>>9), month, day, int(clock>>11), int(clock>>5&63), int(clock&31)*2, 0, time.UTC)
	if t.Month() != month || t.Day() != day {
		return Time{}, false
	}
	return Time{Name: name, Time: moment(t.Add(more)), Source: "folder", Zone: "local"}, true
}

func (f *fat) content(_ *source, n node, stream string) (content, error) {
	if stream != "" {
		return nil, noStream(stream)
	}
	return f.contentOf(n.(fatNode)), nil
}

func (f *fat) contentOf(n fatNode) *clusterContent {
	size := int64(le.Uint32(n.entry[28:]))
	return newClusterContent(&f.clusters, f.first(n), false, size, size)
}

// chainOf is a folder's, which ends where it does: a folder has no size.
func (f *fat) chainOf(folder fatNode) chain {
	return chain{clusters: &f.clusters, first: f.first(folder), length: int64(f.count)}
}

func (f *fat) children(s *source, folder node) iter.Seq2[child, error] {
	return func(yield func(child, error) bool) {
		list := fatList{fat: f, yield: yield}
		r := folderReader{s: s, each: list.piece}
		if err := r.result(f.readFolder(&r, folder.(fatNode))); err != nil {
			yield(child{}, err)
		}
	}
}

func (f *fat) readFolder(r *folderReader, folder fatNode) error {
	if folder.at < 0 && f.bits != 28 {
		return r.part(f.rootAt, f.rootEnd)
	}
	return r.chain(f.chainOf(folder), int64(f.count)*f.size)
}

// A fatList reads the entries of a folder, which may come in pieces.
type fatList struct {
	*fat
	yield func(child, error) bool
	long  longName
}

func (l *fatList) piece(b []byte, at int64) error {
	for ; len(b) >= 32; b, at = b[32:], at+32 {
		if b[0] == 0 {
			return errEnd
		}
		if c := l.child(b[:32], at); c.node != nil && !l.yield(c, nil) {
			return errStopped
		}
	}
	return nil
}

// child reads an entry. It has no node if it is none, or leads to the folder
// or up.
func (l *fatList) child(b []byte, at int64) child {
	switch {
	case b[0] == fatDeleted:
		l.long.drop()
		return child{}
	case b[11]&0x3f == fatLong:
		l.long.add(b)
		return child{}
	case b[11]&fatLabel != 0, string(b[:11]) == ".          ", string(b[:11]) == "..         ":
		l.long.drop()
		return child{}
	}
	n := fatNode{at: at, entry: [32]byte(b)}
	name := l.long.take(b)
	if name == nil {
		name = shortName(b)
	}
	e := l.list(n)
	return child{name: name, node: n, entry: &e}
}
