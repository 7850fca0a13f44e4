package disk

import (
	"errors"
	"io"
	"slices"
)

// A Signature is something that a part of a disk says that it is: the magic of
// a format, where the fields around it are plausible.
type Signature struct {
	// Kind is the format, in a word that stays the same: "ext2", "ext3", "ext4",
	// "fat12", "fat16", "fat32", "exfat", "ntfs", "iso9660", "xfs" and so on.
	Kind string `json:"kind"`
	// Name is the format in words.
	Name string `json:"name"`
	// Class is what sort of thing it is, one of the Class constants.
	Class string `json:"class"`
	// Offset is the byte of the disk where the magic stands.
	Offset int64 `json:"offset"`
	// Label, UUID (or a serial number) and Version are empty where the format has
	// none. A label has no control characters, and is valid UTF-8.
	Label   string `json:"label,omitempty"`
	UUID    string `json:"uuid,omitempty"`
	Version string `json:"version,omitempty"`
	// Size is how many bytes it takes by its own account, zero where it does not
	// tell. It may be more than there are.
	Size int64 `json:"size,omitempty"`
	// BlockSize is that of the format in bytes, zero where it does not tell.
	BlockSize int64 `json:"blockSize,omitempty"`
	// Browsable tells that package disk/fs reads it.
	Browsable bool `json:"browsable"`
	// Notes are extensions and oddities in words, such as "Joliet names".
	Notes []string `json:"notes,omitempty"`
}

// What sort of thing a Signature is.
const (
	ClassFilesystem = "filesystem"
	ClassSwap       = "swap"
	ClassVolume     = "volume" // a member of a RAID or a pool of volumes
	ClassCrypto     = "crypto"
	ClassImage      = "image" // a disk image of another format
	ClassTable      = "table" // a partition table
	ClassBoot       = "boot"  // a boot loader's sector
)

// Probe finds signatures in the size bytes of a disk from offset on, with at
// most 20 reads of at most 128 KiB. File systems come first; none is no error.
// When a part can't be read, it gives what the rest shows, and a *ReadError.
func Probe(r io.ReaderAt, offset, size int64) ([]Signature, error) {
	if offset < 0 || size < 0 || offset > 1<<63-1-size {
		return nil, errors.New("a region of a disk can't begin or end before the disk's beginning")
	}
	s := newSource(r, offset, size, probeReads)
	found := contents(s)
	found = append(found, tables(s, found)...)
	found = append(found, bootCode(s)...)
	for i := range found {
		found[i].Offset += offset
	}
	if s.err != nil {
		return found, s.err
	}
	return found, nil
}

const probeReads = 20

// contents finds all but partition tables. Offsets are those in the source.
func contents(s *source) []Signature {
	found := []Signature{}
	for _, probe := range probes {
		if f := probe(s); f != nil {
			found = append(found, *f)
		}
	}
	slices.SortStableFunc(found, func(a, b Signature) int { return rank(a) - rank(b) })
	return found
}

// rank puts file systems first, and what lies around them behind.
func rank(f Signature) int {
	return slices.Index([]string{ClassFilesystem, ClassSwap, ClassCrypto, ClassVolume, ClassImage}, f.Class)
}

// probes look for one format each. They give the first that is plausible, or
// nil.
var probes = []func(*source) *Signature{
	probeBitLocker, probeNTFS, probeExFAT, probeFAT, probeReFS,
	probeExt, probeXFS, probeBtrfs, probeF2FS, probeSquashFS, probeEROFS,
	probeISO, probeUDF, probeHFSPlus, probeHFS, probeAPFS, probeZFS,
	probeSwap, probeLUKS, probeLVM, probeRAID1, probeRAID0,
	probeQCOW, probeVMDK, probeVHDX, probeVHD, probeVDI,
}

// tables finds partition tables.
func tables(s *source, found []Signature) []Signature {
	var list []Signature
	t := readTable(s, found)
	if c := intactHeader(s); c != nil && (t.protective || len(t.entries) == 0 && !hasBootSector(found)) {
		list = append(list, Signature{Kind: "gpt", Name: "GUID partition table", Class: ClassTable, Offset: c.at, UUID: c.disk, BlockSize: c.sector})
	}
	if t.blank || len(t.entries) > 0 && !(t.protective && len(list) > 0) {
		list = append(list, mbrSignature(t))
	}
	return append(list, otherTables(s)...)
}

func mbrSignature(t table) Signature {
	f := Signature{Kind: "mbr", Name: "MBR partition table", Class: ClassTable, Offset: 510}
	if t.signature != 0 {
		f.UUID = hexadecimal(uint64(t.signature), 8)
	}
	return f
}

// intactHeader is a header of a GPT, at either end and for either sector size.
func intactHeader(s *source) *gptCopy {
	for _, sector := range []int64{512, 4096} {
		for _, number := range []uint64{1, uint64(max(0, s.size/sector-1))} {
			if c := readHeader(s, sector, number); c != nil && c.headerFault == "" {
				return c
			}
		}
	}
	return nil
}
