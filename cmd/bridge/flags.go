package main

import (
	"fmt"

	"nbdbridge/bridge/config"
)

// rarerFlags say what is simple enough for a flag.
type rarerFlags struct {
	Splice       *bool           `negatable:"" env:"BRIDGE_SPLICE" help:"Move bytes to clients inside the kernel, where it can (default: yes)."`
	SocketMode   config.Mode     `placeholder:"MODE" env:"BRIDGE_SOCKET_MODE" help:"Permissions of the Unix sockets of --listen (default 0660)."`
	TLSClientCA  string          `name:"tls-client-ca" placeholder:"FILE" env:"BRIDGE_TLS_CLIENT_CA" help:"PEM file of authorities: ask clients for a certificate of one of them (default: none)."`
	Proxy        []config.Peer   `name:"proxy-protocol" placeholder:"PEER" env:"BRIDGE_PROXY_PROTOCOL" help:"A network, address or unix, whose connections must begin with a PROXY protocol header. Repeatable (default: none)."`
	Forwarded    []config.Peer   `placeholder:"PEER" env:"BRIDGE_FORWARDED" help:"A network, address or unix, whose X-Forwarded-For is believed. Repeatable (default: none)."`
	AuthNeed     config.Need     `placeholder:"WORD" env:"BRIDGE_AUTH_NEED" help:"any or all of the following, if there are several (default any)."`
	TicketKeys   string          `placeholder:"FILE" env:"BRIDGE_TICKET_KEYS" help:"Clients need a ticket that one of these keys has signed: PEM, JWK, JWK set or raw secret, or an https:// URL of a JWK set."`
	Audience     string          `name:"ticket-audience" placeholder:"TEXT" env:"BRIDGE_TICKET_AUDIENCE" help:"The aud that a ticket must have; needed with --ticket-keys."`
	TicketOnce   *bool           `negatable:"" env:"BRIDGE_TICKET_ONCE" help:"Each ticket opens one session (default: as many as it likes until it expires)."`
	Certificates *bool           `negatable:"" name:"auth-certificates" env:"BRIDGE_AUTH_CERTIFICATES" help:"Clients need a certificate of --tls-client-ca; the principal is its common name."`
	AuthHeader   string          `placeholder:"NAME" env:"BRIDGE_AUTH_HEADER" help:"A header that names the principal, set by a proxy of --auth-header-from."`
	HeaderFrom   []config.Peer   `name:"auth-header-from" placeholder:"PEER" env:"BRIDGE_AUTH_HEADER_FROM" help:"A network, address or unix that --auth-header is believed from, and nobody else. Repeatable."`
	AdminListen  config.Listener `placeholder:"ADDR" env:"BRIDGE_ADMIN_LISTEN" help:"HOST:PORT or unix:/PATH for the operator alone: /metrics, /healthz, /readyz, /sessions (default: none)."`
	AdminHost    []string        `placeholder:"HOST" env:"BRIDGE_ADMIN_HOST" help:"HOST:PORT that is answered there beside the loopback names. Repeatable (default: none)."`
	ProbeTargets *bool           `negatable:"" env:"BRIDGE_PROBE_TARGETS" help:"/readyz connects to every target (default: no)."`
	Pprof        *bool           `negatable:"" env:"BRIDGE_PPROF" help:"Serve /debug/pprof/ there (default: no)."`
	LogFormat    config.Format   `placeholder:"WORD" env:"BRIDGE_LOG_FORMAT" help:"text or json (default text)."`
	LogLevel     config.Level    `placeholder:"WORD" env:"BRIDGE_LOG_LEVEL" help:"debug, info, warn or error (default info)."`
}

func (f *rarerFlags) overrule(c *config.Config) {
	given(&c.Splice, f.Splice)
	given(&c.SocketMode, f.SocketMode)
	given(&c.TLS.ClientCA, f.TLSClientCA)
	givenList(&c.Proxies.Protocol, f.Proxy)
	givenList(&c.Proxies.Forwarded, f.Forwarded)
	given(&c.Auth.Need, f.AuthNeed)
	given(&c.Auth.Tickets.Keys, f.TicketKeys)
	given(&c.Auth.Tickets.Audience, f.Audience)
	givenSwitch(&c.Auth.Tickets.Once, f.TicketOnce)
	givenSwitch(&c.Auth.Certificates, f.Certificates)
	given(&c.Auth.Header.Name, f.AuthHeader)
	givenList(&c.Auth.Header.From, f.HeaderFrom)
	given(&c.Admin.Listen, f.AdminListen)
	givenList(&c.Admin.Hosts, f.AdminHost)
	givenSwitch(&c.Admin.ProbeTargets, f.ProbeTargets)
	givenSwitch(&c.Admin.Pprof, f.Pprof)
	given(&c.Log.Format, f.LogFormat)
	given(&c.Log.Level, f.LogLevel)
}

