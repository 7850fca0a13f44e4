package bridge

import "context"

// Drain refuses new sessions with StatusDraining, and waits until those under
// way have ended by themselves. If ctx ends first it returns the cause, and the
// sessions go on; Shutdown ends them. There is no way back.
func (h *Handler) Drain(ctx context.Context) error {
	h.registry.drain()
	return wait(ctx, h.registry.list(false))
}

// Draining tells whether Drain or Shutdown was called.
func (h *Handler) Draining() bool {
	h.registry.mu.Lock()
	defer h.registry.mu.Unlock()
	return h.registry.draining
}

// Shutdown refuses new sessions, closes those under way with StatusDraining
// and waits for their ends. If ctx ends first it cuts what is left and returns
// the cause. It may be called again.
func (h *Handler) Shutdown(ctx context.Context) error {
	h.registry.drain()
	present := h.registry.list(true)
	for _, s := range present {
		s.end(draining)
	}
	err := wait(ctx, present)
	if err != nil {
		for _, s := range present {
			s.cut()
		}
	}
	return err
}

// wait returns once all sessions are over.
func wait(ctx context.Context, sessions []*session) error {
	for _, s := range sessions {
		select {
		case <-s.done:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}
