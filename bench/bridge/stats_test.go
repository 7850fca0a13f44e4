//go:build linux

package main

import (
	"slices"
	"testing"
	"time"
)

func TestSpreadOf(t *testing.T) {
	for _, c := range []struct {
		values []float64
		want   spread
	}{
		{nil, spread{}},
		{[]float64{4}, spread{4, 4, 4}},
		{[]float64{3, 1}, spread{2, 1, 3}},
		{[]float64{9, 2, 5}, spread{5, 2, 9}},
		{[]float64{8, 1, 4, 2}, spread{3, 1, 8}},
	} {
		before := slices.Clone(c.values)
		if got := spreadOf(c.values); got != c.want {
			t.Errorf("spreadOf(%v) is %v, want %v", c.values, got, c.want)
		}
		if !slices.Equal(c.values, before) {
			t.Errorf("spreadOf left %v of %v: rounds must stay in order", c.values, before)
		}
	}
}

func TestPercentile(t *testing.T) {
	var hundred []time.Duration
	for i := range 100 {
		hundred = append(hundred, time.Duration(100-i))
	}
	for _, c := range []struct {
		values []time.Duration
		p      int
		want   time.Duration
	}{
		{hundred, 50, 50},
		{hundred, 99, 99},
		{hundred, 100, 100},
		{hundred, 0, 1},
		{[]time.Duration{7}, 99, 7},
		{[]time.Duration{3, 1}, 50, 1},
		{[]time.Duration{3, 1}, 51, 3},
	} {
		if got := percentile(slices.Clone(c.values), c.p); got != c.want {
			t.Errorf("percentile %d of %d values is %d, want %d", c.p, len(c.values), got, c.want)
		}
	}
}

func TestPairwise(t *testing.T) {
	got := pairwise([]float64{6, 9, 1}, []float64{2, 3}, ratio)
	if !slices.Equal(got, []float64{3, 3}) {
		t.Errorf("ratios are %v, want those of the rounds that both have", got)
	}
	if got := pairwise([]float64{6}, []float64{2}, difference); !slices.Equal(got, []float64{4}) {
		t.Errorf("the difference is %v, want 4", got)
	}
}
