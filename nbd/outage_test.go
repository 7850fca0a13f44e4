package nbd

import (
	"testing"
	"testing/synctest"
	"time"
)

// What a step took beyond its limit is no part of the outage.
func TestOutageRan(t *testing.T) {
	for took, counts := range map[time.Duration]time.Duration{
		0:           0,
		time.Second: time.Second,
		time.Minute: time.Minute,
		time.Hour:   time.Minute,
	} {
		synctest.Test(t, func(t *testing.T) {
			o := outage{since: time.Now()}
			begun := time.Now()
			time.Sleep(took)
			o.ran(begun, time.Minute)
			if got := time.Since(o.since); got != counts {
				t.Errorf("%v of at most a minute count as %v, want %v", took, got, counts)
			}
		})
	}
}
