package device

import (
	"errors"
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"

	"nbdbridge/nbd"
)

// control hands the descriptor to op, and keeps it from being closed meanwhile.
func (d *File) control(op func(fd int) error) error {
	raw, err := d.f.SyscallConn()
	if err != nil {
		return err
	}
	var failure error
	if err := raw.Control(func(fd uintptr) { failure = retried(func() error { return op(int(fd)) }) }); err != nil {
		return err
	}
	return failure
}

// retried runs op again when a signal has interrupted it.
func retried(op func() error) error {
	for {
		if err := op(); err != unix.EINTR {
			return err
		}
	}
}

func (d *File) lock() error {
	how := unix.LOCK_EX
	if d.readOnly {
		how = unix.LOCK_SH
	}
	err := d.control(func(fd int) error { return unix.Flock(fd, how|unix.LOCK_NB) })
	switch {
	case err == unix.EWOULDBLOCK && d.readOnly:
		return fmt.Errorf("%s is in use: somebody who has locked it may be writing to it", d.f.Name())
	case err == unix.EWOULDBLOCK:
		return fmt.Errorf("%s is in use: somebody else has locked it; it can be written to by one only", d.f.Name())
	case err != nil:
		return fmt.Errorf("locking %s: %w", d.f.Name(), err)
	}
	return nil
}

// findBlock asks a block device for its logical block size.
func (d *File) findBlock() error {
	info, err := d.f.Stat()
	if err != nil || info.Mode().IsRegular() {
		return err
	}
	return d.control(func(fd int) error {
		size, err := unix.IoctlGetInt(fd, unix.BLKSSZGET)
		d.block = max(1, int64(size))
		return err
	})
}

func (d *File) sync() error { return d.control(unix.Fdatasync) }

// Cache asks the system to read the range ahead.
func (d *File) Cache(off, n int64) error {
	if err := checkRange(off, n, d.size); err != nil {
		return err
	}
	return onWire(d.control(func(fd int) error { return unix.Fadvise(fd, off, n, unix.FADV_WILLNEED) }))
}

// Map tells holes by SEEK_DATA and SEEK_HOLE. Whatever is not known to be a
// hole is told as data, which is never wrong.
func (d *File) Map(off, n int64) (length int64, state uint64, err error) {
	if err := checkRange(off, n, d.size); err != nil {
		return 0, 0, err
	}
	start, err := d.seek(off, unix.SEEK_DATA)
	if err == unix.ENXIO { // a hole to the end, unless the end has come nearer
		start, err = d.size, d.checkLength()
	}
	if err != nil {
		return n, 0, nil
	}
	if start > off {
		return min(n, start-off), nbd.StateHole | nbd.StateZero, nil
	}
	end, err := d.seek(off, unix.SEEK_HOLE)
	if err != nil || end <= off { // a writer made it a hole meanwhile
		return n, 0, nil
	}
	return min(n, end-off), 0, nil
}

// seek moves the position of the descriptor, which nothing here depends on.
func (d *File) seek(off int64, whence int) (at int64, err error) {
	err = d.control(func(fd int) error {
		at, err = unix.Seek(fd, off, whence)
		return err
	})
	return at, err
}

// Trim punches a hole, or discards the whole blocks of a block device. Where
// the file system or the disk can do neither, it does nothing.
func (d *File) Trim(off, n int64) error {
	lo, hi, err := d.wholeBlocks(off, n)
	if err != nil || lo == hi {
		return err
	}
	if d.block == 1 {
		err = d.fallocate(unix.FALLOC_FL_PUNCH_HOLE, lo, hi)
	} else {
		err = d.discard(lo, hi)
	}
	if isUnsupported(err) {
		return nil
	}
	return onWire(err)
}

// WriteZeroes punches a hole, where f allows, or has the file system zero the
// range; where neither is possible it writes, unless f has FlagFastZero.
func (d *File) WriteZeroes(off, n int64, f nbd.Flags) error {
	lo, hi, err := d.wholeBlocks(off, n)
	if err != nil || n == 0 {
		return err
	}
	fast := f&nbd.FlagFastZero != 0
	if lo == hi && fast {
		return nbd.ENOTSUP
	}
	err = d.zeroBlocks(lo, hi, f)
	switch {
	case isUnsupported(err) && fast:
		return nbd.ENOTSUP
	case isUnsupported(err):
		return d.writeZeroes(off, off+n)
	case err != nil:
		return onWire(err)
	}
	return errors.Join(d.writeZeroes(off, lo), d.writeZeroes(hi, off+n))
}

// zeroBlocks tries what is faster than writing. FALLOC_FL_ZERO_RANGE is, but
// on a block device it may come to writing.
func (d *File) zeroBlocks(lo, hi int64, f nbd.Flags) error {
	if lo == hi {
		return nil
	}
	err := error(unix.EOPNOTSUPP)
	if f&nbd.FlagNoHole == 0 {
		err = d.fallocate(unix.FALLOC_FL_PUNCH_HOLE, lo, hi)
	}
	if isUnsupported(err) && (d.block == 1 || f&nbd.FlagFastZero == 0) {
		err = d.fallocate(unix.FALLOC_FL_ZERO_RANGE, lo, hi)
	}
	return err
}

func (d *File) writeZeroes(lo, hi int64) error {
	for lo < hi {
		n, err := d.f.WriteAt(zeroes[:min(pageSize, hi-lo)], lo)
		if err != nil {
			return onWire(err)
		}
		lo += int64(n)
	}
	return nil
}

// wholeBlocks is the part of a range that the system can work on; nothing of
// it where the range lies within one block. It checks what a write would.
func (d *File) wholeBlocks(off, n int64) (lo, hi int64, err error) {
	if err := checkRange(off, n, d.size); err != nil {
		return 0, 0, err
	}
	if err := d.canWrite(); err != nil {
		return 0, 0, err
	}
	lo, hi = off+(d.block-off%d.block)%d.block, (off+n)-(off+n)%d.block
	if lo >= hi {
		return off, off, nil
	}
	return lo, hi, nil
}

func (d *File) fallocate(mode uint32, lo, hi int64) error {
	return d.control(func(fd int) error {
		return unix.Fallocate(fd, mode|unix.FALLOC_FL_KEEP_SIZE, lo, hi-lo)
	})
}

func (d *File) discard(lo, hi int64) error {
	span := [2]uint64{uint64(lo), uint64(hi - lo)}
	return d.control(func(fd int) error {
		_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.BLKDISCARD, uintptr(unsafe.Pointer(&span)))
		if errno != 0 {
			return errno
		}
		return nil
	})
}

func isUnsupported(err error) bool {
	return isAny(err, unix.EOPNOTSUPP, unix.ENOSYS, unix.ENOTTY)
}
