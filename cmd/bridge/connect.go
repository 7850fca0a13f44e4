package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/url"
	"os"
	"sync"
	"syscall"
)

type connectCommand struct {
	URL    string `arg:"" help:"ws://HOST/nbd/TARGET or wss://… of a bridge's target."`
	Listen string `required:"" placeholder:"ADDR" help:"unix:///PATH or tcp://HOST:PORT to offer the export on; use a loopback address."`
	tokenFlags
}

// Help is shown by --help.
func (*connectCommand) Help() string {
	return `Every connection to the local socket becomes one WebSocket through the bridge, bytes untouched. So native tools reach an export behind a bridge, and TLS stays theirs, end to end:

  bridge connect wss://bridge.example/nbd/lab --listen unix:///run/lab.sock
  nbdcopy "nbds+unix:///vda?socket=/run/lab.sock&tls-certificates=/etc/pki/lab" disk.img

A unix socket is made for its owner alone (mode 0600); one that a dead process left is taken over, and nothing else is ever removed. A TCP port is open to everyone who reaches it.

The bridge is connected to once a tool connects, and has 15 s for its answer. A session that it refuses is logged with the reason, and the tool's connection is closed. A bridge that wants tickets gets the one in --token-file, which is read for each connection. SIGINT (Ctrl-C) and SIGTERM end all sessions and remove the socket.`
}

func (c *connectCommand) Run(ctx context.Context, log *slog.Logger) error {
	e, err := parseEndpoint(c.URL)
	if err != nil {
		return err
	}
	if e.Bridge == "" {
		return usagef("%q is no bridge: native tools can reach it directly; want ws:// or wss://", c.URL)
	}
	if err := c.attach(e, log); err != nil {
		return err
	}
	l, err := listenLocal(c.Listen)
	if err != nil {
		return err
	}
	defer l.Close()
	log.Info("offering", "listen", c.Listen, "bridge", e.url)
	return acceptLoop(ctx, l, e, log)
}

// listenLocal opens unix:///PATH, for its owner alone, or tcp://HOST:PORT. The
// host must be given: without one the whole network could connect.
func listenLocal(addr string) (l net.Listener, err error) {
	u, err := url.Parse(addr)
	switch {
	case err != nil || u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return nil, notLocal(addr)
	case u.Scheme == "unix" && u.Host == "" && u.Path != "":
		l, err = listenUnix(u.Path)
	case u.Scheme == "tcp" && u.Hostname() != "" && u.Port() != "" && u.Path == "":
		l, err = net.Listen("tcp", u.Host)
	default:
		return nil, notLocal(addr)
	}
	if err != nil {
		return nil, fmt.Errorf("%w\nChoose another address with --listen", err)
	}
	return l, nil
}

func notLocal(addr string) error {
	return usagef("--listen %q: want unix:///PATH or tcp://HOST:PORT", addr)
}

// listenUnix takes over the socket of a process that has died.
func listenUnix(path string) (net.Listener, error) {
	l, err := bindUnix(path)
	if err != nil && isStale(path) {
		_ = os.Remove(path)
		l, err = bindUnix(path)
	}
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(path, 0o600); err != nil {
		l.Close()
		return nil, err
	}
	return l, nil
}

func bindUnix(path string) (net.Listener, error) {
	return (&net.ListenConfig{Control: ownersOnly}).Listen(context.Background(), "unix", path)
}

// isStale tells whether nobody listens any more. Only a refused connection says
// so: a live socket may be full, of another kind or not for us.
func isStale(path string) bool {
	info, err := os.Lstat(path)
	if err != nil || info.Mode()&os.ModeSocket == 0 {
		return false
	}
	c, err := net.Dial("unix", path)
	if err == nil {
		c.Close()
	}
	return errors.Is(err, syscall.ECONNREFUSED)
}

// acceptLoop serves until ctx ends, then closes every session.
func acceptLoop(ctx context.Context, l net.Listener, e *endpoint, log *slog.Logger) error {
	var sessions sync.WaitGroup
	defer sessions.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { l.Close() })
	defer stop()
	for {
		local, err := l.Accept()
		if ctx.Err() != nil {
			if err == nil {
				local.Close() // came at the same moment
			}
			return nil
		}
		if err != nil {
			return fmt.Errorf("accepting: %w", err)
		}
		sessions.Go(func() {
			if err := tunnel(ctx, local, e); err != nil {
				log.Error("session failed", "error", err)
			}
		})
	}
}

// tunnel carries one connection until either side ends it.
func tunnel(ctx context.Context, local net.Conn, e *endpoint) error {
	defer local.Close()
	remote, err := dialTunnel(ctx, e.Bridge, e.token)
	if err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() {
		local.Close()
		remote.leave()
	})
	defer stop()
	up := make(chan error, 1)
	go func() { up <- copyUp(remote, local) }()
	down := copyDown(local, remote)
	return errors.Join(down, <-up)
}

// copyUp carries what the local client says, and ends the session with it: a
// WebSocket can't be closed in one direction, and NBD has no need of it.
func copyUp(remote tunnelConn, local net.Conn) error {
	err := copyBytes(remote, local)
	remote.leave()
	return err
}

// copyDown carries what the server says; all of it, before the end.
func copyDown(local, remote net.Conn) error {
	err := copyBytes(local, remote)
	local.Close()
	return err
}

// copyBytes copies through a buffer of its own, which is the size of a message
// at most, and takes a session that was simply closed for a good end.
func copyBytes(dst io.Writer, src io.Reader) error {
	_, err := io.CopyBuffer(struct{ io.Writer }{dst}, struct{ io.Reader }{src}, make([]byte, 64<<10))
	for _, end := range []error{net.ErrClosed, io.EOF, syscall.ECONNRESET, syscall.EPIPE} {
		if errors.Is(err, end) {
			return nil
		}
	}
	return err
}
