package nbd

import (
	"context"
	"errors"
	"fmt"
)

// A change is a write, a trim or a write of zeroes under way. Its range is
// locked until it is over, for as many connections as that takes.
type change struct {
	op     string
	lo, hi int64
	data   []byte // the caller's; nil for zeroes and trims
	flags  Flags

	begun bool          // a connection has got it
	room  int64         // reserved in the journal; 0: it is not kept
	over  chan struct{} // closed when it is over
}

// change makes w until it is answered, and keeps it if the answer does not
// make it durable. room is what that takes in the journal; 0 is for a trim.
func (r *LastingDisk) change(ctx context.Context, w *change, room int64, send func(*Disk, Flags) error) error {
	release, err := r.writes.lock(ctx, w.lo, w.hi)
	if err != nil {
		return err
	}
	defer release()
	w.over = make(chan struct{})
	defer close(w.over)
	f, err := r.admitted(ctx, w, room)
	if err != nil {
		return err
	}
	err = r.run(ctx, func(l *link) error {
		if !r.begin(l, w) {
			return errStale
		}
		if err := send(l.disk, f); err != nil {
			return err
		}
		return r.acknowledge(l, w)
	})
	if err != nil {
		return r.failed(w, err)
	}
	if w.flags&FlagFUA != 0 {
		return r.told()
	}
	return nil
}

// begin cuts w out of the older writes, before any connection gets it. A
// connection that is lost already must not, because the older ones are needed.
func (r *LastingDisk) begin(l *link, w *change) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.link != l {
		return false
	}
	w.begun = true
	if r.keeps {
		r.journal.cut(w)
	}
	return true
}

// acknowledge takes w into the journal, while it is certain that the next
// connection will get it from there. What is durable, or undefined, needs none.
func (r *LastingDisk) acknowledge(l *link, w *change) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.link != l && w.room > 0 {
		return errStale
	}
	if r.keeps {
		r.journal.done(w)
		r.moveLocked()
	}
	return nil
}

// failed settles w, whose bytes are not known to be there.
func (r *LastingDisk) failed(w *change, err error) error {
	r.mu.Lock()
	if r.keeps {
		r.journal.failed(w, err)
		r.moveLocked()
	}
	r.mu.Unlock()
	var answer *OpError
	if !w.begun || errors.Is(err, ErrUnknownOutcome) || errors.As(err, &answer) && answer.Errno != ESHUTDOWN {
		return err
	}
	return &unknownOutcome{w, err}
}

// An unknownOutcome is a change that a connection had got when its context or
// the disk ended.
type unknownOutcome struct {
	of    *change
	cause error
}

func (e *unknownOutcome) Error() string {
	return fmt.Sprintf("nbd: %s of %d bytes at %d: it may have happened or not: %v", e.of.op, e.of.hi-e.of.lo, e.of.lo, e.cause)
}

func (e *unknownOutcome) Unwrap() []error { return []error{ErrUnknownOutcome, e.cause} }

// admitted reserves room for w and returns the flags to send it with: what
// can't be kept has to be durable at once. Writes come in one by one, and the
// first that finds no room makes it, by a flush, or waits for those under way.
func (r *LastingDisk) admitted(ctx context.Context, w *change, room int64) (Flags, error) {
	if !r.keeps || room == 0 || w.flags&FlagFUA != 0 {
		return w.flags, nil
	}
	if room > r.journal.limit {
		return w.flags | FlagFUA, nil
	}
	select {
	case r.admit <- struct{}{}:
	case <-ctx.Done():
		return 0, context.Cause(ctx)
	}
	defer func() { <-r.admit }()
	for {
		r.mu.Lock()
		enough, kept, end, moved := r.journal.reserve(w, room), r.journal.kept, r.end, r.moved
		r.mu.Unlock()
		var err error
		switch {
		case enough:
			return w.flags, nil
		case end != nil:
			return 0, end
		case kept > 0:
			if err = r.flush(ctx); err != nil {
				err = fmt.Errorf("nbd: flushing to make room for a write: %w", err)
			}
		default:
			err = until(ctx, moved)
		}
		if err != nil {
			return 0, err
		}
	}
}

// flush makes durable what was acknowledged before it, and drops that from the
// journal. Its answer counts only if the connection was there all the time.
func (r *LastingDisk) flush(ctx context.Context) error {
	err := r.run(ctx, func(l *link) error {
		if err := r.mended(ctx); err != nil {
			return err
		}
		r.mu.Lock()
		seq, stale := r.journal.seq, r.link != l
		r.mu.Unlock()
		if stale {
			return errStale
		}
		if err := l.disk.Flush(ctx); err != nil {
			return err
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		if r.link != l {
			return errStale
		}
		r.journal.flushed(seq)
		r.moveLocked()
		return nil
	})
	if err != nil && ctx.Err() == nil {
		return r.forfeited(err)
	}
	return err
}

// mended waits for the writes that an outage has interrupted and that took the
// place of older ones: a flush before them would promise what isn't there.
func (r *LastingDisk) mended(ctx context.Context) error {
	for {
		r.mu.Lock()
		w := r.journal.mending()
		r.mu.Unlock()
		if w == nil {
			return nil
		}
		if err := until(ctx, w.over); err != nil {
			return err
		}
	}
}

// forfeited says that everything kept is lost, once the disk has ended with it.
func (r *LastingDisk) forfeited(err error) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.end == nil || !errors.Is(err, r.end) {
		return err
	}
	if lost := r.journal.forfeit(r.end); lost != nil {
		return lost
	}
	return err
}

// told returns the losses that nobody has been told of.
func (r *LastingDisk) told() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.journal.told()
}
