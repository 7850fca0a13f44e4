package fs

import (
	"fmt"
	"iter"
	"math"
	"time"
)

// Types of entries of a folder. Those of files that are in use.
const (
	exfatFile   = 0x85
	exfatStream = 0xc0
	exfatName   = 0xc1
)

// exfatMaxFolder is what a folder may have, in bytes.
const exfatMaxFolder = 256 << 20

// An exfatNode is a file as its folder tells of it: the two entries that say
// all but its name, and where the first lies.
type exfatNode struct {
	at           int64 // in the volume; -1 for the root
	file, stream [32]byte
}

func (n exfatNode) attributes() uint16 { return le.Uint16(n.file[4:]) }
func (n exfatNode) isFolder() bool     { return n.attributes()&fatFolder != 0 }
func (n exfatNode) first() uint32      { return le.Uint32(n.stream[20:]) }
func (n exfatNode) straight() bool     { return n.stream[1]&2 != 0 }
func (n exfatNode) bytes() int64       { return bounded(le.Uint64(n.stream[24:])) }
func (n exfatNode) written() int64     { return bounded(le.Uint64(n.stream[8:])) }

// bounded keeps sizes that no disk has from becoming negative.
func bounded(n uint64) int64 { return int64(min(n, 1<<62)) }

func (x *exfat) facts() Facts { return x.told }

func (x *exfat) root() node { return x.top }

func (x *exfat) chainOf(n exfatNode) chain {
	return chain{clusters: &x.clusters, first: n.first(), straight: n.straight(), length: x.needed(n.bytes())}
}

func (x *exfat) contentOf(n exfatNode) *clusterContent {
	return newClusterContent(&x.clusters, n.first(), n.straight(), n.bytes(), n.written())
}

func (x *exfat) content(_ *source, n node, stream string) (content, error) {
	if stream != "" {
		return nil, noStream(stream)
	}
	return x.contentOf(n.(exfatNode)), nil
}

func (x *exfat) entry(_ *source, n node) (Entry, error) { return n.(exfatNode).list(), nil }

func (n exfatNode) list() Entry {
	e := Entry{Type: TypeFile, Size: n.bytes(), Hidden: n.attributes()&fatHidden != 0}
	if n.isFolder() {
		e.Type, e.Size, e.ID = TypeFolder, 0, uint64(n.first())
	}
	if t, ok := exfatTime("", n.file[12:], n.file[21], n.file[23]); ok {
		e.Modified = Time{Time: t.Time, Zone: t.Zone}
	}
	return e
}

func (x *exfat) details(s *source, n node) (Details, error) {
	at := n.(exfatNode)
	d := Details{Entry: at.list(), Attributes: dosAttributes(byte(at.attributes()))}
	for _, t := range []struct {
		name       string
		time       []byte
		more, zone byte
	}{
		{"modified", at.file[12:], at.file[21], at.file[23]},
		{"accessed", at.file[16:], 0, at.file[24]},
		{"created", at.file[8:], at.file[20], at.file[22]},
	} {
		if told, ok := exfatTime(t.name, t.time, t.more, t.zone); ok {
			d.Times = append(d.Times, told)
		}
	}
	if at.isFolder() {
		_, err := x.chainOf(at).describe(s, &d, math.MaxInt64)
		d.note(err)
	} else {
		d.note(x.contentOf(at).describe(s, &d))
	}
	return d, nil
}

// exfatTime reads a time; none if it was never set. Its zone may be told in
// quarters of an hour.
func exfatTime(name string, b []byte, hundredths, zone byte) (Time, bool) {
	t, ok := dosTime(name, le.Uint16(b[2:]), le.Uint16(b), time.Duration(hundredths)*10*time.Millisecond)
	if !ok || zone&0x80 == 0 {
		return t, ok
	}
	quarters := int(int8(zone<<1) >> 1)
	t.Time = moment(t.Time.Add(-time.Duration(quarters) * 15 * time.Minute))
	t.Zone = zoneText(quarters * 15)
	return t, true
}

func zoneText(minutes int) string {
	if minutes == 0 {
		return "UTC"
	}
	sign := '+'
	if minutes < 0 {
		sign, minutes = '-', -minutes
	}
	return fmt.Sprintf("%c%02d:%02d", sign, minutes/60, minutes%60)
}

func (x *exfat) children(s *source, folder node) iter.Seq2[child, error] {
	return func(yield func(child, error) bool) {
		at := folder.(exfatNode)
		list := exfatList{yield: yield}
		r := folderReader{s: s, each: list.piece}
		length := at.bytes()
		if length == 0 {
			return
		}
		if at.at >= 0 {
			length = min(length, exfatMaxFolder)
		}
		if err := r.result(r.chain(x.chainOf(at), length)); err != nil {
			yield(child{}, err)
		}
	}
}

// An exfatList gathers the entries of a folder into sets, one for each file:
// its own entry, and up to 255 that tell more of it.
type exfatList struct {
	yield func(child, error) bool
	at    int64 // of the set's first
	set   []byte
	want  int // entries of the set that are still to come
}

func (l *exfatList) piece(b []byte, at int64) error {
	for ; len(b) >= 32; b, at = b[32:], at+32 {
		if b[0] == 0 {
			return errEnd
		}
		if !l.add(b[:32], at) {
			return errStopped
		}
	}
	return nil
}

// add takes an entry, and tells whether to go on.
func (l *exfatList) add(entry []byte, at int64) bool {
	switch {
	case entry[0] == exfatFile:
		l.at, l.set, l.want = at, append(l.set[:0], entry...), int(entry[1])
	case l.want == 0:
		return true // of the volume, or not in use
	case entry[0]&0xc0 != 0xc0: // not in use, or no part of a set
		l.want = 0
		return true
	default:
		l.set = append(l.set, entry...)
		l.want--
	}
	if l.want > 0 || len(l.set) < 3*32 {
		return true
	}
	c := l.child()
	return c.node == nil || l.yield(c, nil)
}

// child reads a set. It has no node if it is of no file.
func (l *exfatList) child() child {
	stream := l.set[32:64]
	if stream[0] != exfatStream {
		return child{}
	}
	n := exfatNode{at: l.at, file: [32]byte(l.set), stream: [32]byte(stream)}
	e := n.list()
	if exfatSum(l.set) != le.Uint16(l.set[2:]) {
		e.Problem = "The checksum of the entry is wrong."
	}
	var name []byte
	for rest := l.set[64:]; len(rest) >= 32 && rest[0] == exfatName; rest = rest[32:] {
		name = append(name, rest[2:32]...)
	}
	length := 2 * int(stream[3])
	if length == 0 || length > len(name) {
		e.Problem = "The name of the entry is not all there."
	}
	return child{name: utf16Name(name[:min(len(name), length)], le), node: n, entry: &e}
}

// exfatSum is the checksum of a set, but for the field that it is in.
func exfatSum(set []byte) (sum uint16) {
	for i, c := range set {
		if i != 2 && i != 3 {
			sum = sum<<15 | sum>>1
			sum += uint16(c)
		}
	}
	return sum
}
