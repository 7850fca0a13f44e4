package bridge

import (
	"context"
	"sync"
)

// A registry knows the sessions under way: http.Server forgets a connection
// once it is a WebSocket. The zero value is ready.
type registry struct {
	mu       sync.Mutex
	present  map[*session]bool // true once admitted: the refused don't count
	admitted int
	draining bool
	empty    chan struct{} // closed once draining and nobody is present
}

// enter takes a session in, so that Shutdown finds it.
func (g *registry) enter(s *session) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.present == nil {
		g.present = map[*session]bool{}
	}
	g.present[s] = false
}

// admit counts a session unless the bridge drains or is full.
func (g *registry) admit(s *session, limit int) *verdict {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.draining {
		return &draining
	}
	if limit > 0 && g.admitted >= limit {
		return &verdict{code: StatusLimit, reason: "too many sessions; try again later"}
	}
	g.present[s] = true
	g.admitted++
	return nil
}

var draining = verdict{code: StatusDraining, reason: "the bridge is shutting down"}

func (g *registry) leave(s *session) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.present[s] {
		g.admitted--
	}
	delete(g.present, s)
	g.checkEmpty()
}

// drain refuses newcomers from now on, and returns who is there.
func (g *registry) drain() (present []*session, empty <-chan struct{}) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.draining = true
	if g.empty == nil {
		g.empty = make(chan struct{})
	}
	g.checkEmpty()
	for s := range g.present {
		present = append(present, s)
	}
	return present, g.empty
}

func (g *registry) checkEmpty() {
	if !g.draining || len(g.present) > 0 {
		return
	}
	select {
	case <-g.empty:
	default:
		close(g.empty)
	}
}

// Shutdown refuses new sessions, closes those under way with StatusDraining
// and waits for their ends. If ctx ends first it cuts what is left and returns
// the cause. It may be called again.
func (h *Handler) Shutdown(ctx context.Context) error {
	present, empty := h.registry.drain()
	for _, s := range present {
		s.end(draining)
	}
	select {
	case <-empty:
		return nil
	case <-ctx.Done():
	}
	for _, s := range present {
		s.cut()
	}
	return context.Cause(ctx)
}
