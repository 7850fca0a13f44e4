package bridge

import (
	"fmt"
	"time"
)

// Limits bound what clients may cost. A zero value means the default.
type Limits struct {
	// Connections bounds the sessions at once; default 1000, below 0 none.
	Connections int
	// ConnectTimeout bounds the connecting to a target; default 10 s.
	ConnectTimeout time.Duration
	// PingInterval is the time between two pings to a client; default 25 s,
	// for proxies that end what is silent for a minute, or a third of
	// PeerTimeout if that is less.
	PingInterval time.Duration
	// PeerTimeout ends the session of a client that neither sends nor takes a
	// byte for so long; default 75 s. It is also what a session may take to
	// hand over its last bytes once it ends.
	PeerTimeout time.Duration
	// IdleTimeout ends a session without data in either direction, pings
	// aside; default never.
	IdleTimeout time.Duration
}

func (l Limits) withDefaults() Limits {
	setDefault(&l.Connections, 1000)
	setDefault(&l.ConnectTimeout, 10*time.Second)
	setDefault(&l.PeerTimeout, 75*time.Second)
	setDefault(&l.PingInterval, min(25*time.Second, l.PeerTimeout/3))
	return l
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// check judges limits that have their defaults.
func (l Limits) check() error {
	for name, d := range map[string]time.Duration{
		"ConnectTimeout": l.ConnectTimeout, "PingInterval": l.PingInterval, "PeerTimeout": l.PeerTimeout,
	} {
		if d <= 0 {
			return fmt.Errorf("%s is %s: it must be above zero", name, d)
		}
	}
	if l.PingInterval >= l.PeerTimeout {
		return fmt.Errorf("PingInterval (%s) must be below PeerTimeout (%s): live clients would be cut", l.PingInterval, l.PeerTimeout)
	}
	return nil
}

// watch is how often a session is looked at for timeouts.
func (l Limits) watch() time.Duration {
	every := l.PeerTimeout
	if l.IdleTimeout > 0 {
		every = min(every, l.IdleTimeout)
	}
	return max(every/4, time.Millisecond)
}
