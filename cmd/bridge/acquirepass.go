package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"nbdbridge/evidence/acquire"
	"nbdbridge/evidence/image"
	"nbdbridge/evidence/report"
)

// passes compares the hashes with those of one more reading, as asked. The log
// gets them; the error is the first that did not come out well, and whether one
// was stopped.
func (a *acquisition) passes(ctx context.Context) error {
	var failed error
	if a.Verify {
		a.line.begin("read back")
		failed = a.pass(ctx, "image", a.openImage, nil)
	}
	if a.SecondPass && failed != errStopped {
		a.line.begin("read again")
		if err := a.pass(ctx, "export", a.openAgain, a.log.ZeroFilled); failed == nil || err == errStopped {
			failed = errors.Join(failed, err)
		}
	}
	return failed
}

// errStopped is a pass that is to be made again.
var errStopped = errors.New("it was told to stop. The image is whole, and not yet compared as asked: the same command with --resume does that")

func (a *acquisition) pass(ctx context.Context, of string, open func() (acquire.Source, error), zeros []report.Range) error {
	p := report.Pass{Of: of, Start: time.Now().UTC(), Hashes: map[string]string{}}
	hashes, err := a.hashes(ctx, open, zeros)
	p.End = time.Now().UTC()
	switch {
	case err != nil && ctx.Err() != nil:
		return errStopped
	case err != nil:
		p.Failed = err.Error()
		err = fmt.Errorf("the %s could not be compared: %w", of, err)
	default:
		p.Hashes, p.Equal = hashes, maps.Equal(hashes, a.log.Hashes)
		if !p.Equal {
			err = differs[of]
		}
	}
	return errors.Join(err, a.keepPass(p))
}

// keepPass has the log tell of a pass, also if another one is stopped.
func (a *acquisition) keepPass(p report.Pass) error {
	a.log.Passes = append(a.log.Passes, p)
	return a.part.keep(a.state)
}

var differs = map[string]error{
	"image":  errors.New("THE IMAGE DIFFERS from what was acquired: what it is stored on does not keep what is written, or somebody has changed it. Acquire again, to another place"),
	"export": errors.New("THE EXPORT DIFFERS from what was acquired: it has changed meanwhile, or does not read the same twice. Acquire again from a source that nobody writes to"),
}

func (a *acquisition) hashes(ctx context.Context, open func() (acquire.Source, error), zeros []report.Range) (map[string]string, error) {
	source, err := open()
	if err != nil {
		return nil, err
	}
	digests, err := newDigests(slices.Sorted(maps.Keys(a.log.Hashes)), nil, 0)
	if err != nil {
		return nil, err
	}
	return acquire.Pass(ctx, source, zeros, digests, a.line.show)
}

// openAgain reads what the server tells as zeros only if the acquisition did.
func (a *acquisition) openAgain() (acquire.Source, error) {
	if a.log.Settings.SkipHoles {
		return a.source, nil
	}
	return wholeSource{a.source}, nil
}

// A wholeSource is an export whose server is not asked what it need not send.
type wholeSource struct{ *exportSource }

func (wholeSource) Status(context.Context, int64, int64) ([]acquire.Extent, error) {
	return nil, acquire.ErrNoStatus
}

// openImage reads the image back from where it is stored.
func (a *acquisition) openImage() (acquire.Source, error) {
	readCold(a.part.f)
	info, err := a.part.f.Stat()
	if err != nil {
		return nil, err
	}
	i, err := image.Open(image.Format(a.log.Image.Format), a.part.f, info.Size())
	if err != nil {
		return nil, err
	}
	if i.Size() != a.log.Source.Length {
		return nil, fmt.Errorf("it holds %d bytes of a disk, and %d were acquired", i.Size(), a.log.Source.Length)
	}
	return imageSource{i}, nil
}
