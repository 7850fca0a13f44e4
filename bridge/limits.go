package bridge

import (
	"fmt"
	"math"
	"time"

	"github.com/coder/websocket"
)

// Limits bound what clients may cost. A zero value means the default, and one
// below zero that there is no such limit, unless it says otherwise. A client
// without an IP address of its own, such as one that comes by a Unix socket, has
// no limits by address; one without a principal, none by principal.
type Limits struct {
	// Connections bounds the sessions at once; default 1000. Beyond this and the
	// next two, and Target.Sessions, a client is closed with StatusLimit.
	Connections int
	// SessionsPerAddress bounds the sessions at once of one IPv4 address or
	// one /64 network of IPv6; default none.
	SessionsPerAddress int
	// SessionsPerPrincipal bounds the sessions at once of one principal;
	// default none.
	SessionsPerPrincipal int
	// Handshakes bounds the clients at once that are not admitted yet, or
	// refused and not gone; default 200. Beyond it those that were refused are
	// cut to make room; if there are none, the answer is 503, without an upgrade.
	Handshakes int
	// AddressRate bounds the upgrades per second of one IPv4 address or one
	// /64 network of IPv6, which may have five seconds' worth at once; default
	// 20. Beyond it the answer is 429, without an upgrade.
	AddressRate float64
	// PrincipalRate bounds the sessions that one principal begins per second in
	// the same way; default none. Beyond it a client is closed with StatusLimit.
	PrincipalRate float64
	// Message bounds the bytes of one message from a client; default 64 MiB.
	// Beyond it a client is closed with websocket.StatusMessageTooBig (1009). It
	// costs no memory: messages pass through as they come.
	Message int64
	// SessionAge ends a session so long after its begin, with StatusSessionAge;
	// default never.
	SessionAge time.Duration
	// ConnectTimeout bounds the connecting to a target; default 10 s. It
	// must be above zero.
	ConnectTimeout time.Duration
	// PingInterval is the time between two pings to a client; default 25 s,
	// for proxies that end what is silent for a minute, or a third of
	// PeerTimeout if that is less. It must be above zero.
	PingInterval time.Duration
	// PeerTimeout ends the session of a client that neither sends nor takes a
	// byte for so long; default 75 s. It is also what a session may take to
	// hand over its last bytes once it ends. It must be above PingInterval.
	PeerTimeout time.Duration
	// StallTimeout ends a session whose target takes none of the bytes that
	// wait for it for so long; default 15 min. A client that takes nothing is
	// ended by PeerTimeout. It must be above zero.
	StallTimeout time.Duration
	// IdleTimeout ends a session without data in either direction, pings
	// aside; default never.
	IdleTimeout time.Duration
}

func (l Limits) withDefaults() Limits {
	setDefault(&l.Connections, 1000)
	setDefault(&l.Handshakes, 200)
	setDefault(&l.AddressRate, 20)
	setDefault(&l.Message, 64<<20)
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
	for name, r := range map[string]float64{"AddressRate": l.AddressRate, "PrincipalRate": l.PrincipalRate} {
		if math.IsNaN(r) || math.IsInf(r, 0) {
			return fmt.Errorf("%s is %g: it must be a number; below zero is no limit", name, r)
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

// weigh ends the session of a client whose message has come to so many bytes,
// if those are too many.
func (s *session) weigh(message int64) {
	if s.limits.tooLong(message) {
		s.end(verdict{code: websocket.StatusMessageTooBig, reason: "the message is longer than this bridge takes"})
	}
}

func (l Limits) tooLong(message int64) bool { return l.Message > 0 && message > l.Message }
