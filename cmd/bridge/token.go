package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/url"
	"os"
	"runtime"
	"strings"

	"nbdbridge/bridge"
	"nbdbridge/bridge/ticket"
)

// tokenFlags say how a client shows a bridge that it may connect.
type tokenFlags struct {
	TokenFile string `placeholder:"FILE" help:"File with a ticket for the bridge. It is read for every connection, so another program may refresh it (default: no ticket)."`
}

// A tokenSource gives the ticket for one more connection; "" is none.
type tokenSource func() (string, error)

func noToken() (string, error) { return "", nil }

// attach makes an endpoint use the tickets of the file, which must be there.
func (f *tokenFlags) attach(e *endpoint, log *slog.Logger) error {
	if f.TokenFile == "" {
		return nil
	}
	if e.Bridge == "" {
		return usagef("%s is reached directly, where tickets mean nothing: drop --token-file", e.url)
	}
	e.token = func() (string, error) { return readToken(f.TokenFile) }
	if _, err := e.token(); err != nil {
		return usageError{err}
	}
	warnReadable(log, "--token-file", f.TokenFile)
	warnInClear(log, e)
	return nil
}

// readToken reads a regular file: of a pipe there would be no second ticket.
func readToken(path string) (string, error) {
	info, err := os.Stat(path)
	if err == nil && !info.Mode().IsRegular() {
		err = &fs.PathError{Op: "read", Path: path, Err: errors.New("it is no regular file, and it would have to be read for every connection")}
	}
	if err != nil {
		return "", fmt.Errorf("--token-file: %w", err)
	}
	text, err := readSmall(path, 2*ticket.MaxLength)
	if err != nil {
		return "", fmt.Errorf("--token-file: %w", err)
	}
	token := strings.TrimSpace(text)
	if err := ticket.CheckForm(token); err != nil {
		return "", fmt.Errorf("--token-file: %s: %w", path, err)
	}
	return token, nil
}

// readSmall reads a file of at most limit bytes.
func readSmall(path string, limit int) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, int64(limit)+1))
	if err == nil && len(b) > limit {
		err = fmt.Errorf("%s: more than %d bytes: this is no ticket", path, limit)
	}
	return string(b), err
}

// subprotocols are what is offered to a bridge.
func (s tokenSource) subprotocols() ([]string, error) {
	token, err := s()
	if err != nil || token == "" {
		return []string{bridge.Subprotocol}, err
	}
	return []string{bridge.Subprotocol, ticket.Prefix + token}, nil
}

// warnReadable speaks up about a secret that other users of the machine can read.
func warnReadable(log *slog.Logger, flag, path string) {
	if info, err := os.Stat(path); err == nil && runtime.GOOS != "windows" && info.Mode().Perm()&0o004 != 0 {
		log.Warn("every user of this machine can read this file and act in your name: chmod 600 it", "flag", flag, "file", path)
	}
}

// warnInClear speaks up about a ticket that others on the way can read.
func warnInClear(log *slog.Logger, e *endpoint) {
	u, err := url.Parse(e.Bridge)
	if err != nil || u.Scheme != "ws" || u.Hostname() == "localhost" || net.ParseIP(u.Hostname()).IsLoopback() {
		return
	}
	log.Warn("the ticket crosses the network in the clear: use wss:// if the bridge has TLS", "bridge", e.url)
}
