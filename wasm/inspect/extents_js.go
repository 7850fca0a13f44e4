package main

import (
	"context"

	"nbdbridge/wasm/boundary"
)

const (
	statusSpan = 16 << 30 // bytes that block status is asked for at once
	worthwhile = 64 << 10 // bytes of zeroes that are worth going around
)

// An extents is where the device was last told to have data.
type extents struct {
	*boundary.Device
	known  int64      // told up to here
	ranges [][2]int64 // begins and ends of data, in order
}

// nextData tells the first range at or after an offset that does not read as
// zeroes.
func (e *extents) nextData(ctx context.Context, at int64) (start, end int64, err error) {
	for {
		for len(e.ranges) > 0 && e.ranges[0][1] <= at {
			e.ranges = e.ranges[1:]
		}
		if len(e.ranges) > 0 {
			return e.ranges[0][0], e.ranges[0][1], nil
		}
		e.known = max(e.known, at)
		if e.known >= e.Size() {
			return e.Size(), e.Size(), nil
		}
		if err := e.ask(ctx); err != nil {
			return 0, 0, err
		}
	}
}

// ask goes on from where all is known. What the device leaves out is data.
func (e *extents) ask(ctx context.Context) error {
	end := min(e.known+statusSpan, e.Size())
	told, err := e.BlockStatus(ctx, e.known, end-e.known)
	if err != nil {
		return err
	}
	for _, x := range told {
		e.add(x.Length, x.Type == "data")
	}
	if e.known < end {
		e.add(end-e.known, true)
	}
	return nil
}

func (e *extents) add(length int64, data bool) {
	start := e.known
	e.known += length
	if !data && length >= worthwhile {
		return
	}
	if last := len(e.ranges) - 1; last >= 0 && e.ranges[last][1] == start {
		e.ranges[last][1] = e.known
		return
	}
	e.ranges = append(e.ranges, [2]int64{start, e.known})
}
