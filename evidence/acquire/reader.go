package acquire

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math/bits"
	"sync"
	"sync/atomic"

	"nbdbridge/evidence/image"
	"nbdbridge/evidence/report"
)

const (
	underWay = 8  // reads of at most image.MaxPiece, or what they brought
	queued   = 32 // pieces, with those that are not read
)

// smallestRead is how many bytes a read has at least, where the disk's end does
// not make it shorter.
const smallestRead = 512

// A reader reads a disk ahead, in pieces, and again what could not be read.
type reader struct {
	Source
	retries    int
	smallest   int64 // a power of two, between smallestRead and image.MaxPiece
	skipHoles  bool
	base       int64 // of the disk: cuts are multiples of sizes, counted from where the export begins
	failed     atomic.Int64
	recovering atomic.Int64  // pieces
	changed    chan struct{} // one of the two has
}

// Smallest is what Settings.Smallest becomes: see Job.Log.
func Smallest(s report.Settings, told report.Source) int64 {
	smallest := min(max(s.Smallest, told.MinimumSize, smallestRead), image.MaxPiece)
	return 1 << bits.Len64(uint64(smallest-1))
}

// newReader reads as an examiner has chosen, but never less than a block.
func newReader(disk Source, s report.Settings, told report.Source) *reader {
	return &reader{
		Source:    disk,
		retries:   max(s.Retries, 0),
		smallest:  Smallest(s, told),
		skipHoles: s.SkipHoles,
		base:      max(told.Offset, 0),
		changed:   make(chan struct{}, 1),
	}
}

// toCut is how many bytes there are from an offset to the next multiple of size.
func (r *reader) toCut(offset, size int64) int64 { return size - (r.base%size+offset%size)%size }

func (r *reader) isCut(offset, size int64) bool { return r.toCut(offset, size) == size }

// note has the progress told.
func (r *reader) note() {
	select {
	case r.changed <- struct{}{}:
	default:
	}
}

// read yields pieces in order, whatever order they come in, and takes each back
// when the next is asked for. It tells when something has changed while there is
// none. A context that ends may end it early. Goroutines have ended after it.
func (r *reader) read(ctx context.Context, plan iter.Seq[*piece], tell func()) iter.Seq[*piece] {
	return func(yield func(*piece) bool) {
		ctx, cancel := context.WithCancel(ctx)
		var goroutines sync.WaitGroup
		defer goroutines.Wait()
		defer cancel()
		queue, room := make(chan *piece, queued), newRoom()
		goroutines.Go(func() {
			defer close(queue)
			r.feed(ctx, plan, queue, room, &goroutines)
		})
		for p := range r.arrivals(queue, tell) {
			if !yield(p) {
				return
			}
			if p.data != nil {
				room <- p.data
			}
		}
	}
}

// newRoom holds the buffers that are free. They are made when they are needed.
func newRoom() chan []byte {
	room := make(chan []byte, underWay)
	for range underWay {
		room <- nil
	}
	return room
}

// feed has pieces read as long as there is room.
func (r *reader) feed(ctx context.Context, plan iter.Seq[*piece], queue chan<- *piece, room <-chan []byte, readers *sync.WaitGroup) {
	for p := range plan {
		if !r.start(ctx, p, room, readers) {
			return
		}
		select {
		case queue <- p:
		case <-ctx.Done():
			return
		}
	}
}

// start has a piece read, unless there is nothing to be read of it. It waits for
// room.
func (r *reader) start(ctx context.Context, p *piece, room <-chan []byte, readers *sync.WaitGroup) bool {
	p.done = make(chan struct{})
	if p.skip || p.err != nil {
		close(p.done)
		return true
	}
	if !p.take(ctx, room) {
		return false
	}
	readers.Go(func() {
		defer close(p.done)
		p.err = r.fill(ctx, p)
	})
	return true
}

// take waits for a buffer.
func (p *piece) take(ctx context.Context, room <-chan []byte) bool {
	select {
	case p.data = <-room:
	case <-ctx.Done():
		return false
	}
	if int64(cap(p.data)) < p.length {
		p.data = make([]byte, p.length, image.MaxPiece)
	}
	p.data = p.data[:p.length]
	return true
}

// arrivals are the pieces that are done.
func (r *reader) arrivals(queue <-chan *piece, tell func()) iter.Seq[*piece] {
	return func(yield func(*piece) bool) {
		for {
			p, more := r.await(queue, tell)
			if !more {
				return
			}
			r.awaitDone(p, tell)
			if !yield(p) {
				return
			}
		}
	}
}

func (r *reader) await(queue <-chan *piece, tell func()) (*piece, bool) {
	for {
		select {
		case p, more := <-queue:
			return p, more
		case <-r.changed:
			tell()
		}
	}
}

func (r *reader) awaitDone(p *piece, tell func()) {
	for {
		select {
		case <-p.done:
			return
		case <-r.changed:
			tell()
		}
	}
}

// gone is an error that ends an acquisition: of its context, or of the disk.
func gone(ctx context.Context, what string, offset int64, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return fmt.Errorf("%w: %s at byte %d: %w", ErrSource, what, offset, err)
}

func isUnreadable(err error) bool {
	var unreadable *Unreadable
	return errors.As(err, &unreadable)
}
