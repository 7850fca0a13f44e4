package nbd

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"
)

// Check asks the server for something small, and returns nil once it has
// answered, with whatever. If nothing comes for that long, the connection is
// ended, and the error is an ErrRequestTimeout. What comes of other replies,
// in the second half of that time, is an answer too: a link that is busy and
// slow is no dead one, while what arrived in a program that did not run, such
// as a frozen page, comes at once and proves nothing.
//
// ctx bounds the call, and leaves the connection as it is.
func (d *Disk) Check(ctx context.Context, within time.Duration) error {
	late := fmt.Errorf("%w: a check, for %v", ErrRequestTimeout, within)
	asking, cancel := context.WithTimeoutCause(ctx, within, late)
	defer cancel()
	var before atomic.Int64
	before.Store(d.heard.Load())
	half := time.AfterFunc(within/2, func() { before.Store(d.heard.Load()) })
	defer half.Stop()
	err := d.ask(asking)
	var refused *OpError
	switch {
	case errors.As(err, &refused) && refused.Errno != ESHUTDOWN:
		return nil
	case !errors.Is(err, late):
		return err
	case d.heard.Load() != before.Load():
		return nil
	}
	d.fail(late)
	return late
}

// ask makes a request that every export serves. An empty one that can't be
// flushed has none.
func (d *Disk) ask(ctx context.Context) error {
	if d.info.Size == 0 {
		return d.Flush(ctx)
	}
	return d.Read(ctx, make([]byte, 1), 0)
}

// Check is as that of Disk: a connection that it ends is made again at once.
// During an outage the next attempt begins at once, and Check waits for a
// connection, which is an answer.
func (r *LastingDisk) Check(ctx context.Context, within time.Duration) error {
	waiting, cancel := context.WithTimeoutCause(ctx, within, ErrRequestTimeout)
	defer cancel()
	r.mu.Lock()
	l := r.link
	r.mu.Unlock()
	if l != nil {
		l.used()
		err := l.disk.Check(ctx, within)
		if err == nil || !l.ends(err) {
			l.heard(err)
			return err
		}
	}
	select {
	case r.hurry <- struct{}{}:
	default:
	}
	_, err := r.connection(waiting, l)
	return err
}
