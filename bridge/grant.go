package bridge

import (
	"errors"
	"time"
)

// A Grant says as whom a client was admitted.
type Grant struct {
	// Principal names the client, in the log, in Target.Principals and for
	// the limits that count by principal; "" is nobody in particular, whom no
	// such limit counts.
	Principal string
	// MaxAge ends the session so long after its begin with StatusSessionAge, if
	// Limits.SessionAge does not do so before; 0 leaves it to that, and below 0
	// it is over at once.
	MaxAge time.Duration
}

// ErrForbidden is a target that a known client may not connect to.
var ErrForbidden = errors.New("this target is not for this client")
