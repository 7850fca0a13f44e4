// Package device holds the devices that an nbd.Server exports.
package device

import (
	"io"

	"nbdbridge/nbd"
)

// readOnly is any io.ReaderAt as a device.
type readOnly struct {
	io.ReaderAt
	size int64
}

// ReadOnly returns a device of size bytes over r. Writes fail with EPERM;
// export it read-only, so that clients know. Where r is an nbd.Mapper or an
// nbd.Cacher, so is the device.
func ReadOnly(r io.ReaderAt, size int64) nbd.Device {
	d := readOnly{r, size}
	mapper, maps := r.(nbd.Mapper)
	cacher, caches := r.(nbd.Cacher)
	switch {
	case maps && caches:
		return struct {
			readOnly
			nbd.Mapper
			nbd.Cacher
		}{d, mapper, cacher}
	case maps:
		return struct {
			readOnly
			nbd.Mapper
		}{d, mapper}
	case caches:
		return struct {
			readOnly
			nbd.Cacher
		}{d, cacher}
	}
	return d
}

func (d readOnly) Size() int64                        { return d.size }
func (d readOnly) Sync() error                        { return nil }
func (d readOnly) WriteAt([]byte, int64) (int, error) { return 0, nbd.EPERM }

// readable cuts p to the bytes that a device of size has at off. What is cut
// is reported by end once the rest was read.
func readable(p []byte, off, size int64) (inside []byte, end error, err error) {
	if off < 0 || off > size {
		return nil, nil, nbd.EINVAL
	}
	if int64(len(p)) > size-off {
		return p[:size-off], io.EOF, nil
	}
	return p, nil, nil
}

// writable is readable for writes, where the end of the device is ENOSPC.
func writable(p []byte, off, size int64) (inside []byte, end error, err error) {
	if off < 0 || off > size {
		return nil, nil, nbd.ENOSPC
	}
	if int64(len(p)) > size-off {
		return p[:size-off], nbd.ENOSPC, nil
	}
	return p, nil, nil
}

// checkRange refuses what is not inside a device of size.
func checkRange(off, n, size int64) error {
	if off < 0 || n < 0 || off > size || n > size-off {
		return nbd.EINVAL
	}
	return nil
}
