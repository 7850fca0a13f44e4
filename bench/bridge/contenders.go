//go:build linux

package main

import (
	"fmt"
	"os"
	"path/filepath"
)

// A contender relays sessions to the source.
type contender struct {
	name string
	// command returns what to run, so that it listens at one address and
	// relays to another; nil for the sessions that nothing relays.
	command func(l *lab, listen, target string) ([]string, error)
	url     string // of connect; %s is the address
	// files is how many descriptors one session takes, 0 for one process for
	// each session, which are measured by few.
	files int
}

// Names by which verdicts find their contenders.
const (
	ourSplice    = "bridge, splice"
	ourCopy      = "bridge, copy"
	nameWebsock  = "websockify"
	namePlain    = "plain TCP proxy"
	nameHAProxy  = "HAProxy, TCP"
	nameDirect   = "direct"
	targetName   = "bench"
	tcpURL       = "tcp://%s"
	ourURL       = "ws://%s/nbd/" + targetName + "#nbd"
	websockURL   = "ws://%s/#binary"
	fewSessions  = 40    // of a contender with a process for each session
	fewStalled   = 8     // of the same: some keep all that the source sends
	spareFiles   = 200   // that are no session's
	mostSessions = 9_900 // that 20,000 descriptors hold, at two for each
	// bridgeSessions is the bridge's own limit, which is not to be met.
	bridgeSessions = 20_000
)

var contenders = []contender{
	{ourSplice, ourBridge("splice"), ourURL, 2},
	{ourCopy, ourBridge("copy"), ourURL, 2},
	{nameWebsock, websockify, websockURL, 0},
	{namePlain, plainProxy, tcpURL, 6}, // two sockets and two pipes
	{nameHAProxy, haproxy, tcpURL, 2},
	{nameDirect, nil, tcpURL, 2},
}

// sessions is how many of those wanted by a task this machine holds.
func (c contender) sessions(t task, files int) int {
	switch {
	case c.files > 0:
		return min(t.Sessions, (files-spareFiles)/c.files)
	case t.Do == "stalled":
		return min(t.Sessions, fewStalled)
	}
	return min(t.Sessions, fewSessions)
}

func ourBridge(path string) func(l *lab, listen, target string) ([]string, error) {
	return func(l *lab, listen, target string) ([]string, error) {
		config, err := l.file("bridge.yaml", bridgeConfig(listen, target, path == "splice"))
		return []string{l.bridge, "serve", "--config", config}, err
	}
}

func bridgeConfig(listen, target string, splice bool) string {
	return fmt.Sprintf(`listen: %s
splice: %t
targets:
  %s:
    address: tcp://%s
limits:
  sessions: %d
  handshakes: 0
  addressRate: 0
log:
  level: error
`, listen, splice, targetName, target, bridgeSessions)
}

func websockify(_ *lab, listen, target string) ([]string, error) {
	return []string{"websockify", listen, target}, nil
}

func plainProxy(l *lab, listen, target string) ([]string, error) {
	return []string{l.self, "proxy", listen, target}, nil
}

// haproxy runs in the foreground. It is told to splice, through pipes as large
// as everyone else's: by "splice-auto" it copied all of this traffic.
func haproxy(l *lab, listen, target string) ([]string, error) {
	config, err := l.file("haproxy.cfg", fmt.Sprintf(`global
  maxconn %d
  maxpipes 32
  tune.pipesize 1048576
defaults
  mode tcp
  option splice-request
  option splice-response
  timeout connect 10s
  timeout client 10m
  timeout server 10m
listen bench
  bind %s
  server source %s
`, min(mostSessions, (l.files-spareFiles)/2)+10, listen, target))
	return []string{"haproxy", "-db", "-q", "-f", config}, err
}

// file writes a contender's configuration.
func (l *lab) file(name, text string) (string, error) {
	path := filepath.Join(l.folder, name)
	return path, os.WriteFile(path, []byte(text), 0o600)
}
