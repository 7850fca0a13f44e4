package main

import (
	"cmp"
	"context"
	"crypto"
	"errors"
	"fmt"
	"io"

	"nbdbridge/disk"
	"nbdbridge/disk/fs"
	"nbdbridge/evidence/acquire"
	"nbdbridge/evidence/image"
	"nbdbridge/evidence/report"
	"nbdbridge/nbd"
)

// An acquisition is a command under way.
type acquisition struct {
	*acquireCommand
	signer     crypto.Signer // nil: the log is not signed
	line       *progressLine
	lost       *outages
	disk       *nbd.LastingDisk
	route      report.Source // how the export was reached
	connection report.Connection

	source *exportSource
	part   *partFile
	state  *acquire.State // the last that was kept
	log    *report.Log    // is part of it
}

func (a *acquisition) run(ctx context.Context) error {
	if err := a.take(ctx); err != nil {
		return err
	}
	defer a.part.Close()
	if a.log.Status != report.Complete {
		if err := a.acquire(ctx); err != nil {
			return a.paused(err)
		}
	}
	failed := a.passes(ctx)
	if errors.Is(failed, errStopped) {
		return failed
	}
	if err := a.finish(); err != nil {
		return fmt.Errorf("%w\nThe image is whole: the same command with --resume ends it", err)
	}
	a.print()
	return cmp.Or(failed, a.incomplete())
}

// take begins an image, or takes one up.
func (a *acquisition) take(ctx context.Context) error {
	if a.Resume {
		return a.takeUp(ctx)
	}
	offset, length, err := a.place(ctx)
	if err != nil {
		return err
	}
	a.source = &exportSource{a.disk, offset, length}
	a.log = a.newLog()
	a.state = &acquire.State{Image: &image.State{Format: a.format()}, Log: a.log}
	a.part, err = createPart(a.File, a.state)
	return err
}

// takeUp goes on with an image, if the export is still the one that it is of.
func (a *acquisition) takeUp(ctx context.Context) (err error) {
	if a.part, a.state, err = openPart(a.File); err != nil {
		return err
	}
	a.log = a.state.Log
	a.source = &exportSource{a.disk, a.log.Source.Offset, a.log.Source.Length}
	if err = cmp.Or(a.agrees(ctx), a.agreesWithLogs()); err != nil {
		a.part.Close()
		return err
	}
	a.tellChanges()
	return nil
}

// place is what of the disk is to be acquired.
func (a *acquisition) place(ctx context.Context) (offset, length int64, err error) {
	size := a.disk.Info().Size
	switch {
	case a.Offset != nil:
		return stretchOf(*a.Offset, a.Size, size)
	case a.Partition == 0:
		return 0, size, nil
	}
	layout, err := disk.ReadLayout(fs.NewPages(a.disk.At(ctx), size, 0), size)
	if err != nil {
		return 0, 0, err
	}
	return partitionOf(layout, a.Partition)
}

// acquire fills the image from the last state on.
func (a *acquisition) acquire(ctx context.Context) error {
	a.line.begin("acquired")
	writer, err := a.writer()
	if err != nil {
		return err
	}
	digests, err := newDigests(a.log.Settings.Hashes, a.state.Hashes, a.state.Offset)
	if err != nil {
		return err
	}
	if err := a.keepBegun(); err != nil {
		return err
	}
	err = acquire.Run(ctx, acquire.Job{
		Source: a.source, Image: writer, Digests: digests, Log: a.log,
		Connection: a.connection, Outages: a.lost.all, Checkpoint: a.keep, Progress: a.line.show,
	}, a.state.Offset)
	if errors.Is(err, acquire.ErrImage) || errors.Is(err, acquire.ErrDigest) || errors.Is(err, acquire.ErrCheckpoint) {
		a.keepFailed()
	}
	return err
}

func (a *acquisition) writer() (*image.Writer, error) {
	s := *a.state.Image
	if err := a.part.cutTo(s.File); err != nil {
		return nil, err
	}
	if a.state.Offset == 0 {
		return image.NewWriter(s.Format, a.part)
	}
	return image.Resume(s, a.part)
}

// keep is told of each state.
func (a *acquisition) keep(_ context.Context, s *acquire.State) error {
	if err := a.part.keep(s); err != nil {
		return err
	}
	a.state = s
	return nil
}

// paused says how to go on.
func (a *acquisition) paused(err error) error {
	switch {
	case errors.Is(err, report.ErrTooMany):
		return err // again, at the same place
	case errors.Is(err, context.Canceled):
		err = errors.New("it was told to stop")
	}
	return fmt.Errorf("%w\nPaused after %d of %d bytes: the same command with --resume goes on", withAdvice(err), a.state.Offset, a.source.size)
}

// An imageSource is an image that is read back.
type imageSource struct{ *image.Image }

func (s imageSource) Read(_ context.Context, p []byte, offset int64) error {
	n, err := s.ReadAt(p, offset)
	if n == len(p) {
		return nil
	}
	return cmp.Or(err, io.ErrUnexpectedEOF)
}

func (imageSource) Status(context.Context, int64, int64) ([]acquire.Extent, error) {
	return nil, acquire.ErrNoStatus
}
