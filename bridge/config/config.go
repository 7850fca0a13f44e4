// Package config reads a bridge's configuration file.
//
// The file is one YAML document of plain mappings, lists and scalars. Keys that
// are not known, keys that stand twice, values of the wrong kind, anchors,
// aliases and tags are errors, and every error says where it is.
//
// In the values here the zero value is a key that is not in the file.
package config

import (
	"time"

	"nbdbridge/bridge"
)

// A Config is what the file says.
type Config struct {
	// Listen are the addresses to serve at: HOST:PORT, unix:/PATH or
	// systemd:NAME; default 127.0.0.1:8080.
	Listen []Listener `yaml:"listen"`
	// PublicURL are the URLs by which clients know the bridge; default http or
	// https at the loopback names, with the port of each address of Listen.
	PublicURL []PublicURL `yaml:"publicURL"`
	// Origins are further origins whose pages may connect.
	Origins []Origin `yaml:"origins"`
	// UI serves the JavaScript package and the pages too; default false.
	UI *bool `yaml:"ui"`
	// Splice moves bytes to clients inside the kernel where it can; default
	// true.
	Splice *bool `yaml:"splice"`
	// SocketMode are the permissions of Unix sockets that are listened at;
	// default 0660.
	SocketMode Mode              `yaml:"socketMode"`
	TLS        TLS               `yaml:"tls"`
	Proxies    Proxies           `yaml:"proxies"`
	Auth       Auth              `yaml:"auth"`
	Targets    map[string]Target `yaml:"targets"` // by the name that clients ask for
	Limits     Limits            `yaml:"limits"`
	Admin      Admin             `yaml:"admin"`
	Log        Log               `yaml:"log"`

	places places
}

// TLS is the bridge's own TLS, to browsers and other clients. It has nothing to
// do with the TLS session between client and NBD server.
type TLS struct {
	Cert string `yaml:"cert"` // PEM file of the certificate and its chain
	Key  string `yaml:"key"`  // PEM file of its private key
	// ClientCA is a PEM file of the authorities of client certificates; none
	// are asked for by default.
	ClientCA string `yaml:"clientCA"`
}

// Proxies are the peers that are believed when they tell who a client is.
type Proxies struct {
	Protocol  []Peer `yaml:"protocol"`  // must begin with a PROXY protocol header
	Forwarded []Peer `yaml:"forwarded"` // their X-Forwarded-For is believed
}

// Auth says what clients must present; with no method, nothing.
type Auth struct {
	Need         Need    `yaml:"need"` // any or all of the methods; default any
	Tickets      Tickets `yaml:"tickets"`
	Certificates bool    `yaml:"certificates"` // a client certificate of TLS.ClientCA
	Header       Header  `yaml:"header"`
}

// Methods counts the methods that are on.
func (a Auth) Methods() int {
	n := 0
	for _, on := range []bool{a.Tickets != Tickets{}, a.Certificates, a.Header.On()} {
		if on {
			n++
		}
	}
	return n
}

// Tickets are short-lived tokens: package ticket.
type Tickets struct {
	Keys     string `yaml:"keys"`     // a file, or an https:// URL of a JWK set
	Audience string `yaml:"audience"` // the aud of tickets for this bridge
	Once     bool   `yaml:"once"`     // each ticket opens one session; default false
}

// Header is a header that names the principal, set by a proxy.
type Header struct {
	Name string `yaml:"name"`
	From []Peer `yaml:"from"` // the immediate peers that it is believed from
}

// On tells whether anything of it is given.
func (h Header) On() bool { return h.Name != "" || h.From != nil }

// A Target is bridge.Target as the file has it.
type Target struct {
	Address        Address  `yaml:"address"` // tcp://HOST:PORT or unix:///PATH
	Origins        []Origin `yaml:"origins"`
	Principals     []string `yaml:"principals"`
	BrowsersOnly   bool     `yaml:"browsersOnly"`
	Binary         bool     `yaml:"binary"`
	Sessions       Count    `yaml:"sessions"`
	ConnectTimeout Timeout  `yaml:"connectTimeout"`
	ProxyProtocol  bool     `yaml:"proxyProtocol"`
}

