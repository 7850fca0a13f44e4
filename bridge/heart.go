package bridge

import (
	"sync"
	"time"
)

// A heart beats while a session lasts: it pings the client, and looks for
// timeouts. Between two beats it costs a timer and no goroutine.
type heart struct {
	beat func()

	mu      sync.Mutex
	timer   *time.Timer
	stopped bool
	beating sync.WaitGroup // of the beat that is armed or under way
}

// arm sets the time to the next beat.
func (h *heart) arm(d time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.stopped {
		return
	}
	h.beating.Add(1)
	h.timer = time.AfterFunc(d, func() {
		defer h.beating.Done()
		h.beat()
	})
}

// stop returns when no beat is under way or can follow.
func (h *heart) stop() {
	h.mu.Lock()
	h.stopped = true
	if h.timer != nil && h.timer.Stop() {
		h.beating.Done()
	}
	h.mu.Unlock()
	h.beating.Wait()
}

// keepalive starts the session's heart.
func (s *session) keepalive() {
	ping, watch := s.limits.PingInterval, s.limits.watch()
	toPing, toWatch := ping, watch
	last := time.Now()
	s.heart.beat = s.guarded(func() {
		now := time.Now()
		toPing, toWatch, last = toPing-now.Sub(last), toWatch-now.Sub(last), now
		if toWatch <= 0 {
			toWatch = watch
			s.judge()
		}
		if toPing <= 0 {
			toPing = max(toPing+ping, 1)
			s.client.control(newPing())
		}
		s.heart.arm(min(toPing, toWatch))
	})
	s.heart.arm(min(toPing, toWatch))
}

// judge looks for timeouts. A client is not called dead while a slow target
// keeps us from hearing it.
func (s *session) judge() {
	if s.client.meter.advances() {
		s.client.took()
	}
	forwarding := s.forwarding.Load()
	switch {
	case s.client.blocked.Load() && s.client.taken.elapsed() >= s.limits.PeerTimeout:
		s.abandon("the client takes nothing", nil)
	case !forwarding && s.client.heard.elapsed() >= s.limits.PeerTimeout:
		s.abandon("the client shows no sign of life", nil)
	case forwarding && s.forwarded.elapsed() >= s.limits.StallTimeout:
		s.end(verdict{code: StatusTargetTimeout, reason: "the target takes nothing"})
	case s.limits.IdleTimeout > 0 && s.moved.elapsed() >= s.limits.IdleTimeout:
		s.end(verdict{code: StatusIdle, reason: "no data for too long"})
	}
}
