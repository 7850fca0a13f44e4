package fs

import (
	"errors"
	"fmt"
	"slices"
)

// Kinds of attributes.
const (
	ntfsStandard   = 0x10
	ntfsList       = 0x20
	ntfsFileName   = 0x30
	ntfsSecurity   = 0x50
	ntfsVolumeName = 0x60
	ntfsVolumeInfo = 0x70
	ntfsData       = 0x80
	ntfsIndexRoot  = 0x90
	ntfsIndex      = 0xa0
	ntfsBitmap     = 0xb0
	ntfsReparse    = 0xc0
	ntfsEnd        = 0xffffffff
)

// An ntfsRef names a file: the number of its record, and how often that has
// been used, by which an old name is told from a new file.
type ntfsRef struct {
	number   int64
	sequence uint16
}

func ntfsReference(b []byte) ntfsRef {
	n := le.Uint64(b)
	return ntfsRef{int64(n & (1<<48 - 1)), uint16(n >> 48)}
}

// An ntfsFile is a file's attributes, of all its records.
type ntfsFile struct {
	ref        ntfsRef
	folder     bool
	attributes []*ntfsAttribute
}

// find gives an attribute, or nil. Names are in the form of Escape.
func (f *ntfsFile) find(kind uint32, name string) *ntfsAttribute {
	i := slices.IndexFunc(f.attributes, func(a *ntfsAttribute) bool { return a.kind == kind && a.name == name })
	if i < 0 {
		return nil
	}
	return f.attributes[i]
}

// value is that of a resident attribute, or nil if it has fewer bytes.
func (f *ntfsFile) value(kind uint32, least int) []byte {
	if a := f.find(kind, ""); a != nil && a.resident && len(a.value) >= least {
		return a.value
	}
	return nil
}

// file reads a file. A reference of sequence 0 is to whatever is there.
func (n *ntfs) file(s *source, ref ntfsRef) (*ntfsFile, error) {
	raw, err := n.record(s, ref.number)
	if err != nil {
		return nil, err
	}
	flags := le.Uint16(raw[22:])
	switch {
	case flags&1 == 0:
		return nil, damaged("file record %d is not in use", ref.number)
	case ref.sequence != 0 && ref.sequence != le.Uint16(raw[16:]):
		return nil, damaged("file record %d is of another file by now", ref.number)
	case le.Uint64(raw[32:])&(1<<48-1) != 0:
		return nil, damaged("file record %d is a part of another", ref.number)
	}
	f := &ntfsFile{ref: ntfsRef{ref.number, le.Uint16(raw[16:])}, folder: flags&2 != 0}
	if f.attributes, err = ntfsAttributes(raw); err != nil {
		return nil, err
	}
	return f, n.addListed(s, f)
}

// record reads a record of the file table by its number.
func (n *ntfs) record(s *source, number int64) ([]byte, error) {
	offset := number * n.recordSize
	if number < 0 || number > 1<<40 || offset > n.mft.size-n.recordSize {
		return nil, damaged("file record %d, where there are %d", number, n.mft.size/n.recordSize)
	}
	raw := make([]byte, n.recordSize)
	if err := n.mft.readAt(s, raw, offset, n.cluster); err != nil {
		return nil, err
	}
	return raw, ntfsFixUp(raw, "FILE")
}

// ntfsFixUp puts the last two bytes of each sector of a record back, in whose
// places the record has a mark by which a torn write is known.
func ntfsFixUp(raw []byte, magic string) error {
	if string(raw[:4]) != magic {
		return damaged("a record begins with %q, not %q", raw[:4], magic)
	}
	at, count := int(le.Uint16(raw[4:])), int(le.Uint16(raw[6:]))
	if count < 1 || (count-1)*512 > len(raw) || at+2*count > len(raw) || at < 40 {
		return damaged("a record of %d bytes has %d marks at %d", len(raw), count, at)
	}
	mark := le.Uint16(raw[at:])
	for i := 1; i < count; i++ {
		if le.Uint16(raw[i*512-2:]) != mark {
			return damaged("a record was written in part only")
		}
		copy(raw[i*512-2:], raw[at+2*i:at+2*i+2])
	}
	return nil
}

// ntfsAttributes reads those of one record.
func ntfsAttributes(raw []byte) ([]*ntfsAttribute, error) {
	var all []*ntfsAttribute
	used := min(int64(le.Uint32(raw[24:])), int64(len(raw)))
	for at := int64(le.Uint16(raw[20:])); ; {
		if at+4 > used || at < 40 {
			return nil, damaged("the attributes of a file record have no end")
		}
		if le.Uint32(raw[at:]) == ntfsEnd {
			return all, nil
		}
		if at+24 > used {
			return nil, damaged("the attributes of a file record have no end")
		}
		length := int64(le.Uint32(raw[at+4:]))
		if length < 24 || length > used-at {
			return nil, damaged("an attribute of %d bytes, where %d are left", length, used-at)
		}
		a, err := parseNTFSAttribute(raw[at : at+length])
		if err != nil {
			return nil, err
		}
		all, at = append(all, a), at+length
	}
}

// Bounds of attributes that lie in other records. All of them are in memory at
// once.
const (
	ntfsMaxList    = 256 << 10 // bytes of the list
	ntfsMaxRecords = 32 << 20  // bytes of the records
	ntfsMaxParts   = 1 << 16   // attributes
)

// addListed adds the attributes of other records, where a file needs those,
// and puts the parts of each together.
func (n *ntfs) addListed(s *source, f *ntfsFile) error {
	list := f.find(ntfsList, "")
	if list == nil {
		return joinParts(f)
	}
	raw, err := list.all(s, n.cluster, ntfsMaxList)
	if err != nil {
		return err
	}
	numbers, err := ntfsListed(raw, f.ref.number)
	if int64(len(numbers)) > ntfsMaxRecords/n.recordSize {
		err = fmt.Errorf("%w: a file has %d records", ErrLimit, len(numbers))
	}
	for runs := 0; err == nil && len(numbers) > 0; numbers = numbers[1:] {
		err = n.addRecord(s, f, numbers[0], &runs)
	}
	return errors.Join(err, joinParts(f))
}

// ntfsListed gives the records that a list names, beside the first.
func ntfsListed(raw []byte, first int64) ([]int64, error) {
	var numbers []int64
	for len(raw) >= 26 {
		number, length := ntfsReference(raw[16:]).number, int(le.Uint16(raw[4:]))
		if length < 26 || length > len(raw) {
			return nil, damaged("a list of attributes can't be followed")
		}
		if number != first {
			numbers = append(numbers, number)
		}
		raw = raw[length:]
	}
	slices.Sort(numbers)
	return slices.Compact(numbers), nil
}

// addRecord counts the runs that it adds.
func (n *ntfs) addRecord(s *source, f *ntfsFile, number int64, runs *int) error {
	raw, err := n.record(s, number)
	if err != nil {
		return err
	}
	if base := ntfsReference(raw[32:]).number; base != f.ref.number {
		return damaged("file record %d is no part of %d, but of %d", number, f.ref.number, base)
	}
	more, err := ntfsAttributes(raw)
	f.attributes = append(f.attributes, more...)
	for _, a := range more {
		*runs += len(a.runs)
	}
	if len(f.attributes) > ntfsMaxParts || *runs > ntfsMaxRuns {
		return fmt.Errorf("%w: a file has more than %d attributes, or %d runs of clusters", ErrLimit, ntfsMaxParts, ntfsMaxRuns)
	}
	return err
}
