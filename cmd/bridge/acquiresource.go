package main

import (
	"context"
	"errors"
	"sync"
	"time"

	"nbdbridge/evidence/acquire"
	"nbdbridge/evidence/report"
	"nbdbridge/nbd"
)

// allocation is the metadata context that tells of holes.
const allocation = "base:allocation"

// answerWithin is longer than a disk takes over a sector that is bad: systems
// try those for minutes before they say so.
const answerWithin = 10 * time.Minute

// maxOutages bounds what a server that comes and goes can put into a log.
const maxOutages = 1000

// An exportSource is an export, or a stretch of one, to be read by acquire.
type exportSource struct {
	disk         *nbd.LastingDisk
	offset, size int64
}

// openSource opens an export so that it outlasts its connections. What happens
// to them is told to lost.
func openSource(ctx context.Context, e *endpoint, cfg *nbd.Config, export string, giveUp time.Duration, lost *outages) (*nbd.LastingDisk, error) {
	lasting := &nbd.RedialConfig{Config: *cfg, Events: lost.heard, GiveUpAfter: giveUp}
	lasting.MetaContexts = []string{allocation}
	lasting.RequestTimeout = answerWithin
	return nbd.Redial(ctx, e.dial, lasting, export)
}

func (s *exportSource) Size() int64 { return s.size }

func (s *exportSource) Read(ctx context.Context, p []byte, offset int64) error {
	return unreadable(s.disk.Read(ctx, p, s.offset+offset))
}

// unreadable tells apart a server that answers that it can't, and one that is
// gone or about to go. Of a range of the export, only a last block that is not
// whole is out of range: no request reaches it.
func unreadable(err error) error {
	var refused *nbd.OpError
	if errors.As(err, &refused) && refused.Errno != nbd.ESHUTDOWN || errors.Is(err, nbd.ErrOutOfRange) {
		return &acquire.Unreadable{Err: err}
	}
	return err
}

// reached is how many of the bytes at an offset are before a last block that is
// not whole, or all of them where that is asked for.
func (s *exportSource) reached(offset, length int64) int64 {
	info := s.disk.Info()
	if to := info.Size - info.Size%int64(info.BlockSize.Minimum) - s.offset; offset < to {
		return min(length, to-offset)
	}
	return length
}

func (s *exportSource) Status(ctx context.Context, offset, length int64) ([]acquire.Extent, error) {
	answer, err := s.disk.BlockStatus(ctx, s.offset+offset, s.reached(offset, length), 0, allocation)
	if errors.Is(err, nbd.ErrNoMetaContext) {
		return nil, acquire.ErrNoStatus
	}
	if err != nil {
		return nil, unreadable(err)
	}
	extents := make([]acquire.Extent, len(answer[allocation]))
	for i, x := range answer[allocation] {
		extents[i] = acquire.Extent{Offset: x.Offset - s.offset, Length: x.Length, Kind: kindOf(x.Status)}
	}
	return extents, nil
}

// kindOf takes for data what is not allocated and reads as anything.
func kindOf(state uint64) acquire.Kind {
	switch {
	case state&nbd.StateZero == 0:
		return acquire.Data
	case state&nbd.StateHole != 0:
		return acquire.Hole
	}
	return acquire.Zero
}

// outages keeps account of the times without a connection.
type outages struct {
	tell func(text string) // for the user

	mu   sync.Mutex
	list []report.Outage
	out  bool // now
}

// heard is for nbd.RedialConfig.
func (o *outages) heard(e nbd.Event) {
	o.mu.Lock()
	defer o.mu.Unlock()
	switch {
	case e.Kind == nbd.EventLost:
		o.begin(e.Cause)
	case e.Kind == nbd.EventConnected && o.out:
		o.out = false
		o.list[len(o.list)-1].End = time.Now().UTC()
		o.tell("connected again")
	}
}

// begin notes an outage; beyond maxOutages the last one is made longer.
func (o *outages) begin(cause error) {
	o.out = true
	reason := cause.Error()
	o.tell("the connection was lost, and is made again: " + reason)
	if len(o.list) == maxOutages {
		last := &o.list[maxOutages-1]
		last.End, last.Reason = time.Time{}, "more of them than are kept, the last: "+reason
		return
	}
	o.list = append(o.list, report.Outage{Start: time.Now().UTC(), Reason: reason})
}

// all is for acquire.Job.
func (o *outages) all() []report.Outage {
	o.mu.Lock()
	defer o.mu.Unlock()
	return append([]report.Outage{}, o.list...)
}
