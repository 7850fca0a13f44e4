//go:build !linux

package device

func (d *File) lock() error { return nil }

func (d *File) findBlock() error { return nil }

func (d *File) sync() error { return d.f.Sync() }
