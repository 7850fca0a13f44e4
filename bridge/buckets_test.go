package bridge

import (
	"testing"
	"testing/synctest"
	"time"
)

// A table of buckets has a bound, whoever comes, and forgets those who are as
// good as new.
func TestBucketsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b buckets[int]
		for i := range 5 * mostBuckets {
			b.allow(i, 1)
		}
		if n := len(b.young) + len(b.old); n > 2*mostBuckets {
			t.Errorf("%d buckets", n)
		}
		for range 3 {
			time.Sleep(5 * time.Second)
			b.allow(-1, 1)
		}
		if n := len(b.young) + len(b.old); n != 2 {
			t.Errorf("%d buckets after a while, want one in each generation", n)
		}
	})
}

// A bucket outlives the turn of generations for as long as it is not full.
func TestBucketsRemember(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b buckets[string]
		taken := 0
		for range 600 { // a minute of two tries in the time of one token
			if _, ok := b.allow("x", 5); ok {
				taken++
			}
			time.Sleep(100 * time.Millisecond)
		}
		if taken < 300 || taken > 325 {
			t.Errorf("%d tokens in a minute, of 5 a second and 25 at once", taken)
		}
	})
}