// Limits are those of bridge.Limits, where the defaults are told, and of the
// HTTP server. Where there may be no limit, 0 in the file is none.
type Limits struct {
	Sessions             Count    `yaml:"sessions"`
	SessionsPerAddress   Count    `yaml:"sessionsPerAddress"`
	SessionsPerPrincipal Count    `yaml:"sessionsPerPrincipal"`
	Handshakes           Count    `yaml:"handshakes"`
	AddressRate          Rate     `yaml:"addressRate"`   // per second
	PrincipalRate        Rate     `yaml:"principalRate"` // per second
	Message              Size     `yaml:"message"`
	MaxSessionAge        Duration `yaml:"maxSessionAge"`
	ConnectTimeout       Timeout  `yaml:"connectTimeout"`
	PingInterval         Timeout  `yaml:"pingInterval"`
	PeerTimeout          Timeout  `yaml:"peerTimeout"`
	StallTimeout         Timeout  `yaml:"stallTimeout"`
	IdleTimeout          Duration `yaml:"idleTimeout"`
	// HeaderBytes bounds the headers of a request; default 16 KiB, at most
	// 1 MiB.
	HeaderBytes Size `yaml:"headerBytes"`
	// HeaderTimeout bounds the TLS handshake, and the sending of a request;
	// default 5 s.
	HeaderTimeout Timeout `yaml:"headerTimeout"`
	// Drain is how long sessions may go on once the bridge is told to stop;
	// default 10 s.
	Drain Duration `yaml:"drain"`
}

// Admin is the listener for the operator.
type Admin struct {
	Listen Listener `yaml:"listen"` // default none
	// Hosts are answered beside the loopback names: host:port, exactly.
	Hosts        []string `yaml:"hosts"`
	ProbeTargets bool     `yaml:"probeTargets"` // /readyz connects to every target
	Pprof        bool     `yaml:"pprof"`        // serve /debug/pprof/
}

// Log says how the log looks.
type Log struct {
	Format Format `yaml:"format"` // text or json; default text
	Level  Level  `yaml:"level"`  // debug, info, warn or error; default info
}

// Handler is the bridge that the file describes. Authorize and Log are left to
// the caller, and PublicURL if the file has none.
func (c *Config) Handler() *bridge.Handler {
	h := &bridge.Handler{
		Targets: c.targets(), PublicURL: texts(c.PublicURL), Origins: texts(c.Origins),
		Limits: c.Limits.bridge(), CopyOnly: c.Splice != nil && !*c.Splice,
	}
	return h
}

func (c *Config) targets() bridge.Targets {
	targets := bridge.Targets{}
	for name, t := range c.Targets {
		targets[name] = bridge.Target{
			Network: t.Address.Network, Address: t.Address.Address,
			Origins: texts(t.Origins), Principals: t.Principals,
			BrowsersOnly: t.BrowsersOnly, Binary: t.Binary, ProxyProtocol: t.ProxyProtocol,
			Sessions: max(0, int(t.Sessions)), ConnectTimeout: time.Duration(t.ConnectTimeout),
		}
	}
	return targets
}

func (l Limits) bridge() bridge.Limits {
	return bridge.Limits{
		Connections: int(l.Sessions), Handshakes: int(l.Handshakes),
		SessionsPerAddress: max(0, int(l.SessionsPerAddress)), SessionsPerPrincipal: max(0, int(l.SessionsPerPrincipal)),
		AddressRate: float64(l.AddressRate), PrincipalRate: max(0, float64(l.PrincipalRate)),
		Message: int64(l.Message), SessionAge: max(0, time.Duration(l.MaxSessionAge)),
		ConnectTimeout: time.Duration(l.ConnectTimeout), PingInterval: time.Duration(l.PingInterval),
		PeerTimeout: time.Duration(l.PeerTimeout), StallTimeout: time.Duration(l.StallTimeout),
		IdleTimeout: max(0, time.Duration(l.IdleTimeout)),
	}
}

func texts[T ~string](from []T) []string {
	var all []string
	for _, s := range from {
		all = append(all, string(s))
	}
	return all
}
