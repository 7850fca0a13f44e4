package fs

import (
	"cmp"
	"fmt"
	"slices"
)

// An ntfsAttribute is what a file has: resident in its record, or in runs of
// clusters.
type ntfsAttribute struct {
	kind     uint32
	name     string // in the form of Escape
	flags    uint16
	resident bool
	value    []byte // if resident

	first     int64 // cluster of the content that the runs begin with
	runs      []run // in clusters, side by side
	size      int64 // bytes
	written   int64 // bytes from which on it reads as zeroes
	allocated int64 // bytes on the disk
	unit      uint  // power of two clusters that are compressed together
}

const (
	ntfsCompressed = 0x00ff
	ntfsEncrypted  = 0x4000
	ntfsSparse     = 0x8000
)

func parseNTFSAttribute(raw []byte) (*ntfsAttribute, error) {
	a := &ntfsAttribute{kind: le.Uint32(raw), flags: le.Uint16(raw[12:]), resident: raw[8] == 0}
	start, end := int(le.Uint16(raw[10:])), int(le.Uint16(raw[10:]))+2*int(raw[9])
	if end > len(raw) {
		return nil, damaged("the name of an attribute lies outside of it")
	}
	a.name = Escape(utf16Name(raw[start:end], le))
	if a.resident {
		return a, a.parseResident(raw)
	}
	return a, a.parseRuns(raw)
}

func (a *ntfsAttribute) parseResident(raw []byte) error {
	start, size := int64(le.Uint16(raw[20:])), int64(le.Uint32(raw[16:]))
	if start+size > int64(len(raw)) {
		return damaged("an attribute of %d bytes has a value of %d at %d", len(raw), size, start)
	}
	a.value, a.size = raw[start:start+size], size
	return nil
}

func (a *ntfsAttribute) parseRuns(raw []byte) error {
	if len(raw) < 64 {
		return damaged("an attribute of %d bytes is too short for runs", len(raw))
	}
	a.first, a.unit = int64(le.Uint64(raw[16:])), uint(le.Uint16(raw[34:]))
	a.allocated, a.size, a.written = int64(le.Uint64(raw[40:])), int64(le.Uint64(raw[48:])), int64(le.Uint64(raw[56:]))
	if a.unit != 0 && len(raw) >= 72 {
		a.allocated = int64(le.Uint64(raw[64:]))
	}
	start := int(le.Uint16(raw[32:]))
	if start > len(raw) || a.first < 0 || a.first > ntfsMaxClusters || a.unit > 8 || a.size < 0 || a.written < 0 {
		return damaged("an attribute of %d bytes has runs at %d, from cluster %d on, and %d bytes", len(raw), start, a.first, a.size)
	}
	return a.decodeRuns(raw[start:])
}

// ntfsMaxClusters is more than any content can have.
const ntfsMaxClusters = 1 << 54

// decodeRuns reads pairs of a length and a distance from the run before. What
// has no distance is a hole.
func (a *ntfsAttribute) decodeRuns(raw []byte) error {
	at, disk := a.first, int64(0)
	for len(raw) > 0 && raw[0] != 0 {
		lengthSize, distanceSize := int(raw[0]&15), int(raw[0]>>4)
		if lengthSize == 0 || lengthSize > 8 || distanceSize > 8 || 1+lengthSize+distanceSize > len(raw) {
			return damaged("a run of clusters can't be read")
		}
		count := signed(raw[1 : 1+lengthSize])
		if count <= 0 || count > ntfsMaxClusters-at {
			return damaged("a run of %d clusters", count)
		}
		r := run{first: at, count: count, disk: -1, kind: ExtentHole}
		if distanceSize > 0 {
			disk += signed(raw[1+lengthSize : 1+lengthSize+distanceSize])
			r.disk, r.kind = disk, ExtentData
			if disk < 0 || disk > ntfsMaxClusters {
				return damaged("a run at cluster %d", disk)
			}
		}
		a.runs, at, raw = append(a.runs, r), at+count, raw[1+lengthSize+distanceSize:]
	}
	return nil
}

// signed reads a little-endian number of up to 8 bytes.
func signed(b []byte) int64 {
	var n int64
	for i := len(b) - 1; i >= 0; i-- {
		n = n<<8 | int64(b[i])
	}
	shift := 64 - 8*len(b)
	return n << shift >> shift
}

// ntfsMaxRuns bounds the runs of one file.
const ntfsMaxRuns = 1 << 20

// joinParts makes one attribute of the parts that several records have of it.
func joinParts(f *ntfsFile) error {
	parts := slices.DeleteFunc(slices.Clone(f.attributes), func(a *ntfsAttribute) bool { return a.resident })
	if len(parts) < 2 {
		return nil
	}
	slices.SortStableFunc(parts, func(a, b *ntfsAttribute) int {
		return cmp.Or(cmp.Compare(a.kind, b.kind), cmp.Compare(a.name, b.name), cmp.Compare(a.first, b.first))
	})
	f.attributes = slices.DeleteFunc(f.attributes, func(a *ntfsAttribute) bool { return !a.resident })
	var last *ntfsAttribute
	for _, part := range parts {
		if last == nil || last.kind != part.kind || last.name != part.name || part.first == 0 {
			last = part
			f.attributes = append(f.attributes, part)
			continue
		}
		if len(last.runs)+len(part.runs) > ntfsMaxRuns {
			return fmt.Errorf("%w: a file has more than %d runs of clusters", ErrLimit, ntfsMaxRuns)
		}
		last.runs = append(last.runs, part.runs...)
	}
	return nil
}

// run finds the run that a cluster of the content is in, from there on. What no
// run has is an error.
func (a *ntfsAttribute) run(at int64) (run, error) {
	i, _ := slices.BinarySearchFunc(a.runs, at, func(r run, at int64) int {
		if r.end() <= at {
			return -1
		}
		return 1
	})
	if i == len(a.runs) || a.runs[i].first > at {
		return run{}, damaged("no run has cluster %d of the content", at)
	}
	return a.runs[i].from(at), nil
}

// readAt fills p with what lies in the runs, without regard to compression.
func (a *ntfsAttribute) readAt(s *source, p []byte, offset, cluster int64) error {
	if a.resident {
		copy(p, a.value[offset:])
		return nil
	}
	written := p[:max(min(int64(len(p)), a.written-offset), 0)]
	clear(p[len(written):])
	return readBlocks(s, written, offset, cluster, a.run)
}

// all is the whole of a small attribute.
func (a *ntfsAttribute) all(s *source, cluster, limit int64) ([]byte, error) {
	if a.size > limit {
		return nil, damaged("an attribute of %d bytes, where at most %d are right", a.size, limit)
	}
	p := make([]byte, a.size)
	return p, a.readAt(s, p, 0, cluster)
}
