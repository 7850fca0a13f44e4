package acquire

import (
	"context"
	"fmt"
	"sync"

	"nbdbridge/evidence/image"
	"nbdbridge/evidence/report"
)

// A piece is a stretch of the disk that is dealt with at once. When done is
// closed it belongs to who takes it.
type piece struct {
	offset, length int64
	skip           bool               // zeros that are not read
	status         report.BlockStatus // of its bytes
	data           []byte             // with zeros for what is lost; nil where it is skipped
	lost           []report.Range     // joined where they touch
	errors         []report.Error
	err            error // ends the acquisition before this piece
	done           chan struct{}
}

func (p *piece) lostBytes() int64 {
	var sum int64
	for _, r := range p.lost {
		sum += r.Length
	}
	return sum
}

// hand gives a piece to an image, if there is one, and to digests, at the same
// time: it takes as long as the slowest of them.
func (p *piece) hand(ctx context.Context, w *image.Writer, digests []Digest) error {
	var tasks []func() error
	if w != nil {
		tasks = append(tasks, func() error { return p.handImage(ctx, w) })
	}
	for _, d := range digests {
		tasks = append(tasks, func() error { return p.handDigest(ctx, d) })
	}
	return together(tasks)
}

func (p *piece) handImage(ctx context.Context, w *image.Writer) error {
	write := func() error { return w.Write(ctx, p.data) }
	if p.skip {
		write = func() error { return w.Zeros(ctx, p.length) }
	}
	if err := write(); err != nil {
		return fmt.Errorf("%w: at byte %d of the disk: %w", ErrImage, p.offset, err)
	}
	return nil
}

func (p *piece) handDigest(ctx context.Context, d Digest) error {
	write := func() error { return d.Write(ctx, p.data) }
	if p.skip {
		write = func() error { return d.Zeros(ctx, p.length) }
	}
	if err := write(); err != nil {
		return fmt.Errorf("%w: %s at byte %d: %w", ErrDigest, d.Name(), p.offset, err)
	}
	return nil
}

// together runs tasks at the same time and awaits them all. It gives the first
// error in their order.
func together(tasks []func() error) error {
	errs := make([]error, len(tasks))
	var all sync.WaitGroup
	for i, task := range tasks {
		if i == len(tasks)-1 {
			errs[i] = task()
			break
		}
		all.Go(func() { errs[i] = task() })
	}
	all.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
