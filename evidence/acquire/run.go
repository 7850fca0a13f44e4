package acquire

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"nbdbridge/evidence/report"
)

// grace is how long a piece under way, and the last checkpoint, may take after
// the context of an acquisition has ended.
const grace = 5 * time.Second

// Run acquires what is left of a disk from a byte on: 0, or the Offset of the
// state that the image, the digests and the log are from. What can't be read
// becomes zeros, and the log says where; that is no error. Nil is an acquisition
// that is complete. After an error that says that it can go on, Run can be
// called again with the last state.
//
// Reads of at most 1 MiB, 8 of them under way, are handed on in order.
// Goroutines of its own have ended when it returns.
func Run(ctx context.Context, job Job, from int64) error {
	a := &acquisition{Job: job, offset: from}
	if err := a.check(); err != nil {
		return err
	}
	work, stop := lasting(ctx)
	defer stop()
	a.open()
	err := a.copy(ctx, work)
	if err == nil {
		err = a.finish(work)
	}
	return a.close(work, err)
}

// lasting outlives a context by a grace, so that what is half done can be done.
func lasting(ctx context.Context) (context.Context, func()) {
	work, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		timer := time.NewTimer(grace)
		defer timer.Stop()
		select {
		case <-timer.C:
			cancel(context.Cause(ctx))
		case <-work.Done():
		}
	})
	return work, func() { stop(); cancel(nil) }
}

// An acquisition is a Run under way.
type acquisition struct {
	Job
	offset  int64 // all before it is in the image, the digests and the log
	session int   // index of the log's
	reader  *reader
	meter   meter
	clock   checkpoints
}

// check tells whether all is of the same state.
func (a *acquisition) check() error {
	size, log := a.Source.Size(), a.Log
	if len(log.Sessions) > 0 {
		if err := log.Check(); err != nil {
			return err
		}
	}
	told := log.BlockStatus.Data + log.BlockStatus.Zero + log.BlockStatus.Hole + log.BlockStatus.Unknown
	switch {
	case log.Status == report.Complete:
		return errors.New("this acquisition is complete: begin another one")
	case log.Source.Length != size:
		return fmt.Errorf("the log is of %d bytes, and the disk has %d: is it another one?", log.Source.Length, size)
	case a.offset < 0 || a.offset > size:
		return fmt.Errorf("an acquisition can't go on at byte %d of %d", a.offset, size)
	case told != a.offset:
		return fmt.Errorf("the log tells of %d bytes, and the acquisition is to go on at byte %d: they are not of the same state", told, a.offset)
	case a.Image != nil && a.Image.State().Disk != a.offset:
		return fmt.Errorf("the image has %d bytes of the disk, and the acquisition is to go on at byte %d: they are not of the same state", a.Image.State().Disk, a.offset)
	}
	return nil
}

// open begins a session.
func (a *acquisition) open() {
	now, log := time.Now().UTC(), a.Log
	if log.Start.IsZero() {
		log.Start = now
	}
	log.Status = report.Running
	fill(log)
	a.session = len(log.Sessions)
	log.Sessions = append(log.Sessions, report.Session{Start: now, From: a.offset, To: a.offset, Connection: a.Connection})
	a.reader = newReader(a.Source, log.Settings, log.Source)
	log.Settings.Smallest = a.reader.smallest // not what was asked for, where it can't be
	a.meter = meter{report: a.Progress, reader: a.reader, Progress: a.before()}
	a.clock.begin()
	a.note()
}

// before is the progress of earlier sessions.
func (a *acquisition) before() Progress {
	p := Progress{Done: a.offset, Total: a.Source.Size(), Skipped: a.Log.BlockStatus.Skipped}
	for _, r := range a.Log.ZeroFilled {
		p.Lost += r.Length
	}
	for _, e := range a.Log.Errors {
		p.Errors += int64(e.Attempts)
	}
	return p
}

// copy hands on what is read, and keeps states. What ends the reading ends it
// before work is ended too.
func (a *acquisition) copy(ctx, work context.Context) error {
	a.meter.tell()
	plan := a.reader.plan(ctx, report.Range{Offset: a.offset, Length: a.Source.Size() - a.offset})
	for p := range a.reader.read(ctx, plan, a.meter.tell) {
		if ctx.Err() != nil {
			break
		}
		if err := a.take(work, p); err != nil {
			return err
		}
		a.meter.tell()
		if !a.clock.due() {
			continue
		}
		if err := a.checkpoint(work); err != nil {
			return err
		}
	}
	if a.offset < a.Source.Size() {
		return context.Cause(ctx)
	}
	return nil
}

// take makes a piece part of the image, the digests and the log, in this order:
// the log must not tell of what is not in the image.
func (a *acquisition) take(ctx context.Context, p *piece) error {
	if p.err != nil {
		return p.err
	}
	if err := a.fits(p.lost); err != nil {
		return err
	}
	if err := p.hand(ctx, a.Image, a.Digests); err != nil {
		return err
	}
	a.offset += p.length
	a.record(p)
	a.meter.add(p)
	return nil
}

// finish makes an image and hashes of what was acquired.
func (a *acquisition) finish(ctx context.Context) error {
	hashes, err := sums(ctx, a.Digests)
	if err != nil {
		return err
	}
	if a.Image != nil {
		if err := a.Image.Finish(ctx); err != nil {
			return fmt.Errorf("%w: %w", ErrImage, err)
		}
		a.Log.Image.Size = a.Image.State().File
	}
	a.Log.Hashes = hashes
	a.Log.Status = report.Complete
	return nil
}

func sums(ctx context.Context, digests []Digest) (map[string]string, error) {
	hashes := map[string]string{}
	for _, d := range digests {
		sum, err := d.Sum(ctx)
		if err != nil {
			return nil, fmt.Errorf("%w: %s: %w", ErrDigest, d.Name(), err)
		}
		hashes[d.Name()] = hex.EncodeToString(sum)
	}
	return hashes, nil
}

// close ends the session, and keeps a last state where there is a good one.
func (a *acquisition) close(ctx context.Context, err error) error {
	a.end(err)
	a.meter.finish()
	if errors.Is(err, ErrImage) || errors.Is(err, ErrDigest) || errors.Is(err, ErrCheckpoint) {
		return err
	}
	failed := a.checkpoint(ctx)
	switch {
	case failed == nil:
		return err
	case err == nil:
		a.reopen()
		a.end(failed)
		return failed
	}
	return fmt.Errorf("%w; and %w", err, failed)
}

// reopen takes back that it is complete: without a state of that it goes on from
// the one before.
func (a *acquisition) reopen() {
	a.Log.Hashes, a.Log.End, a.Log.Image.Size = map[string]string{}, time.Time{}, 0
}
