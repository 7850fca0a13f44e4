package fs

import (
	"context"
	"fmt"
)

// A source is what one operation reads a volume by: it ends with the
// operation's context, and after more reads than any sound volume would take,
// so that no loop on a disk is followed for ever.
type source struct {
	ctx   context.Context // of the one operation; a source is never kept
	pages *Pages
	reads int64 // that are left
	bytes int64 // that are left
}

// Budgets of one operation. A list gives entries while it goes on, so its
// budget is renewed by each.
const (
	maxReads = 1 << 20
	maxBytes = 4 << 30
)

func newSource(ctx context.Context, pages *Pages) *source {
	s := &source{ctx: ctx, pages: pages}
	s.renew()
	return s
}

func (s *source) renew() { s.reads, s.bytes = maxReads, maxBytes }

// size is the volume's, in bytes.
func (s *source) size() int64 { return s.pages.Size() }

// step is for loops that may go on without a read: it counts as one.
func (s *source) step() error {
	if err := s.ctx.Err(); err != nil {
		return context.Cause(s.ctx)
	}
	if s.reads--; s.reads < 0 || s.bytes < 0 {
		return fmt.Errorf("%w: one operation takes more reads than any sound file system needs", ErrLimit)
	}
	return nil
}

// readFull fills p from the volume's bytes at offset. What lies outside of the
// volume is ErrDamaged.
func (s *source) readFull(p []byte, offset int64) error {
	s.bytes -= int64(len(p))
	if err := s.step(); err != nil {
		return err
	}
	if offset < 0 || offset > s.size()-int64(len(p)) {
		return damaged("%d bytes at %d lie outside of the volume, which has %d", len(p), offset, s.size())
	}
	_, err := s.pages.ReadContext(s.ctx, p, offset)
	return err
}

// read is readFull into a buffer of its own, of n bytes, which the caller has
// bounded.
func (s *source) read(n int, offset int64) ([]byte, error) {
	p := make([]byte, n)
	return p, s.readFull(p, offset)
}

// ReadAt is io.ReaderAt, for disk.Probe.
func (s *source) ReadAt(p []byte, offset int64) (int, error) {
	s.bytes -= int64(len(p))
	if err := s.step(); err != nil {
		return 0, err
	}
	return s.pages.ReadContext(s.ctx, p, offset)
}
