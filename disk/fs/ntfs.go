package fs

import (
	"fmt"
	"sync/atomic"
)

// ntfs is an NTFS volume. The system's own files, such as $MFT, are listed as
// what they are: files with the hidden attribute.
type ntfs struct {
	*ntfsBoot
	mft  *ntfsAttribute
	told Facts
}

// Records of the system.
const (
	ntfsMFTRecord    = 0
	ntfsVolumeRecord = 3
	ntfsRootRecord   = 5
	ntfsBitmapRecord = 6
)

func openNTFS(s *source) (format, error) {
	boot, err := readNTFSBoot(s)
	if err != nil {
		return nil, err
	}
	n := &ntfs{ntfsBoot: boot}
	n.told = Facts{
		Kind: "NTFS", UUID: boot.uuid(), Size: boot.sectors * boot.sectorSize, BlockSize: boot.cluster, Free: -1,
	}
	if err := n.openMFT(s); err != nil {
		return nil, err
	}
	root, err := n.file(s, ntfsRef{number: ntfsRootRecord})
	if err != nil {
		return nil, err
	}
	if !root.folder {
		return nil, damaged("the root is no folder")
	}
	n.note(n.readVolume(s))
	n.note(n.countFree(s))
	return n, nil
}

func (n *ntfs) note(err error) {
	if err != nil {
		n.told.Problems = append(n.told.Problems, err.Error())
	}
}

// openMFT finds where the file table lies, from its own first record or from
// that one's copy.
func (n *ntfs) openMFT(s *source) error {
	err := n.readMFT(s, n.ntfsBoot.mft)
	if err == nil || !n.has(n.mirror) {
		return err
	}
	n.note(fmt.Errorf("the first record of the file table is taken from its copy: %w", err))
	return n.readMFT(s, n.mirror)
}

func (n *ntfs) readMFT(s *source, cluster int64) error {
	raw, err := s.read(int(n.recordSize), cluster*n.cluster)
	if err == nil {
		err = ntfsFixUp(raw, "FILE")
	}
	if err != nil {
		return err
	}
	f := &ntfsFile{}
	if f.attributes, err = ntfsAttributes(raw); err != nil {
		return err
	}
	// The records that tell of the table's further runs lie in its first ones.
	if n.mft = f.find(ntfsData, ""); n.mft == nil || n.mft.resident {
		return damaged("the file table has no content")
	}
	return n.addListed(s, f)
}

// readVolume reads the label and whether it was unmounted.
func (n *ntfs) readVolume(s *source) error {
	f, err := n.file(s, ntfsRef{number: ntfsVolumeRecord})
	if err != nil {
		return err
	}
	n.told.Label = Escape(utf16Name(f.value(ntfsVolumeName, 0), le))
	if info := f.value(ntfsVolumeInfo, 12); info != nil {
		n.told.Features = append(n.told.Features, fmt.Sprintf("version %d.%d", info[8], info[9]))
		if le.Uint16(info[10:])&1 != 0 {
			n.told.Problems = append(n.told.Problems, "It was not unmounted: it is marked to be checked.")
		}
	}
	if info := f.value(ntfsStandard, 32); info != nil {
		if t, ok := ntfsTime("created", "$Volume", info); ok {
			n.told.Times = append(n.told.Times, t)
		}
	}
	return nil
}

// ntfsFreeBitmap is up to how many bytes of bitmap the free clusters are
// counted.
const ntfsFreeBitmap = 1 << 20

func (n *ntfs) countFree(s *source) error {
	f, err := n.file(s, ntfsRef{number: ntfsBitmapRecord})
	if err != nil {
		return err
	}
	clusters := n.told.Size / n.cluster
	bitmap := f.find(ntfsData, "")
	if bitmap == nil || bitmap.size > ntfsFreeBitmap || bitmap.size*8 < clusters {
		return nil
	}
	raw, err := bitmap.all(s, n.cluster, ntfsFreeBitmap)
	if err != nil {
		return err
	}
	used := int64(0)
	for i := range clusters {
		used += int64(raw[i/8] >> (i % 8) & 1)
	}
	n.told.Free = (clusters - used) * n.cluster
	return nil
}

func (n *ntfs) facts() Facts { return n.told }

func (n *ntfs) root() node { return ntfsRef{number: ntfsRootRecord} }

func (n *ntfs) entry(s *source, at node) (Entry, error) {
	f, err := n.file(s, at.(ntfsRef))
	if err != nil {
		return Entry{}, err
	}
	return n.entryOf(s, f), nil
}

