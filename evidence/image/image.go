// Package image writes and reads the files that disks are acquired into.
package image

import "context"

// A Format is how a file holds a disk.
type Format string

const (
	// Raw is the bytes of the disk and nothing else.
	Raw Format = "raw"
	// Zstd is the bytes of the disk in Zstandard frames (RFC 8878) with
	// checksums, of at most MaxPiece bytes each, or of 64 MiB of zeros, with a
	// table of the frames at the end: the seekable format, which any decoder
	// of Zstandard reads.
	Zstd Format = "zstd"
)

// MaxPiece is how many bytes a Writer takes at once.
const MaxPiece = 1 << 20

// An Output takes a file from its beginning to its end.
type Output interface {
	// Write appends p, which is the caller's again when it returns. It has at
	// most MaxPiece bytes, or a 256th more.
	Write(ctx context.Context, p []byte) error
	// Skip appends n zeros. Where there can be holes it makes one.
	Skip(ctx context.Context, n int64) error
	// Sync makes durable what was appended.
	Sync(ctx context.Context) error
}

// A State is all that Resume needs, beside the file. It is kept as JSON.
type State struct {
	Format Format `json:"format"`
	Disk   int64  `json:"disk"`             // bytes of the disk that the file has
	File   int64  `json:"file"`             // bytes of the file; what is after them is to be cut off
	Frames []byte `json:"frames,omitempty"` // of Zstd: sizes of the frames, compressed and not, each 32 bits, little-endian
}
