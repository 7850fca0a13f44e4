package bridge

import (
	"fmt"
	"time"
)

// Limits bound what clients may cost. A zero value means the default.
type Limits struct {
	// Connections bounds the sessions at once; default 1000, below 0 none.
	Connections int
	// SessionsPerAddress bounds the sessions at once of one IPv4 address or
	// one /64 network of IPv6; default none.
	SessionsPerAddress int
	// SessionsPerPrincipal bounds the sessions at once of one principal;
	// default none.
	SessionsPerPrincipal int
	// Handshakes bounds the clients at once that are not admitted yet, or
	// refused and not gone; default 200, below 0 none. Beyond it the answer is
	// 503, without an upgrade.
	Handshakes int
	// AddressRate bounds the upgrades per second of one IPv4 address or one
	// /64 network of IPv6, which may have five seconds' worth at once; default
	// 20, below 0 none. Beyond it the answer is 429, without an upgrade.
	AddressRate float64
	// PrincipalRate does the same for one principal; default none.
	PrincipalRate float64
	// Message bounds the bytes of one message from a client; default 64 MiB,
	// below 0 none. It costs no memory: messages pass through as they come.
	Message int64
	// SessionAge ends a session so long after its begin; default never.
	SessionAge time.Duration
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
	// StallTimeout ends a session whose target takes none of the bytes that
	// wait for it for so long; default 15 min. A client that takes nothing is
	// ended by PeerTimeout.
	StallTimeout time.Duration
	// IdleTimeout ends a session without data in either direction, pings
	// aside; default never.
	IdleTimeout time.Duration
}

func (l Limits) withDefaults() Limits {
	setDefault(&l.Connections, 1000)
	setDefault(&l.ConnectTimeout, 10*time.Second)
	setDefault(&l.PeerTimeout, 75*time.Second)
	setDefault(&l.StallTimeout, 15*time.Minute)
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
		"StallTimeout": l.StallTimeout,
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
	every := min(l.PeerTimeout, l.StallTimeout)
	if l.IdleTimeout > 0 {
		every = min(every, l.IdleTimeout)
	}
	return max(every/4, time.Millisecond)
}
