package disk

import (
	"hash/crc32"
	"slices"
)

const (
	gptMagic      = "EFI PART"
	gptHeaderSize = 92
	// maxEntryBytes bounds the table of a GPT, which has 16 KiB by default.
	maxEntryBytes = 1 << 20
	maxEntrySize  = 4096
)

// gptCopy is one of the two headers of a GPT, with its entries.
type gptCopy struct {
	sector       int64 // the size of one
	at           int64 // the byte of its header
	backup       bool
	own, other   uint64 // where the headers lie, in sectors
	disk         string
	entriesAt    int64
	count, each  uint32
	entriesCRC   uint32
	entries      []byte // nil when they can't be read
	headerFault  string
	entriesFault string
}

func (c *gptCopy) name() string {
	if c.backup {
		return "backup GPT"
	}
	return "primary GPT"
}

// good is 2 for a copy without fault, 1 for one that can be read all the same.
func (c *gptCopy) good() int {
	switch {
	case c == nil || c.entries == nil:
		return 0
	case c.headerFault != "" || c.entriesFault != "":
		return 1
	}
	return 2
}

// readHeader reads the header in a sector of the size given; nil is none.
func readHeader(s *source, sector int64, number uint64) *gptCopy {
	b := s.block(number, sector, int(sector))
	if b == nil || string(b[:8]) != gptMagic {
		return nil
	}
	c := &gptCopy{
		sector: sector, at: int64(number) * sector, backup: number != 1,
		own: le.Uint64(b[24:]), other: le.Uint64(b[32:]), disk: guid(b[56:]),
		count: le.Uint32(b[80:]), each: le.Uint32(b[84:]), entriesCRC: le.Uint32(b[88:]),
	}
	c.entriesAt, _ = product(le.Uint64(b[72:]), sector)
	c.headerFault = headerFault(b, number)
	return c
}

func headerFault(b []byte, number uint64) string {
	size := le.Uint32(b[12:])
	if size < gptHeaderSize || int64(size) > int64(len(b)) {
		return "tells a wrong size of itself"
	}
	whole := slices.Clone(b[:size])
	clear(whole[16:20])
	switch {
	case crc32.ChecksumIEEE(whole) != le.Uint32(b[16:]):
		return "has a wrong checksum"
	case le.Uint64(b[24:]) != number:
		return "tells a wrong place of itself"
	}
	return ""
}

// readEntries reads the entries that the header names, within bounds.
func (c *gptCopy) readEntries(s *source) {
	length := uint64(c.count) * uint64(c.each)
	switch {
	case c.each < 128 || c.each > maxEntrySize || c.each%8 != 0:
		c.entriesFault = "have a size that can't be, " + decimal(c.each) + " bytes each"
	case length == 0 || length > maxEntryBytes:
		c.entriesFault = "are " + decimal(c.count) + ", which is none or too many"
	case c.entriesAt == 0:
		c.entriesFault = "are said to lie outside of the disk"
	default:
		c.entries = s.bytes(c.entriesAt, int(length))
		if c.entries == nil {
			c.entriesFault = "can't be read"
		} else if crc32.ChecksumIEEE(c.entries) != c.entriesCRC {
			c.entriesFault = "have a wrong checksum"
		}
	}
}

// gpt is what there is of a GPT: either copy may be nil.
type gpt struct{ primary, backup *gptCopy }

func (g gpt) good() int { return g.primary.good() + g.backup.good() }

// best is the copy to follow.
func (g gpt) best() *gptCopy {
	if g.backup.good() > g.primary.good() {
		return g.backup
	}
	return g.primary
}

// findGPT looks for both copies, for either size of sectors.
func findGPT(s *source) gpt {
	small, large := findCopies(s, 512), findCopies(s, 4096)
	if large.good() > small.good() {
		return large
	}
	return small
}

// findCopies looks for the backup where the primary says that it is, and at the
// disk's end.
func findCopies(s *source, sector int64) gpt {
	if s.size < 3*sector {
		return gpt{}
	}
	last := uint64(s.size/sector - 1)
	g := gpt{primary: readHeader(s, sector, 1)}
	if g.primary != nil {
		g.primary.readEntries(s)
		if g.primary.other > 1 {
			g.backup = readHeader(s, sector, g.primary.other)
		}
	}
	if g.backup == nil {
		g.backup = readHeader(s, sector, last)
	}
	if g.backup != nil {
		g.backup.readEntries(s)
	}
	return g
}

