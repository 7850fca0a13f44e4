package image

import "io"

// An Image is a disk in a file. Its methods may be called from several
// goroutines at once.
type Image struct{ size int64 }

// Open finds the disk in a finished image of size bytes.
func Open(f Format, r io.ReaderAt, size int64) (*Image, error) { return nil, errSkeleton }

// Size is that of the disk, in bytes.
func (i *Image) Size() int64 { return i.size }

// ReadAt reads bytes of the disk, as io.ReaderAt has it.
func (i *Image) ReadAt(p []byte, offset int64) (int, error) { return 0, errSkeleton }
