// Package listen makes the listeners that a bridge serves on: TCP, Unix sockets
// and those that systemd hands over, behind proxies that tell who is there.
package listen

import (
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"path/filepath"
	"strings"
	"time"
)

// Options say how a listener treats its connections.
type Options struct {
	// Mode are the permissions of a Unix socket, at most 0777; 0 is 0660.
	// Sockets of systemd keep their own.
	Mode uint32
	// ProxyProtocol are the peers that must begin with a PROXY protocol
	// header, version 1 or 2. Others must not: from them a header is data
	// like any other, and bad HTTP.
	ProxyProtocol Proxies
	// HeaderTimeout is what such a peer has for its header; 0 is 5 s.
	HeaderTimeout time.Duration
	// Log tells, at the level of debugging, which peers' headers were refused:
	// some proxies send none when they only ask whether we are there. nil is
	// silent.
	Log *slog.Logger
}

// Listen listens at HOST:PORT, unix:/PATH or systemd:NAME, where NAME is
// FileDescriptorName= of a socket unit.
//
// The file of a Unix socket is removed when its listener is closed. One that
// nobody answers any more is replaced; one that somebody answers, or a file
// that is no socket, is an error.
//
// Each socket of systemd is given out once: a name that stands for several is
// listened at as many times. Its file belongs to systemd and stays.
//
// Accept never waits for what a client sends. A connection shows the client's
// address, as a proxy told it. It is a *net.TCPConn or *net.UnixConn, or has
// one underneath, which the method Raw() net.Conn returns: for writing to and
// for the options of the socket, while what is read must come through the
// connection itself, which may hold some of it.
func Listen(address string, o Options) (net.Listener, error) {
	l, err := open(address, fs.FileMode(o.Mode))
	if err != nil {
		return nil, fmt.Errorf("listening at %s: %w", address, err)
	}
	return o.proxied(l), nil
}

func open(address string, mode fs.FileMode) (net.Listener, error) {
	if name, ok := strings.CutPrefix(address, "systemd:"); ok {
		return sockets.take(name)
	}
	if path, ok := strings.CutPrefix(address, "unix:"); ok {
		if !filepath.IsAbs(path) || mode&^0o777 != 0 {
			return nil, fmt.Errorf("a Unix socket has an absolute path, as in unix:/run/bridge.sock, and a mode of at most 0777")
		}
		return listenUnix(filepath.Clean(path), mode)
	}
	if _, _, err := net.SplitHostPort(address); err != nil {
		return nil, fmt.Errorf("want HOST:PORT, unix:/PATH or systemd:NAME: %w", err)
	}
	return net.Listen("tcp", address)
}
