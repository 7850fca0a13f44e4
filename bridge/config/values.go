package config

import (
	"fmt"
	"log/slog"
	"math"
	"net"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"nbdbridge/bridge"
)

// A Count bounds a number of things. 0 in the file means no bound, and is -1
// here.
type Count int

// UnmarshalText reads a whole number.
func (c *Count) UnmarshalText(text []byte) error {
	n, err := strconv.ParseInt(string(text), 10, 32)
	if err != nil || n < 0 {
		return fmt.Errorf("%q: want a whole number from 0, which means no bound, to %d", text, math.MaxInt32)
	}
	*c = Count(orNone(n))
	return nil
}

// A Rate bounds a number of things per second. 0 in the file means no bound,
// and is -1 here.
type Rate float64

// UnmarshalText reads a number.
func (r *Rate) UnmarshalText(text []byte) error {
	f, err := strconv.ParseFloat(string(text), 64)
	if err != nil || !(f >= 0 && f <= 1e9) { // NaN is neither
		return fmt.Errorf("%q: want a number per second from 0, which means no bound, to 1e9", text)
	}
	*r = Rate(orNone(f))
	return nil
}

// A Size is a number of bytes. 0 in the file means no bound, and is -1 here.
type Size int64

var units = []struct {
	name  string
	bytes int64
}{{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"B", 1}, {"", 1}}

// UnmarshalText reads bytes, KiB, MiB or GiB: 4096, 64MiB.
func (s *Size) UnmarshalText(text []byte) error {
	for _, unit := range units {
		digits, ok := strings.CutSuffix(string(text), unit.name)
		n, err := strconv.ParseUint(strings.TrimSpace(digits), 10, 63)
		if ok && err == nil && int64(n) <= math.MaxInt64/unit.bytes {
			*s = Size(orNone(int64(n) * unit.bytes))
			return nil
		}
	}
	return fmt.Errorf("%q: want bytes, KiB, MiB or GiB, such as 4096 or 64MiB", text)
}

// A Duration is a time that may be unbounded. 0 in the file means never, and is
// -1 here.
type Duration time.Duration

// UnmarshalText reads a duration of Go: 30s, 1h30m.
func (d *Duration) UnmarshalText(text []byte) error {
	t, err := time.ParseDuration(string(text))
	if err != nil || t < 0 {
		return fmt.Errorf("%q: want a duration, such as 250ms, 30s or 12h", text)
	}
	*d = Duration(orNone(t))
	return nil
}

// A Timeout is a time above zero.
type Timeout time.Duration

// UnmarshalText reads a duration of Go: 30s, 1h30m.
func (t *Timeout) UnmarshalText(text []byte) error {
	parsed, err := time.ParseDuration(string(text))
	if err != nil || parsed <= 0 {
		return fmt.Errorf("%q: want a duration above zero, such as 250ms, 30s or 12h", text)
	}
	*t = Timeout(parsed)
	return nil
}

// orNone tells what was given as 0 from what was not given.
func orNone[T int64 | float64 | time.Duration](n T) T {
	if n == 0 {
		return -1
	}
	return n
}

// A Mode is the permissions of a file.
type Mode os.FileMode

// UnmarshalText reads octal digits: 0660.
func (m *Mode) UnmarshalText(text []byte) error {
	n, err := strconv.ParseUint(string(text), 8, 32)
	if err != nil || n == 0 || n > 0o777 {
		return fmt.Errorf("%q: want permissions in octal, such as 0660", text)
	}
	*m = Mode(n)
	return nil
}

// A Listener is an address to listen at: package listen.
type Listener string

// UnmarshalText reads HOST:PORT, unix:/PATH or systemd:NAME.
func (l *Listener) UnmarshalText(text []byte) error {
	*l = Listener(text)
	const forms = "want HOST:PORT, unix:/PATH or systemd:NAME"
	kind, rest, _ := strings.Cut(string(text), ":")
	switch {
	case kind == "unix" && strings.HasPrefix(rest, "/"), kind == "systemd" && rest != "":
		return nil
	case kind == "unix" || kind == "systemd":
		return fmt.Errorf("%q: %s", text, forms)
	}
	_, port, err := net.SplitHostPort(string(text))
	if err != nil {
		return fmt.Errorf("%w: %s", err, forms)
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return fmt.Errorf("%q: a port is a number up to 65535; %s", text, forms)
	}
	return nil
}

