package nbd

import (
	"context"
	"errors"
	"time"
)

// poisonLosses is how many connections a call may lose before it is suspected
// to be what ends them, and fails once RedialConfig.GiveUpAfter has passed.
const poisonLosses = 3

// errStale is an answer that came when the connection was lost already. It is
// unknown then whether a server that restarted still has what it answers for.
var errStale = errors.New("nbd: the answer came with the end of the connection")

// connection waits for one that is not the one given.
func (r *LastingDisk) connection(ctx context.Context, not *link) (*link, error) {
	for {
		r.mu.Lock()
		l, end, moved := r.link, r.end, r.moved
		r.mu.Unlock()
		switch {
		case end != nil:
			return nil, end
		case ctx.Err() != nil:
			return nil, context.Cause(ctx)
		case l != nil && l != not:
			return l, nil
		}
		if err := until(ctx, moved); err != nil {
			return nil, err
		}
	}
}

func until(ctx context.Context, c <-chan struct{}) error {
	select {
	case <-c:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// run makes a call on one connection after the other, until there is an answer.
func (r *LastingDisk) run(ctx context.Context, call func(*link) error) error {
	var begun time.Time
	var l *link
	for losses := 0; ; losses++ {
		var err error
		if l, err = r.connection(ctx, l); err != nil {
			return err
		}
		l.used()
		if err = call(l); err == nil || !l.ends(err) {
			l.heard(err)
			return err
		}
		if losses == 0 {
			begun = time.Now()
		}
		if losses >= poisonLosses && time.Since(begun) > r.cfg.giveUpAfter() {
			return err
		}
	}
}

// heard notes that the server has answered.
func (l *link) heard(err error) {
	var refused *OpError
	if err == nil || errors.As(err, &refused) {
		l.answered.Store(true)
	}
}

// Read is as that of Disk.
func (r *LastingDisk) Read(ctx context.Context, p []byte, off int64) error {
	if err := r.facts.checkRange("read", off, int64(len(p))); err != nil || len(p) == 0 {
		return err
	}
	return r.run(ctx, func(l *link) error { return l.disk.Read(ctx, p, off) })
}

// ReadUnfragmented is as that of Disk.
func (r *LastingDisk) ReadUnfragmented(ctx context.Context, p []byte, off int64) error {
	err := firstError(r.facts.offers("read", FlagSendDF), r.facts.checkRange("read", off, int64(len(p))))
	if err != nil || len(p) == 0 {
		return err
	}
	return r.run(ctx, func(l *link) error { return l.disk.ReadUnfragmented(ctx, p, off) })
}

// Cache is as that of Disk.
func (r *LastingDisk) Cache(ctx context.Context, off, length int64) error {
	err := firstError(r.facts.checkRange("cache", off, length), r.facts.offers("cache", FlagSendCache))
	if err != nil || length == 0 {
		return err
	}
	return r.run(ctx, func(l *link) error { return l.disk.Cache(ctx, off, length) })
}

// BlockStatus is as that of Disk.
func (r *LastingDisk) BlockStatus(ctx context.Context, off, length int64, f Flags, contexts ...string) (extents map[string][]Extent, err error) {
	_, err = r.facts.selected(contexts)
	if err = firstError(err, r.facts.checkRange("block status", off, length)); err != nil || length == 0 {
		return nil, err
	}
	err = r.run(ctx, func(l *link) error {
		extents, err = l.disk.BlockStatus(ctx, off, length, f, contexts...)
		return err
	})
	return extents, err
}

// Write is as that of Disk. Besides its errors: ErrUnflushed, with FlagFUA.
func (r *LastingDisk) Write(ctx context.Context, p []byte, off int64, f Flags) error {
	n := int64(len(p))
	if err := r.facts.checkWrite("write", off, n, f, FlagFUA); err != nil || n == 0 {
		return err
	}
	w := &change{op: "write", lo: off, hi: off + n, data: p, flags: f}
	return r.change(ctx, w, roomFor(n), func(d *Disk, f Flags) error { return d.Write(ctx, p, off, f) })
}

// WriteZeroes is as that of Disk. Besides its errors: ErrUnflushed, with FlagFUA.
func (r *LastingDisk) WriteZeroes(ctx context.Context, off, length int64, f Flags) error {
	const op = "write of zeroes"
	err := r.facts.checkWrite(op, off, length, f, FlagFUA|FlagNoHole|FlagFastZero)
	needs := FlagSendWriteZeroes
	if f&FlagFastZero != 0 {
		needs |= FlagSendFastZero
	}
	if err = firstError(err, r.facts.offers(op, needs)); err != nil || length == 0 {
		return err
	}
	w := &change{op: op, lo: off, hi: off + length, flags: f}
	return r.change(ctx, w, roomFor(0), func(d *Disk, f Flags) error { return d.WriteZeroes(ctx, off, length, f) })
}

// Trim is as that of Disk. Besides its errors: ErrUnflushed, with FlagFUA.
func (r *LastingDisk) Trim(ctx context.Context, off, length int64, f Flags) error {
	err := firstError(r.facts.checkWrite("trim", off, length, f, FlagFUA), r.facts.offers("trim", FlagSendTrim))
	if err != nil {
		return err
	}
	block := int64(r.facts.info.BlockSize.Minimum)
	lo, hi := off+(block-off%block)%block, (off+length)/block*block // blocks in part stay as they are
	if lo >= hi {
		return nil
	}
	w := &change{op: "trim", lo: lo, hi: hi, flags: f}
	return r.change(ctx, w, 0, func(d *Disk, f Flags) error { return d.Trim(ctx, lo, hi-lo, f) })
}

// Flush is as that of Disk: what was written before an outage is durable too,
// or the error is ErrUnflushed.
func (r *LastingDisk) Flush(ctx context.Context) error {
	if r.facts.readOnly {
		return nil
	}
	if err := r.facts.offers("flush", FlagSendFlush); err != nil {
		return err
	}
	if err := r.flush(ctx); err != nil {
		return err
	}
	return r.told()
}
