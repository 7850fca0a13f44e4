package bridge

import "time"

// A SessionInfo describes a session under way.
type SessionInfo struct {
	ID        uint64        `json:"id"` // of this Handler, never used twice
	Target    string        `json:"target"`
	Principal string        `json:"principal,omitempty"`
	Remote    string        `json:"remote"`
	Origin    string        `json:"origin,omitempty"`
	Path      string        `json:"path"` // how bytes go to the client: "splice" or "copy"; "" while the target is dialled
	Begin     time.Time     `json:"begin"`
	Age       time.Duration `json:"-"`
	Up        int64         `json:"up"`   // bytes from the client
	Down      int64         `json:"down"` // bytes to the client
}

// Sessions lists the admitted sessions, oldest first. What clients can put into
// one is clipped, as it is in the log.
func (h *Handler) Sessions() []SessionInfo {
	present := h.registry.list(false)
	list := make([]SessionInfo, len(present))
	for i, s := range present {
		list[i] = s.info()
	}
	return list
}

func (s *session) info() SessionInfo {
	up, down := s.carried()
	return SessionInfo{
		ID: s.id, Target: clip(s.name), Principal: clip(s.grant.Principal),
		Remote: clip(s.remote), Origin: clip(s.origin),
		Path: s.way(), Begin: s.begin, Age: time.Since(s.begin), Up: up, Down: down,
	}
}

// EndSession closes the session of that ID with StatusEnded, and tells whether
// there was one.
func (h *Handler) EndSession(id uint64) bool {
	s := h.registry.find(id)
	if s == nil {
		return false
	}
	s.end(verdict{code: StatusEnded, reason: "the operator ended the session"})
	return true
}
