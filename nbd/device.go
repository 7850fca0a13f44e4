package nbd

import "io"

// A Device is what a Server exports. Its methods are called from many
// goroutines at once, with ranges inside Size.
//
// ReadAt and WriteAt may fail with an Errno, which reaches the client as it
// is; any other error becomes EIO.
type Device interface {
	io.ReaderAt
	io.WriterAt
	// Size returns the size in bytes; it must not change.
	Size() int64
	// Sync makes every completed write durable.
	Sync() error
}

// A Trimmer is a Device that can give space back, NBD_CMD_TRIM. What the range
// reads as afterwards is undefined.
type Trimmer interface {
	Trim(off, n int64) error
}

// A Zeroer is a Device that has a better way to write zeroes than writing
// them, NBD_CMD_WRITE_ZEROES. With FlagNoHole the range must stay allocated;
// with FlagFastZero it fails with ENOTSUP, and changes nothing, where it would
// be no faster than a write.
type Zeroer interface {
	WriteZeroes(off, n int64, f Flags) error
}

// A Mapper is a Device that knows where its data is: Map tells the state of
// the bytes at off (StateHole and StateZero, or 0 for data) and for how many
// bytes, from 1 to n, it holds. "base:allocation" is answered from it.
type Mapper interface {
	Map(off, n int64) (length int64, state uint64, err error)
}

// A Cacher is a Device that can fetch a range in advance, NBD_CMD_CACHE.
type Cacher interface {
	Cache(off, n int64) error
}