// limitFlags are config.Limits.
type limitFlags struct {
	Sessions             config.Count    `placeholder:"N" env:"BRIDGE_SESSIONS" help:"Sessions at once (default 1000)."`
	SessionsPerAddress   config.Count    `placeholder:"N" env:"BRIDGE_SESSIONS_PER_ADDRESS" help:"Sessions at once of an IPv4 address or a /64 network (default: no bound)."`
	SessionsPerPrincipal config.Count    `placeholder:"N" env:"BRIDGE_SESSIONS_PER_PRINCIPAL" help:"Sessions at once of a principal (default: no bound)."`
	Handshakes           config.Count    `placeholder:"N" env:"BRIDGE_HANDSHAKES" help:"Clients at once that are not admitted yet (default 200)."`
	AddressRate          config.Rate     `placeholder:"N" env:"BRIDGE_ADDRESS_RATE" help:"Upgrades per second of an IPv4 address or a /64 network (default 20)."`
	PrincipalRate        config.Rate     `placeholder:"N" env:"BRIDGE_PRINCIPAL_RATE" help:"Upgrades per second of a principal (default: no bound)."`
	Message              config.Size     `placeholder:"BYTES" env:"BRIDGE_MESSAGE" help:"Bytes of one message of a client, such as 1MiB (default 64MiB)."`
	MaxSessionAge        config.Duration `placeholder:"TIME" env:"BRIDGE_MAX_SESSION_AGE" help:"How long a session may last (default: no bound)."`
	ConnectTimeout       config.Timeout  `placeholder:"TIME" env:"BRIDGE_CONNECT_TIMEOUT" help:"For connecting to a target (default 10s)."`
	PingInterval         config.Timeout  `placeholder:"TIME" env:"BRIDGE_PING_INTERVAL" help:"Between two pings to a client (default 25s)."`
	PeerTimeout          config.Timeout  `placeholder:"TIME" env:"BRIDGE_PEER_TIMEOUT" help:"A client that neither sends nor takes a byte for so long is cut (default 75s)."`
	StallTimeout         config.Timeout  `placeholder:"TIME" env:"BRIDGE_STALL_TIMEOUT" help:"A session whose target takes nothing for so long is cut (default 15m)."`
	IdleTimeout          config.Duration `placeholder:"TIME" env:"BRIDGE_IDLE_TIMEOUT" help:"A session without data for so long is ended (default: no bound)."`
	HeaderBytes          config.Size     `placeholder:"BYTES" env:"BRIDGE_HEADER_BYTES" help:"Of the headers of a request (default 16KiB)."`
	HeaderTimeout        config.Timeout  `placeholder:"TIME" env:"BRIDGE_HEADER_TIMEOUT" help:"For the TLS handshake, and for a request (default 5s)."`
	Drain                config.Duration `placeholder:"TIME" env:"BRIDGE_DRAIN" help:"For sessions to end by themselves, once the bridge is told to stop (default 10s)."`
}

func (f *limitFlags) overrule(l *config.Limits) {
	given(&l.Sessions, f.Sessions)
	given(&l.SessionsPerAddress, f.SessionsPerAddress)
	given(&l.SessionsPerPrincipal, f.SessionsPerPrincipal)
	given(&l.Handshakes, f.Handshakes)
	given(&l.AddressRate, f.AddressRate)
	given(&l.PrincipalRate, f.PrincipalRate)
	given(&l.Message, f.Message)
	given(&l.MaxSessionAge, f.MaxSessionAge)
	given(&l.ConnectTimeout, f.ConnectTimeout)
	given(&l.PingInterval, f.PingInterval)
	given(&l.PeerTimeout, f.PeerTimeout)
	given(&l.StallTimeout, f.StallTimeout)
	given(&l.IdleTimeout, f.IdleTimeout)
	given(&l.HeaderBytes, f.HeaderBytes)
	given(&l.HeaderTimeout, f.HeaderTimeout)
	given(&l.Drain, f.Drain)
}

// given puts a flag in the place of a value, if there was one.
func given[T comparable](value *T, flag T) {
	var none T
	if flag != none {
		*value = flag
	}
}

func givenSwitch(value *bool, flag *bool) {
	if flag != nil {
		*value = *flag
	}
}

func givenList[T any](value *[]T, flag []T) {
	if len(flag) > 0 {
		*value = flag
	}
}

// badFile begins on a line of its own: a file may have many errors.
func badFile(err error) error { return fmt.Errorf("the configuration can't be used:\n%w", err) }
