// Package fs browses the file systems of volumes read-only, over any
// io.ReaderAt. It follows only what it needs to, so that a remote disk is read
// as little as possible, and believes nothing of what the disk says.
package fs

import (
	"context"
	"io"
	"iter"
)

// A Volume is an opened file system. Its methods may be called at once from
// many goroutines.
//
// Paths are absolute: names in the form of Escape, each after a "/". Names are
// compared exactly, byte by byte, also where the file system would fold case.
// Links are not followed.
//
// Errors of the disk come through as they are, wrapped; all others are one of
// this package's (errors.Is), wrapped in *Error, which says of what path.
type Volume interface {
	// Facts says what the file system tells of itself as a whole.
	Facts() Facts
	// List yields what a folder holds, as it comes from the disk, in the
	// disk's order, without "." and "..". An entry that can't be read in full
	// comes with its Problem. The first error ends the list.
	List(ctx context.Context, path string) iter.Seq2[Entry, error]
	// Stat says all about one entry.
	Stat(ctx context.Context, path string) (Details, error)
	// Open gives a file's content, or with the name of a stream another one
	// of Details.Streams. The content is read as it is asked for.
	Open(ctx context.Context, path, stream string) (File, error)
	// Close gives the memory back. What is used afterwards fails with ErrClosed.
	Close() error
}

// A File is the content of a file. Holes read as zeroes, without the disk.
type File interface {
	io.ReaderAt
	// ReadContext is ReadAt with a context.
	ReadContext(ctx context.Context, p []byte, offset int64) (int, error)
	// Size is in bytes.
	Size() int64
}

// Type is what an entry is.
type Type string

// Types of entries.
const (
	TypeFile    Type = "file"
	TypeFolder  Type = "folder"
	TypeSymlink Type = "symlink" // also junctions of NTFS
	TypeBlock   Type = "block device"
	TypeChar    Type = "character device"
	TypeFIFO    Type = "fifo"
	TypeSocket  Type = "socket"
	TypeOther   Type = "other" // what the disk says is nothing of these
)

// An Entry is what a list shows of one name in a folder. NTFS keeps sizes and
// times in the folder too, and these are listed: for hard links, Windows lets
// them grow old. What counts is what Stat says.
type Entry struct {
	Name     string `json:"name"` // in the form of Escape
	Type     Type   `json:"type"`
	Size     int64  `json:"size"`              // bytes of the content; of a folder 0
	Modified Time   `json:"modified,omitzero"` // its Name is left out
	ID       uint64 `json:"id,omitempty"`      // the file's number, the same for hard links; 0 where there is none
	Hidden   bool   `json:"hidden,omitempty"`  // by attribute, or because it is the file system's own
	Problem  string `json:"problem,omitempty"` // what of the entry can't be read, and why
}

// Details are all that is known of one entry.
type Details struct {
	Entry
	Times      []Time   `json:"times,omitempty"`
	Mode       string   `json:"mode,omitempty"`       // as of ls, such as "drwxr-xr-x"; empty where there is none
	Owner      *Owner   `json:"owner,omitempty"`      // nil where there is none
	Attributes []string `json:"attributes,omitempty"` // in words, such as "read-only", "compressed"
	Links      int64    `json:"links,omitempty"`      // hard links; 0 where they aren't counted
	Target     string   `json:"target,omitempty"`     // of a link, in the form of EscapePath
	Device     string   `json:"device,omitempty"`     // "major:minor" of a device
	Streams    []Stream `json:"streams,omitempty"`    // without the file's main content
	Allocated  int64    `json:"allocated"`            // bytes taken on the disk, for the main content
	Extents    []Extent `json:"extents,omitempty"`    // of the main content, the first MaxExtents
	MoreExtent bool     `json:"moreExtents,omitempty"`
	Problems   []string `json:"problems,omitempty"`
}

// A Time is one of an entry's times.
type Time struct {
	Name   string `json:"name,omitempty"`   // "modified", "changed", "accessed", "created", "deleted"
	Time   Moment `json:"time"`             // never outside of the years 1 to 9999
	Source string `json:"source,omitempty"` // where it is stored, such as "inode" or "$STANDARD_INFORMATION"
	// Zone is "UTC", an offset such as "+02:00" that is stored with the time,
	// or "local": what the clock showed where the file was written. Of the
	// last, Time has the figures of the clock, as if they were UTC.
	Zone string `json:"zone"`
}

// An Owner is whose a file is.
type Owner struct {
	User  string `json:"user"` // a number, or a SID of Windows
	Group string `json:"group,omitempty"`
}

// A Stream is a named content beside the main one.
type Stream struct {
	Name string `json:"name"` // in the form of Escape
	Size int64  `json:"size"`
}

// An Extent says where a piece of a file's content lies.
type Extent struct {
	Offset int64      `json:"offset"` // in the content, bytes
	Length int64      `json:"length"` // bytes; the last may reach over the file's end
	Disk   int64      `json:"disk"`   // in the volume, bytes; -1 where there is no such place
	Kind   ExtentKind `json:"kind"`
}

// ExtentKind is what an extent's bytes are.
type ExtentKind string

// Kinds of extents.
const (
	ExtentData       ExtentKind = "data"
	ExtentHole       ExtentKind = "hole"      // reads as zeroes
	ExtentUnwritten  ExtentKind = "unwritten" // has a place, reads as zeroes
	ExtentInline     ExtentKind = "inline"    // within the file's record
	ExtentCompressed ExtentKind = "compressed"
)

// Facts are what a file system tells of itself.
type Facts struct {
	Kind      string   `json:"kind"` // such as "ext4", "NTFS", "ISO 9660", "FAT32", "exFAT"
	Label     string   `json:"label,omitempty"`
	UUID      string   `json:"uuid,omitempty"` // or serial number, as the system's tools write it
	Size      int64    `json:"size"`           // bytes, by the file system's own word
	BlockSize int64    `json:"blockSize"`      // bytes; clusters of FAT and NTFS
	Free      int64    `json:"free"`           // bytes; -1 where it takes more than a few reads to tell
	Features  []string `json:"features,omitempty"`
	Times     []Time   `json:"times,omitempty"` // also "mounted", "written", "checked"
	Mounted   string   `json:"mounted,omitempty"`
	Problems  []string `json:"problems,omitempty"`
}

// Limits, of each volume or operation. Beyond them is ErrLimit.
const (
	MaxDepth   = 1024    // names in a path
	MaxPath    = 1 << 20 // bytes of a path
	MaxEntries = 1 << 24 // entries of a list
	MaxExtents = 4096    // extents in Details
	MaxTarget  = 1 << 16 // bytes of a link's target
	MaxStreams = 1024    // streams in Details
)
