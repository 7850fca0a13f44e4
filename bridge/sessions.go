package bridge

import "time"

// A SessionInfo describes a session under way.
type SessionInfo struct {
	ID        uint64        `json:"id"` // of this process, never used twice
	Target    string        `json:"target"`
	Principal string        `json:"principal,omitempty"`
	Remote    string        `json:"remote"`
	Origin    string        `json:"origin,omitempty"`
	Path      string        `json:"path"` // how bytes go to the client: "splice" or "copy"
	Begin     time.Time     `json:"begin"`
	Age       time.Duration `json:"-"`
	Up        int64         `json:"up"`   // bytes from the client
	Down      int64         `json:"down"` // bytes to the client
}

// Sessions lists the admitted sessions, oldest first.
func (h *Handler) Sessions() []SessionInfo { return nil }

// EndSession closes the session of that ID with StatusEnded, and tells whether there was
// one.
func (h *Handler) EndSession(id uint64) bool { return false }
