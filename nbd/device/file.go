package device

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync"
	"syscall"

	"nbdbridge/nbd"
)

// A File is a device over a regular file or a block device. On Linux it can
// also trim, write zeroes, map its holes and cache; elsewhere it reads, writes
// and syncs.
type File struct {
	f        *os.File
	size     int64 // bytes
	block    int64 // bytes, what the range of a trim must be made of; 1 for regular files
	readOnly bool

	syncing sync.Mutex
	lost    error // of the first Sync that failed
}

// OpenFile opens a file, which keeps its size from here on, and locks it
// (flock, on Linux): many may read it or one may write to it. The lock holds
// off those who look for it, which are other servers of this kind and not
// every program. Close the file once nothing is served from it any more.
//
// Reads where the file has become shorter since fail with EIO, as do writes to
// it. Space that is allocated but was never written counts as a hole.
func OpenFile(path string, readOnly bool) (*File, error) {
	if err := checkKind(path); err != nil {
		return nil, err
	}
	mode := os.O_RDWR
	if readOnly {
		mode = os.O_RDONLY
	}
	f, err := os.OpenFile(path, mode, 0)
	if err != nil {
		return nil, err
	}
	d := &File{f: f, block: 1, readOnly: readOnly}
	if err := d.prepare(); err != nil {
		f.Close()
		return nil, err
	}
	return d, nil
}

// checkKind comes before the opening, which waits for ever at a pipe.
func checkKind(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if m := info.Mode(); !m.IsRegular() && m&(fs.ModeDevice|fs.ModeCharDevice) != fs.ModeDevice {
		return fmt.Errorf("%s is neither a regular file nor a block device", path)
	}
	return nil
}

func (d *File) prepare() (err error) {
	if err := d.lock(); err != nil {
		return err
	}
	d.size, err = d.f.Seek(0, io.SeekEnd) // works for block devices too
	if err != nil {
		return err
	}
	return d.findBlock()
}

// Close ends the use of the file, and its lock.
func (d *File) Close() error { return d.f.Close() }

// Size returns the number of bytes that the file had when it was opened.
func (d *File) Size() int64 { return d.size }

// ReadAt reads as io.ReaderAt says.
func (d *File) ReadAt(p []byte, off int64) (int, error) {
	p, end, err := readable(p, off, d.size)
	if err != nil {
		return 0, err
	}
	n, err := d.f.ReadAt(p, off)
	switch {
	case n == len(p):
		return n, end
	case errors.Is(err, io.EOF):
		return n, d.shrunk()
	}
	return n, onWire(err)
}

// WriteAt writes as io.WriterAt says; beyond the end the error is ENOSPC.
func (d *File) WriteAt(p []byte, off int64) (int, error) {
	p, end, err := writable(p, off, d.size)
	if err == nil {
		err = d.canWrite()
	}
	if err != nil {
		return 0, err
	}
	n, err := d.f.WriteAt(p, off)
	if err != nil {
		return n, onWire(err)
	}
	return n, end
}

// Sync makes every completed write durable. Once it has failed it always fails:
// the system tells that a write was lost to whoever asks first and to nobody
// else, and all clients of a file are one to it.
func (d *File) Sync() error {
	d.syncing.Lock()
	defer d.syncing.Unlock()
	if d.lost == nil {
		d.lost = onWire(d.sync())
	}
	return d.lost
}

// canWrite refuses where a write would make the file longer: that would put
// zeroes where there was data.
func (d *File) canWrite() error {
	if d.readOnly {
		return nbd.EPERM
	}
	return d.checkLength()
}

// checkLength fails where the file has become shorter.
func (d *File) checkLength() error {
	info, err := d.f.Stat()
	if err != nil {
		return onWire(err)
	}
	if info.Mode().IsRegular() && info.Size() < d.size {
		return d.shrunk()
	}
	return nil
}

func (d *File) shrunk() error {
	return fmt.Errorf("%w: %s is shorter than the %d bytes that it had", nbd.EIO, d.f.Name(), d.size)
}

// onWire puts the error that a client is told in front of one of the system.
func onWire(err error) error {
	if err == nil {
		return nil
	}
	errno := nbd.EIO
	switch {
	case isAny(err, syscall.ENOSPC, syscall.EDQUOT, syscall.EFBIG):
		errno = nbd.ENOSPC
	case isAny(err, syscall.EPERM, syscall.EACCES, syscall.EROFS):
		errno = nbd.EPERM
	}
	return fmt.Errorf("%w: %w", errno, err)
}

func isAny(err error, targets ...error) bool {
	for _, target := range targets {
		if errors.Is(err, target) {
			return true
		}
	}
	return false
}
