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