func (n *ntfs) entryOf(s *source, f *ntfsFile) Entry {
	flags, point := f.flags(), n.point(s, f)
	e := Entry{Type: ntfsType(flags, point, f.folder), ID: uint64(f.ref.number), Hidden: flags&ntfsHidden != 0}
	if info := f.value(ntfsStandard, 48); info != nil {
		if t, ok := ntfsTime("", "", info[8:]); ok {
			e.Modified = t
		}
	}
	if data := f.find(ntfsData, ""); data != nil && e.Type == TypeFile {
		e.Size = data.size
	}
	return e
}

// flags are those of the standard information.
func (f *ntfsFile) flags() uint32 {
	flags := uint32(0)
	if info := f.value(ntfsStandard, 48); info != nil {
		flags = le.Uint32(info[32:])
	}
	if f.find(ntfsReparse, "") != nil {
		flags |= ntfsIsPoint
	}
	return flags
}

const ntfsMaxPoint = 16<<10 + 24 // bytes of a reparse point

// point is the kind of a reparse point, or 0.
func (n *ntfs) point(s *source, f *ntfsFile) uint32 {
	if a := f.find(ntfsReparse, ""); a != nil {
		if raw, err := a.all(s, n.cluster, ntfsMaxPoint); err == nil && len(raw) >= 4 {
			return le.Uint32(raw)
		}
	}
	return 0
}

func (n *ntfs) content(s *source, at node, stream string) (content, error) {
	f, err := n.file(s, at.(ntfsRef))
	if err != nil {
		return nil, err
	}
	data := f.find(ntfsData, stream)
	switch {
	case data == nil && stream != "":
		return nil, noStream(stream)
	case data == nil: // as some of the system's own
		return &ntfsContent{attribute: &ntfsAttribute{resident: true}}, nil
	case data.flags&ntfsEncrypted != 0:
		return nil, unsupported("the content is encrypted (EFS)")
	case data.flags&ntfsCompressed > 1:
		return nil, unsupported("the content is compressed by a method that is not known here (%d)", data.flags&ntfsCompressed)
	case stream == "":
		err = ntfsElsewhere(f.flags(), n.point(s, f))
	}
	return &ntfsContent{attribute: data, cluster: n.cluster}, err
}

type ntfsContent struct {
	attribute *ntfsAttribute
	cluster   int64
	last      atomic.Pointer[ntfsUnit] // that was decompressed
}

type ntfsUnit struct {
	number int64
	data   []byte
}

func (c *ntfsContent) size() int64 { return c.attribute.size }

func (c *ntfsContent) readAt(s *source, p []byte, offset int64) error {
	if c.attribute.resident || c.attribute.flags&ntfsCompressed == 0 || c.attribute.unit == 0 {
		return c.attribute.readAt(s, p, offset, c.cluster)
	}
	written := p[:max(min(int64(len(p)), c.attribute.written-offset), 0)]
	clear(p[len(written):])
	size := c.cluster << c.attribute.unit
	for len(written) > 0 {
		unit, err := c.unit(s, offset/size, size)
		if err != nil {
			return err
		}
		n := copy(written, unit[offset%size:])
		written, offset = written[n:], offset+int64(n)
	}
	return nil
}

// ntfsMaxUnit bounds what is decompressed at once.
const ntfsMaxUnit = 2 << 20

// unit reads a unit of clusters. One with no hole is stored as it is, one that
// is all hole is zeroes, and between them it is compressed.
func (c *ntfsContent) unit(s *source, number, size int64) ([]byte, error) {
	if last := c.last.Load(); last != nil && last.number == number {
		return last.data, s.step()
	}
	if size > ntfsMaxUnit {
		return nil, damaged("units of %d bytes are compressed together", size)
	}
	data := make([]byte, size)
	if err := c.readUnit(s, data, number*size/c.cluster); err != nil {
		return nil, err
	}
	c.last.Store(&ntfsUnit{number, data})
	return data, nil
}

func (c *ntfsContent) readUnit(s *source, data []byte, first int64) error {
	taken, clusters := int64(0), int64(len(data))/c.cluster
	for taken < clusters {
		r, err := c.attribute.run(first + taken)
		if err != nil {
			return err
		}
		if r.kind == ExtentHole {
			break
		}
		taken += min(r.count, clusters-taken)
	}
	if taken == 0 {
		return nil
	}
	packed := make([]byte, taken*c.cluster)
	if err := readBlocks(s, packed, first*c.cluster, c.cluster, c.attribute.run); err != nil {
		return err
	}
	if taken == clusters {
		copy(data, packed)
		return nil
	}
	return lznt1(data, packed)
}
