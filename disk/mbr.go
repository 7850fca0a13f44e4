package disk

// mbrEntry is one of the four entries of a partition table in a boot sector.
// start and count are in sectors.
type mbrEntry struct {
	number       int
	active       bool
	kind         byte
	start, count uint32
}

func (e mbrEntry) empty() bool { return e.kind == 0 || e.count == 0 }

func (e mbrEntry) extended() bool {
	return e.kind == 0x05 || e.kind == 0x0f || e.kind == 0x85
}

const (
	typeProtective = 0xee
	mbrSize        = 512
)

// readEntries reads the table of a boot sector. It is none without the mark at
// the sector's end, or when an entry is neither active nor not active, as in the
// code of a boot sector.
func readEntries(sector []byte) (entries []mbrEntry, ok bool) {
	if len(sector) < mbrSize || sector[510] != 0x55 || sector[511] != 0xaa {
		return nil, false
	}
	for i := range 4 {
		b := sector[446+16*i:]
		if b[0]&0x7f != 0 {
			return nil, false
		}
		entries = append(entries, mbrEntry{i + 1, b[0] == 0x80, b[4], le.Uint32(b[8:]), le.Uint32(b[12:])})
	}
	return entries, true
}

// table is what a disk has at its beginning.
type table struct {
	entries    []mbrEntry // of a boot sector's table that is meant
	blank      bool       // a table without partitions
	protective bool       // one of the entries stands for a GPT
	signature  uint32
}

// readTable tells whether the first sector is a partition table. Boot sectors of
// file systems end with the same mark, so with one of those, every entry must be
// right.
func readTable(s *source, found []Signature) table {
	sector := s.bytes(0, mbrSize)
	entries, ok := readEntries(sector)
	if !ok {
		return table{}
	}
	t := table{signature: le.Uint32(sector[440:])}
	for _, e := range entries {
		if !e.empty() {
			t.entries = append(t.entries, e)
			t.protective = t.protective || e.kind == typeProtective
		}
	}
	if hasBootSector(found) && !exact(t.entries, s.size) {
		return table{}
	}
	t.blank = len(t.entries) == 0 && volumeOf(found) == ""
	return t
}

// hasBootSector tells whether the first sector is that of a file system.
func hasBootSector(found []Signature) bool {
	for _, f := range found {
		switch f.Kind {
		case "fat12", "fat16", "fat32", "exfat", "ntfs", "refs", "bitlocker":
			return true
		}
	}
	return false
}

// exact tells whether partitions are on the disk and do not overlap.
func exact(entries []mbrEntry, size int64) bool {
	for i, e := range entries {
		if e.start == 0 || (int64(e.start)+int64(e.count))*512 > size {
			return false
		}
		for _, other := range entries[:i] {
			if e.start < other.start+other.count && other.start < e.start+e.count {
				return false
			}
		}
	}
	return true
}

// readMBR fills the layout from a table of a boot sector.
func (l *layoutReader) readMBR(t table) {
	l.Scheme = "mbr"
	if t.signature != 0 {
		l.UUID = hexadecimal(uint64(t.signature), 8)
	}
	l.SectorSize = l.guessSectorSize(t.entries)
	l.add(Part{Kind: PartTable, Offset: 0, Length: l.SectorSize, TypeName: "Master boot record"})
	for _, e := range t.entries {
		p, ok := l.mbrPart(e, 0, e.number)
		switch {
		case !ok:
		case e.extended():
			p.Kind = PartExtended
			l.Containers = append(l.Containers, p)
		default:
			l.add(p)
		}
	}
	l.number = 5
	for _, c := range l.Containers {
		l.readLogical(c)
	}
}

// mbrPart is the partition of an entry, whose start is counted from the sector
// given. What lies beyond the disk's end is cut off.
func (l *layoutReader) mbrPart(e mbrEntry, from int64, number int) (Part, bool) {
	p := Part{
		Kind: PartPartition, Number: number,
		Offset: from + int64(e.start)*l.SectorSize, Length: int64(e.count) * l.SectorSize,
		Type: hexadecimal(uint64(e.kind), 2), TypeName: mbrTypeName(e.kind),
	}
	if e.active {
		p.Flags = []string{"active"}
	}
	if l.UUID != "" {
		// As Linux names partitions of a disk that has but a signature.
		p.UUID = l.UUID + "-" + hexadecimal(uint64(number), 2)
	}
	return p, l.fit(&p)
}

