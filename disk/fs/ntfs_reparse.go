package fs

import "fmt"

// Flags of files.
const (
	ntfsHidden  = 0x2
	ntfsIsPoint = 0x400
	ntfsOffline = 0x1000
	ntfsRecall  = 0x400000
	ntfsFolder  = 0x10000000 // of names alone
)

var ntfsFlagNames = []struct {
	flag uint32
	name string
}{
	{0x1, "read-only"}, {ntfsHidden, "hidden"}, {0x4, "system"}, {0x20, "archive"}, {0x100, "temporary"},
	{0x200, "sparse"}, {ntfsIsPoint, "reparse point"}, {0x800, "compressed"}, {ntfsOffline, "offline"},
	{0x2000, "not indexed"}, {0x4000, "encrypted"}, {ntfsRecall, "recalled when read"},
}

// Kinds of reparse points.
const (
	ntfsMountPoint = 0xa0000003
	ntfsSymlink    = 0xa000000c
	ntfsLXSymlink  = 0xa000001d
	ntfsDedup      = 0x80000013
	ntfsWOF        = 0x80000017
)

var ntfsPointTypes = map[uint32]Type{
	ntfsMountPoint: TypeSymlink, ntfsSymlink: TypeSymlink, ntfsLXSymlink: TypeSymlink,
	0x80000023: TypeSocket, 0x80000024: TypeFIFO, 0x80000025: TypeChar, 0x80000026: TypeBlock,
}

// ntfsType is what a file is, by its flags and the kind of its reparse point.
func ntfsType(flags, point uint32, folder bool) Type {
	if t, ok := ntfsPointTypes[point]; ok && flags&ntfsIsPoint != 0 {
		return t
	}
	if folder {
		return TypeFolder
	}
	return TypeFile
}

// ntfsElsewhere is the error of a file whose content lies not, or not only, in
// its data.
func ntfsElsewhere(flags, point uint32) error {
	switch {
	case flags&ntfsIsPoint == 0:
		return nil
	case point == ntfsWOF:
		return unsupported("the content is compressed by Windows (CompactOS)")
	case point == ntfsDedup:
		return unsupported("the content is in the store of Windows' deduplication")
	case flags&(ntfsOffline|ntfsRecall) != 0:
		return unsupported("the content is in a cloud or an archive (reparse point %#x)", point)
	}
	return nil
}

// ntfsTarget reads where a link leads, as Windows shows it.
func ntfsTarget(raw []byte) (string, error) {
	if len(raw) < 8 || 8+int(le.Uint16(raw[4:])) > len(raw) {
		return "", damaged("a reparse point has %d bytes", len(raw))
	}
	point, data := le.Uint32(raw), raw[8:8+int(le.Uint16(raw[4:]))]
	switch {
	case point == ntfsLXSymlink && len(data) >= 4:
		return EscapePath(data[4:]), nil
	case point == ntfsSymlink && len(data) >= 12:
		return ntfsPathOf(data, data[12:])
	case point == ntfsMountPoint && len(data) >= 8:
		return ntfsPathOf(data, data[8:])
	}
	return "", fmt.Errorf("%w: a reparse point of kind %#x", ErrUnsupported, point)
}

// ntfsPathOf takes the name that is for people, or where that is empty the
// other.
func ntfsPathOf(data, names []byte) (string, error) {
	start, size := int(le.Uint16(data[4:])), int(le.Uint16(data[6:]))
	if size == 0 {
		start, size = int(le.Uint16(data)), int(le.Uint16(data[2:]))
	}
	if start+size > len(names) {
		return "", damaged("the target of a link lies outside of it")
	}
	return EscapePath(utf16Name(names[start:start+size], le)), nil
}
