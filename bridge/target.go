package bridge

import (
	"fmt"
	"net"
	"net/url"
)

// A Target is the address of a native server.
type Target struct {
	Network string // "tcp" or "unix"
	Address string // host:port, or the path of a socket
}

// A TargetSource tells what a target's name stands for. It is the only source
// of addresses that are dialled.
type TargetSource interface {
	Target(name string) (Target, bool)
}

// Targets is a fixed TargetSource.
type Targets map[string]Target

// Target looks a name up, exactly.
func (t Targets) Target(name string) (Target, bool) {
	target, ok := t[name]
	return target, ok
}

// ParseTarget reads tcp://host:port or unix:///path. A port must be given.
func ParseTarget(s string) (Target, error) {
	u, err := url.Parse(s)
	if err != nil || u.RawQuery != "" || u.Fragment != "" || u.User != nil {
		return Target{}, fmt.Errorf("%q is no target: use tcp://HOST:PORT or unix:///PATH", s)
	}
	switch {
	case u.Scheme == "tcp" && u.Hostname() != "" && u.Port() != "" && u.Path == "":
		return Target{"tcp", net.JoinHostPort(u.Hostname(), u.Port())}, nil
	case u.Scheme == "tcp":
		return Target{}, fmt.Errorf("%q: want tcp://HOST:PORT, with the port and nothing after it", s)
	case u.Scheme == "unix" && u.Host == "" && len(u.Path) > 1:
		return Target{"unix", u.Path}, nil
	case u.Scheme == "unix":
		return Target{}, fmt.Errorf("%q: want unix:///PATH, with three slashes and an absolute path", s)
	}
	return Target{}, fmt.Errorf("%q is no target: use tcp://HOST:PORT or unix:///PATH", s)
}
