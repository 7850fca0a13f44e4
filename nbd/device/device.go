// Package device holds the devices that an nbd.Server exports.
package device

import (
	"io"
	"sync"

	"nbdbridge/nbd"
)

// Memory is a device in memory. Its zero value has no bytes.
type Memory struct {
	mu    sync.RWMutex
	bytes []byte
}

// NewMemory returns a device over b, which it owns from here on.
func NewMemory(b []byte) *Memory { return &Memory{bytes: b} }

// Size returns the number of bytes.
func (m *Memory) Size() int64 { return int64(len(m.bytes)) }

// ReadAt reads as io.ReaderAt says.
func (m *Memory) ReadAt(p []byte, off int64) (int, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	if off < 0 || off > m.Size() {
		return 0, nbd.EINVAL
	}
	n := copy(p, m.bytes[off:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// WriteAt writes as io.WriterAt says; beyond the end the error is ENOSPC.
func (m *Memory) WriteAt(p []byte, off int64) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if off < 0 || off > m.Size() {
		return 0, nbd.ENOSPC
	}
	n := copy(m.bytes[off:], p)
	if n < len(p) {
		return n, nbd.ENOSPC
	}
	return n, nil
}

// Sync does nothing: memory is as durable as it gets.
func (m *Memory) Sync() error { return nil }

// readOnly is any io.ReaderAt as a device.
type readOnly struct {
	io.ReaderAt
	size int64
}

// ReadOnly returns a device of size bytes over r, such as an open file. Writes
// fail with EPERM; export it read-only, so that clients know.
func ReadOnly(r io.ReaderAt, size int64) nbd.Device { return readOnly{r, size} }

func (d readOnly) Size() int64                        { return d.size }
func (d readOnly) Sync() error                        { return nil }
func (d readOnly) WriteAt([]byte, int64) (int, error) { return 0, nbd.EPERM }
