package device

import (
	"sync"

	"nbdbridge/nbd"
)

// Memory is a device over bytes in memory. Its zero value has none. A disk
// that is mostly empty is better off with NewSparse.
type Memory struct {
	mu    sync.RWMutex
	bytes []byte
}

// NewMemory returns a device over b, which it owns from here on: writes change
// b itself.
func NewMemory(b []byte) *Memory { return &Memory{bytes: b} }

// Size returns the number of bytes.
func (m *Memory) Size() int64 { return int64(len(m.bytes)) }

// ReadAt reads as io.ReaderAt says.
func (m *Memory) ReadAt(p []byte, off int64) (int, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	p, end, err := readable(p, off, m.Size())
	if err != nil {
		return 0, err
	}
	return copy(p, m.bytes[off:]), end
}

// WriteAt writes as io.WriterAt says; beyond the end the error is ENOSPC.
func (m *Memory) WriteAt(p []byte, off int64) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	p, end, err := writable(p, off, m.Size())
	if err != nil {
		return 0, err
	}
	return copy(m.bytes[off:], p), end
}

// Sync does nothing: memory is as durable as it gets.
func (m *Memory) Sync() error { return nil }

var _ nbd.Device = (*Memory)(nil)
