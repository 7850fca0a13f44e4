//go:build !linux

package device

func (d *File) lock() error { return nil }

func (d *File) findBlock() error { return nil }

// Sync makes every completed write durable.
func (d *File) Sync() error { return onWire(d.f.Sync()) }
