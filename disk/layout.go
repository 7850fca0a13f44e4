// Package disk tells how a raw disk is divided into partitions, and what its
// parts hold.
package disk

import (
	"cmp"
	"errors"
	"io"
	"slices"
	"strconv"
)

// Layout is how a disk is divided. All offsets and lengths are in bytes.
type Layout struct {
	// Scheme is the partition table: "gpt", "mbr", or "none".
	Scheme string `json:"scheme"`
	Size   int64  `json:"size"`
	// SectorSize is the unit of the table, 512 or 4096; 512 without a table.
	SectorSize int64 `json:"sectorSize"`
	// UUID is the GUID of a GPT, or the signature of an MBR in 8 hexadecimal
	// digits; empty where there is none.
	UUID string `json:"uuid,omitempty"`
	// Volume is the kind of the file system (or swap, RAID, encryption) that begins
	// at byte 0, whatever the table says, such as "iso9660" of a hybrid CD image;
	// see Signature.Kind.
	Volume string `json:"volume,omitempty"`
	// Parts cover the disk from its first byte to its last, in order of offset.
	// They overlap only where the table says so, which is a problem.
	Parts []Part `json:"parts"`
	// Containers are the extended partitions of an MBR. What lies in them is
	// among Parts, they are not.
	Containers []Part `json:"containers,omitempty"`
	// Problems are what was wrong and gone around, at most 100.
	Problems []Problem `json:"problems,omitempty"`
}

// What a Part is.
const (
	PartPartition   = "partition"
	PartTable       = "table"       // a partition table, or a copy of it
	PartUnallocated = "unallocated" // in no partition
	PartWhole       = "whole"       // all of a disk without a table
	PartExtended    = "extended"    // of Containers only
)

// A Part is a range of the disk.
type Part struct {
	Kind string `json:"kind"`
	// Number is that of the table, from 1; logical partitions begin with 5. It is
	// zero for what is no partition.
	Number int   `json:"number,omitempty"`
	Offset int64 `json:"offset"`
	Length int64 `json:"length"`
	// Type is the type in the table: two hexadecimal digits or a GUID.
	Type string `json:"type,omitempty"`
	// TypeName is the type in words, or what a part is that is no partition.
	TypeName string `json:"typeName"`
	// Name is the one that a GPT gives.
	Name string `json:"name,omitempty"`
	UUID string `json:"uuid,omitempty"`
	// Flags are attributes in words, such as "active" or "read-only".
	Flags []string `json:"flags,omitempty"`
}

// A Problem is something wrong with a table, and what was done about it.
type Problem struct {
	// Offset is the byte of the disk where it shows.
	Offset int64  `json:"offset"`
	Text   string `json:"text"`
}

// ReadLayout reads the partition tables of a disk of size bytes, with a few
// dozen reads of at most 1 MiB; a chain of logical partitions takes one for
// each. A damaged table is told in the layout's problems, and so is what could
// not be read, unless nothing could: then it is a *ReadError.
func ReadLayout(r io.ReaderAt, size int64) (*Layout, error) {
	if size < 0 {
		return nil, errors.New("a disk can't have less than no bytes: " + strconv.FormatInt(size, 10))
	}
	s := newSource(r, 0, size, layoutReads)
	l := &layoutReader{s: s, Layout: &Layout{Scheme: "none", Size: size, SectorSize: 512}}
	l.read()
	if s.err != nil && len(s.pieces) == 0 {
		return nil, s.err
	}
	if s.err != nil {
		l.problem(s.err.Offset, "Not all of the disk can be read, "+s.err.Error()+". What is told may be incomplete.")
	}
	l.cover()
	return l.Layout, nil
}

const (
	// layoutReads is how many reads a layout may take.
	layoutReads = maxLogical + 64
	maxProblems = 100
)

// layoutReader fills a layout.
type layoutReader struct {
	*Layout
	s      *source
	number int // of the next logical partition
}

func (l *layoutReader) problem(at int64, text string) {
	if len(l.Problems) < maxProblems {
		l.Problems = append(l.Problems, Problem{at, text})
	}
}

func (l *layoutReader) add(p Part) { l.Parts = append(l.Parts, p) }

// read decides which table counts. A GPT needs the MBR that protects it, or a
// beginning of the disk that is nothing else.
func (l *layoutReader) read() {
	found := contents(l.s)
	l.Volume = volumeOf(found)
	t, g := readTable(l.s, found), findGPT(l.s)
	switch {
	case g.best().good() > 0 && (t.protective || len(t.entries) == 0 && l.Volume == ""):
		l.readGPT(g, t)
		return
	case len(t.entries) > 0 || t.blank:
		l.readMBR(t)
	default:
		l.add(Part{Kind: PartWhole, Length: l.Size, TypeName: "Whole disk"})
	}
	l.judgeOthers(t, g)
}

// judgeOthers tells of tables that are there and not followed.
func (l *layoutReader) judgeOthers(t table, g gpt) {
	switch {
	case t.protective:
		l.problem(0, "The MBR says that there is a GPT, but neither copy can be read. The MBR is used.")
	case g.best().good() > 0:
		l.problem(g.best().at, "A GPT is there which no MBR protects, perhaps of an earlier use of the disk. It is not used.")
	}
	for _, other := range otherTables(l.s) {
		l.problem(other.Offset, "There is also the table of another system, whose partitions are not read: "+other.Name+".")
	}
}

// volumeOf is the kind of the first thing that lies at the disk's beginning.
func volumeOf(found []Signature) string {
	for _, f := range found {
		switch f.Class {
		case ClassFilesystem, ClassSwap, ClassVolume, ClassCrypto:
			if f.Offset < window {
				return f.Kind
			}
		}
	}
	return ""
}

// cover puts the parts in order, tells where they overlap, and fills the gaps.
func (l *layoutReader) cover() {
	slices.SortStableFunc(l.Parts, func(a, b Part) int {
		return cmp.Or(cmp.Compare(a.Offset, b.Offset), cmp.Compare(a.Length, b.Length))
	})
	parts, end, last := []Part{}, int64(0), Part{}
	for _, p := range l.Parts {
		parts = append(parts, l.gaps(end, p.Offset)...)
		if p.Offset < end {
			l.judgeOverlap(last, p)
		}
		parts = append(parts, p)
		if p.Offset+p.Length > end {
			end, last = p.Offset+p.Length, p
		}
	}
	l.Parts = append(parts, l.gaps(end, l.Size)...)
}

// gaps are what is free in a range, cut where an extended partition begins or
// ends.
func (l *layoutReader) gaps(from, to int64) (list []Part) {
	for from < to {
		p := Part{Kind: PartUnallocated, Offset: from, TypeName: "Unallocated"}
		end := to
		for _, c := range l.Containers {
			switch {
			case from < c.Offset:
				end = min(end, c.Offset)
			case from < c.Offset+c.Length:
				end = min(end, c.Offset+c.Length)
				p.TypeName = "Unallocated in the extended partition"
			}
		}
		p.Length, from = end-from, end
		list = append(list, p)
	}
	return list
}

// judgeOverlap tells of two parts that overlap. A partition of a hybrid CD image
// begins at byte 0, where the table is, by design.
func (l *layoutReader) judgeOverlap(a, b Part) {
	if l.Volume == "iso9660" && (a.Kind == PartTable || b.Kind == PartTable) {
		return
	}
	l.problem(b.Offset, a.title()+" and "+b.title()+" overlap.")
}

func (p Part) title() string {
	if p.Kind == PartPartition {
		return "Partition " + decimal(p.Number)
	}
	return p.TypeName
}
