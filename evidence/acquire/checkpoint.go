package acquire

import (
	"context"
	"fmt"
	"time"

	"nbdbridge/evidence/report"
)

// States are kept this often, or less often where more than a 20th of the time
// would go into them.
const (
	checkpointEvery = 5 * time.Second
	checkpointShare = 20
)

// checkpoints tells when the next one is due.
type checkpoints struct{ next time.Time }

func (c *checkpoints) begin() { c.next = time.Now().Add(checkpointEvery) }

func (c *checkpoints) due() bool { return !time.Now().Before(c.next) }

// made is told when one began that has just been made.
func (c *checkpoints) made(begun time.Time) {
	now := time.Now()
	c.next = now.Add(max(checkpointEvery, (checkpointShare-1)*now.Sub(begun)))
}

// checkpoint keeps a state.
func (a *acquisition) checkpoint(ctx context.Context) error {
	if a.Checkpoint == nil {
		return nil
	}
	begun := time.Now()
	s, err := a.state(ctx)
	if err != nil {
		return err
	}
	if err := a.Checkpoint(ctx, s); err != nil {
		return fmt.Errorf("%w: %w", ErrCheckpoint, err)
	}
	a.clock.made(begun)
	return nil
}

// state is all that it takes to go on. The image is made durable first: a state
// must not be ahead of it.
func (a *acquisition) state(ctx context.Context) (*State, error) {
	s := &State{Offset: a.offset, Hashes: map[string][]byte{}, Log: a.Log}
	if a.Image != nil {
		if err := a.sync(ctx); err != nil {
			return nil, err
		}
		image := a.Image.State()
		s.Image = &image
	}
	for _, d := range a.Digests {
		state, err := d.State(ctx)
		if err != nil {
			return nil, fmt.Errorf("%w: %s: %w", ErrDigest, d.Name(), err)
		}
		s.Hashes[d.Name()] = state
	}
	a.note()
	return s, nil
}

func (a *acquisition) sync(ctx context.Context) error {
	if a.Log.Status == report.Complete {
		return nil // Finish did
	}
	if err := a.Image.Sync(ctx); err != nil {
		return fmt.Errorf("%w: %w", ErrImage, err)
	}
	return nil
}
