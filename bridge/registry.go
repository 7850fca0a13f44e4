package bridge

import (
	"context"
	"sync"
)

// A registry knows the sessions under way: http.Server forgets a connection
// once it is a WebSocket.
type registry struct {
	mu       sync.Mutex
	sessions map[*session]struct{}
	draining bool
	empty    chan struct{} // closed when draining and no session is left
}

// enter admits a session unless the bridge drains or is full.
func (g *registry) enter(s *session, limit int) *refusal {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.draining {
		return &refusal{StatusDraining, "the bridge is shutting down", nil}
	}
	if limit > 0 && len(g.sessions) >= limit {
		return &refusal{StatusLimit, "too many sessions; try again later", nil}
	}
	if g.sessions == nil {
		g.sessions = map[*session]struct{}{}
	}
	g.sessions[s] = struct{}{}
	return nil
}

func (g *registry) leave(s *session) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.sessions, s)
	if g.draining && len(g.sessions) == 0 {
		g.closeEmpty()
	}
}

// drain refuses newcomers from now on, and returns who is there.
func (g *registry) drain() (sessions []*session, empty <-chan struct{}) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.empty == nil {
		g.empty = make(chan struct{})
	}
	g.draining = true
	if len(g.sessions) == 0 {
		g.closeEmpty()
	}
	for s := range g.sessions {
		sessions = append(sessions, s)
	}
	return sessions, g.empty
}

func (g *registry) closeEmpty() {
	select {
	case <-g.empty:
	default:
		close(g.empty)
	}
}

// Shutdown refuses new sessions, closes the ones under way with
// StatusDraining and waits for their ends. When ctx ends first it cuts the
// rest, waits for them, and returns the context's error.
func (h *Handler) Shutdown(ctx context.Context) error {
	sessions, empty := h.registry.drain()
	for _, s := range sessions {
		go s.end(StatusDraining, "the bridge is shutting down")
	}
	select {
	case <-empty:
		return nil
	case <-ctx.Done():
	}
	for _, s := range sessions {
		s.cut()
	}
	<-empty
	return context.Cause(ctx)
}
