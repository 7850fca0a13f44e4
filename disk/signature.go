package disk

import (
	"errors"
	"io"
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
// most 20 reads. File systems come first; none is no error. When a part can't
// be read, it gives what the rest shows, and the error.
func Probe(r io.ReaderAt, offset, size int64) ([]Signature, error) {
	return nil, errors.New("not yet")
}