// A Peer is a network, or everyone who connects to a Unix socket.
type Peer struct {
	Network netip.Prefix
	Unix    bool
}

// UnmarshalText reads a CIDR, an address, or the word unix.
func (p *Peer) UnmarshalText(text []byte) error {
	s := string(text)
	if s == "unix" {
		p.Unix = true
		return nil
	}
	if addr, err := netip.ParseAddr(s); err == nil && addr.Zone() == "" {
		p.Network = netip.PrefixFrom(addr, addr.BitLen())
		return nil
	}
	network, err := netip.ParsePrefix(s)
	if err != nil {
		return fmt.Errorf("%q: want a network such as 10.0.0.0/8, an address, or unix", s)
	}
	if network != network.Masked() {
		return fmt.Errorf("%q has bits beyond its mask: did you mean %s or %s?", s, network.Masked(), network.Addr())
	}
	p.Network = network
	return nil
}

// Everyone tells whether a peer is no narrower than the internet.
func (p Peer) Everyone() bool { return p.Network.IsValid() && p.Network.Bits() == 0 }

// String is as in the file.
func (p Peer) String() string {
	if p.Unix {
		return "unix"
	}
	return p.Network.String()
}

// An Address is a target's, by Network and Address of bridge.Target.
type Address struct{ Network, Address string }

// UnmarshalText reads tcp://HOST:PORT or unix:///PATH.
func (a *Address) UnmarshalText(text []byte) error {
	t, err := bridge.ParseTarget(string(text))
	*a = Address{t.Network, t.Address}
	return err
}

// A PublicURL is one of bridge.Handler.PublicURL.
type PublicURL string

// UnmarshalText reads http or https://HOST[:PORT].
func (u *PublicURL) UnmarshalText(text []byte) error {
	*u = PublicURL(text)
	return (&bridge.Handler{Targets: bridge.Targets{}, PublicURL: []string{string(text)}}).Validate()
}

// An Origin is one of bridge.Handler.Origins.
type Origin string

// UnmarshalText reads SCHEME://HOST[:PORT], as browsers write it.
func (o *Origin) UnmarshalText(text []byte) error {
	*o = Origin(text)
	return (&bridge.Handler{
		Targets: bridge.Targets{}, PublicURL: []string{"http://localhost"}, Origins: []string{string(text)},
	}).Validate()
}

// Need is how many of the methods of Auth a client must pass.
type Need string

// Needs.
const (
	NeedAny Need = "any"
	NeedAll Need = "all"
)

// UnmarshalText reads any or all.
func (n *Need) UnmarshalText(text []byte) error {
	*n = Need(text)
	return oneOf(*n, NeedAny, NeedAll)
}

// Format is how a line of the log looks.
type Format string

// Formats.
const (
	FormatText Format = "text"
	FormatJSON Format = "json"
)

// UnmarshalText reads text or json.
func (f *Format) UnmarshalText(text []byte) error {
	*f = Format(text)
	return oneOf(*f, FormatText, FormatJSON)
}

// Level is the least severe that is logged.
type Level string

// UnmarshalText reads debug, info, warn or error.
func (l *Level) UnmarshalText(text []byte) error {
	*l = Level(text)
	return oneOf(*l, "debug", "info", "warn", "error")
}

// Slog is the level that it names; info if none.
func (l Level) Slog() slog.Level {
	var level slog.Level
	_ = level.UnmarshalText([]byte(l)) // "" leaves it at info
	return level
}

func oneOf[T ~string](v T, allowed ...T) error {
	if slices.Contains(allowed, v) {
		return nil
	}
	words := texts(allowed)
	last := len(words) - 1
	return fmt.Errorf("%q: want %s or %s", v, strings.Join(words[:last], ", "), words[last])
}
