package bridge

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A Target is a native server, and what this bridge demands of its clients.
type Target struct {
	Network string // "tcp" or "unix"
	Address string // host:port, or the path of a socket

	// Origins, if there are any, are the only pages that may connect to this
	// target. They narrow Handler.Origins and PublicURL, and add nothing.
	Origins []string
	// Principals, if there are any, are the only ones that may connect, by
	// Grant.Principal.
	Principals []string
	// BrowsersOnly refuses clients that send no origin. It keeps honest native
	// tools out and no attacker: only a browser can't forge its origin.
	BrowsersOnly bool
	// Binary also admits clients that offer the subprotocol "binary", as
	// Emscripten's sockets and clients of other relays do.
	Binary bool
	// Sessions bounds the sessions at once; 0 is no bound of its own.
	Sessions int
	// ConnectTimeout takes the place of Limits.ConnectTimeout; 0 does not.
	ConnectTimeout time.Duration
	// ProxyProtocol tells the target the client's address by a PROXY protocol
	// header, version 2, before everything else. A client without an IP address
	// gets the command LOCAL, which names nobody.
	ProxyProtocol bool
}

// A TargetSource tells what a target's name stands for. It is the only source
// of addresses that are dialled. Its method is called from many goroutines.
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

// check looks for what can't be meant, in the order of names.
func (t Targets) check(authorized bool) error {
	for _, name := range slices.Sorted(maps.Keys(t)) {
		if err := t[name].check(authorized); err != nil {
			return fmt.Errorf("target %q: %w", name, err)
		}
	}
	return nil
}

func (t Target) check(authorized bool) error {
	switch {
	case t.Sessions < 0:
		return fmt.Errorf("Sessions is %d: it must not be below zero", t.Sessions)
	case t.ConnectTimeout < 0:
		return fmt.Errorf("ConnectTimeout is %s: it must not be below zero", t.ConnectTimeout)
	case slices.Contains(t.Principals, ""):
		return errors.New("one of its principals has no name")
	case len(t.Principals) > 0 && !authorized:
		return errors.New("it is for some principals only, but nothing tells who a client is: set Authorize")
	}
	_, err := parseOrigins(t.Origins)
	return err
}

// ParseTarget reads tcp://host:port or unix:///path. The port must be given.
func ParseTarget(s string) (Target, error) {
	u, err := url.Parse(s)
	if err != nil || u.RawQuery != "" || u.ForceQuery || u.Fragment != "" || u.User != nil || u.Opaque != "" {
		return Target{}, notTarget(s)
	}
	switch u.Scheme {
	case "tcp":
		return tcpTarget(s, u)
	case "unix":
		return unixTarget(s, u)
	}
	return Target{}, notTarget(s)
}

func notTarget(s string) error {
	return fmt.Errorf("%q is no target: use tcp://HOST:PORT or unix:///PATH", s)
}

func tcpTarget(s string, u *url.URL) (Target, error) {
	switch {
	case u.Hostname() == "":
		return Target{}, fmt.Errorf("target %q names no host: use tcp://HOST:PORT", s)
	case bareIPv6(u):
		return Target{}, fmt.Errorf("target %q: an IPv6 address goes in brackets, tcp://[::1]:10809", s)
	case u.Port() == "":
		return Target{}, fmt.Errorf("target %q names no port: use tcp://HOST:PORT, such as tcp://%s", s, net.JoinHostPort(u.Hostname(), "10809"))
	case !validPort(u.Port()):
		return Target{}, fmt.Errorf("target %q: a port is a number from 1 to 65535", s)
	case u.Path != "":
		return Target{}, fmt.Errorf("target %q: nothing may follow the port; clients choose the export", s)
	}
	return Target{Network: "tcp", Address: net.JoinHostPort(u.Hostname(), u.Port())}, nil
}

func unixTarget(s string, u *url.URL) (Target, error) {
	if u.Host != "" || len(u.Path) < 2 {
		return Target{}, fmt.Errorf("target %q: use unix:///PATH, three slashes and the absolute path of a socket", s)
	}
	return Target{Network: "unix", Address: u.Path}, nil
}

func bareIPv6(u *url.URL) bool { return strings.Count(u.Host, ":") > 1 && u.Host[0] != '[' }

// validPort takes a port as browsers write it: no leading zeros.
func validPort(s string) bool {
	n, err := strconv.ParseUint(s, 10, 16)
	return err == nil && n > 0 && strconv.FormatUint(n, 10) == s
}
