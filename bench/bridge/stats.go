//go:build linux

package main

import (
	"slices"
	"time"
)

// A spread sums up repeats of one measurement.
type spread struct{ median, low, high float64 }

// spreadOf is all zeros for no values.
func spreadOf(values []float64) spread {
	if len(values) == 0 {
		return spread{}
	}
	sorted := slices.Sorted(slices.Values(values))
	half := len(sorted) / 2
	median := sorted[half]
	if len(sorted)%2 == 0 {
		median = (sorted[half-1] + median) / 2
	}
	return spread{median, sorted[0], sorted[len(sorted)-1]}
}

// pairwise combines what two contenders did in the same round, so that what
// the machine did beside falls out.
func pairwise(a, b []float64, combine func(a, b float64) float64) []float64 {
	var out []float64
	for i := range min(len(a), len(b)) {
		out = append(out, combine(a[i], b[i]))
	}
	return out
}

func ratio(a, b float64) float64      { return a / b }
func difference(a, b float64) float64 { return a - b }

// percentile sorts its values, of which there must be one: the smallest that
// at least p percent of them do not exceed.
func percentile(values []time.Duration, p int) time.Duration {
	slices.Sort(values)
	rank := (len(values)*p + 99) / 100
	return values[max(rank, 1)-1]
}
