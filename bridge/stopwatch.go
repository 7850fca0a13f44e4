package bridge

import (
	"sync/atomic"
	"time"
)

// A stopwatch tells the time since its last reset, by the monotonic clock: a
// set clock must not end sessions.
type stopwatch struct {
	start time.Time
	at    atomic.Int64 // nanoseconds after start
}

func (s *stopwatch) reset()                 { s.at.Store(int64(time.Since(s.start))) }
func (s *stopwatch) elapsed() time.Duration { return time.Since(s.start) - time.Duration(s.at.Load()) }