// fit cuts a part off at the end of the disk, and tells if nothing is left.
func (l *layoutReader) fit(p *Part) bool {
	if p.Offset >= l.Size {
		l.problem(0, "Partition "+decimal(p.Number)+" begins at byte "+decimal(p.Offset)+", beyond the end of the disk. It is left out.")
		return false
	}
	if p.Length > l.Size-p.Offset {
		l.problem(p.Offset, "Partition "+decimal(p.Number)+" has "+decimal(p.Length)+" bytes, which is beyond the end of the disk. It is cut off there.")
		p.Length = l.Size - p.Offset
	}
	return true
}

// guessSectorSize is 4096 when the partitions show something there, and would
// not with 512: the table itself does not say.
func (l *layoutReader) guessSectorSize(entries []mbrEntry) int64 {
	for _, e := range entries {
		if (int64(e.start)+int64(e.count))*4096 > l.Size {
			return 512
		}
	}
	for _, e := range entries {
		for _, size := range []int64{512, 4096} {
			if l.something(e, size) {
				return size
			}
		}
	}
	return 512
}

// something tells whether there is anything known where a partition would begin.
func (l *layoutReader) something(e mbrEntry, sectorSize int64) bool {
	at := int64(e.start) * sectorSize
	if e.start == 0 || at >= l.Size {
		return false
	}
	if e.extended() {
		_, ok := readEntries(l.s.bytes(at, mbrSize))
		return ok
	}
	s := newSource(l.s.r, at, min(int64(e.count)*sectorSize, l.Size-at), 6)
	return len(contents(s)) > 0
}

// maxLogical is how many logical partitions are read at most.
const maxLogical = 256

// readLogical follows the chain of tables in an extended partition: each has a
// partition, counted from itself, and the next table, counted from the
// container's beginning.
func (l *layoutReader) readLogical(container Part) {
	seen := map[int64]bool{}
	for at, ok := container.Offset, true; ok; {
		if seen[at] {
			l.problem(at, "The chain of logical partitions leads back to byte "+decimal(at)+". It is cut there.")
			return
		}
		if len(seen) == maxLogical {
			l.problem(at, "There are more than "+decimal(maxLogical)+" logical partitions. The rest is left out.")
			return
		}
		seen[at] = true
		at, ok = l.readLink(container, at)
	}
}

// readLink reads one table of the chain, and gives the place of the next.
func (l *layoutReader) readLink(container Part, at int64) (next int64, ok bool) {
	entries, ok := readEntries(l.s.bytes(at, mbrSize))
	if !ok {
		l.problem(at, "There is no readable table of logical partitions at byte "+decimal(at)+". The chain ends there.")
		return 0, false
	}
	l.add(Part{Kind: PartTable, Offset: at, Length: min(l.SectorSize, l.Size-at), TypeName: "Extended boot record"})
	if !entries[0].empty() && !entries[0].extended() {
		l.addLogical(container, entries[0], at)
	}
	for _, e := range entries {
		if e.extended() && !e.empty() {
			return l.link(container, at, e)
		}
	}
	return 0, false
}

func (l *layoutReader) addLogical(container Part, e mbrEntry, at int64) {
	p, ok := l.mbrPart(e, at, l.number)
	l.number++
	if !ok {
		return
	}
	if p.Offset+p.Length > container.Offset+container.Length {
		l.problem(p.Offset, "The logical partition "+decimal(p.Number)+" reaches beyond its extended partition "+decimal(container.Number)+".")
	}
	l.add(p)
}

// link is the place that an entry leads to, which must be in the container.
func (l *layoutReader) link(container Part, at int64, e mbrEntry) (int64, bool) {
	next := container.Offset + int64(e.start)*l.SectorSize
	if next >= container.Offset+container.Length {
		l.problem(at, "The chain of logical partitions leads to byte "+decimal(next)+", out of its extended partition. It is cut there.")
		return 0, false
	}
	return next, true
}