// readGPT fills the layout from the better copy of a GPT.
func (l *layoutReader) readGPT(g gpt, t table) {
	c := g.best()
	l.Scheme, l.SectorSize, l.UUID = "gpt", c.sector, c.disk
	l.add(Part{Kind: PartTable, Offset: 0, Length: c.sector, TypeName: "Protective MBR"})
	l.judgeMBR(t)
	l.judgeCopies(g, c)
	for _, each := range []*gptCopy{g.primary, g.backup} {
		l.addCopy(each)
	}
	for i := range int(c.count) {
		l.addEntry(c, i)
	}
}

// addCopy adds the areas of a copy.
func (l *layoutReader) addCopy(c *gptCopy) {
	if c == nil {
		return
	}
	prefix := "GPT "
	if c.backup {
		prefix = "Backup GPT "
	}
	l.add(Part{Kind: PartTable, Offset: c.at, Length: c.sector, TypeName: prefix + "header"})
	if c.entries != nil && c.headerFault == "" {
		length := (int64(len(c.entries)) + c.sector - 1) / c.sector * c.sector
		l.add(Part{Kind: PartTable, Offset: c.entriesAt, Length: min(length, l.Size-c.entriesAt), TypeName: prefix + "entries"})
	}
}

func (l *layoutReader) judgeMBR(t table) {
	switch {
	case !t.protective:
		l.problem(0, "The MBR that protects the GPT is missing or damaged. The GPT is used.")
	case len(t.entries) > 1:
		l.problem(0, "The MBR is a hybrid one, with partitions of its own beside the GPT. The GPT is used.")
	}
}

// judgeCopies tells what is wrong with the copies, and how they differ.
func (l *layoutReader) judgeCopies(g gpt, used *gptCopy) {
	l.judgeCopy(g.primary, "primary GPT", l.SectorSize, used)
	end := (l.Size/l.SectorSize - 1) * l.SectorSize
	l.judgeCopy(g.backup, "backup GPT", end, used)
	if g.primary.good() == 2 && g.primary.other*uint64(l.SectorSize) > uint64(end) {
		l.problem(l.SectorSize, "The primary GPT has its backup beyond the end of the disk, which may have been cut short.")
	}
	if g.backup != nil && g.backup.at < end {
		l.problem(g.backup.at, "The backup GPT is not at the end of the disk, which seems to have been grown.")
	}
	if g.primary.good() == 2 && g.backup.good() == 2 && !g.agree() {
		l.problem(g.backup.at, "The two copies of the GPT differ. The "+used.name()+" is used.")
	}
}

// agree tells whether both copies say the same.
func (g gpt) agree() bool {
	a, b := g.primary, g.backup
	return a.disk == b.disk && a.count == b.count && a.each == b.each && a.entriesCRC == b.entriesCRC && a.own == b.other && a.other == b.own
}

func (l *layoutReader) judgeCopy(c *gptCopy, name string, at int64, used *gptCopy) {
	follow := " The other copy is used."
	if c == used {
		follow = " It is used all the same."
	}
	if c == nil {
		l.problem(at, "The "+name+" is missing or can't be read."+follow)
		return
	}
	if c.headerFault != "" {
		l.problem(c.at, "The header of the "+name+" "+c.headerFault+"."+follow)
	}
	if c.entriesFault != "" {
		l.problem(c.entriesAt, "The entries of the "+name+" "+c.entriesFault+"."+follow)
	}
}

// addEntry adds the partition of an entry that is in use.
func (l *layoutReader) addEntry(c *gptCopy, index int) {
	b := c.entries[index*int(c.each):][:c.each]
	if allZero(b[:16]) {
		return
	}
	number := index + 1
	first, last := le.Uint64(b[32:]), le.Uint64(b[40:])
	start, ok := product(first, c.sector)
	if !ok || last < first {
		l.problem(c.entriesAt, "Partition "+decimal(number)+" ends before it begins, or lies beyond every disk. It is left out.")
		return
	}
	length, ok := product(last-first+1, c.sector)
	if !ok {
		length = 1<<63 - 1
	}
	kind := guid(b)
	p := Part{
		Kind: PartPartition, Number: number, Offset: start, Length: length,
		Type: kind, TypeName: gptTypeName(kind), Name: wide(b[56:128], le),
		UUID: guid(b[16:]), Flags: gptFlags(le.Uint64(b[48:]), kind),
	}
	if l.fit(&p) {
		l.add(p)
	}
}
