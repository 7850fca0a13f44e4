package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"slices"
	"strings"

	"nbdbridge/nbd"
)

type serveDiskCommand struct {
	File        []string `arg:"" type:"existingfile" help:"Disk images or block devices to export, each under its name without the folder. The first is the default export."`
	Listen      string   `default:"tcp://127.0.0.1:10809" placeholder:"ADDR" help:"tcp://HOST:PORT or unix:///PATH to listen on (default ${default})."`
	TLSMode     string   `name:"tls-mode" placeholder:"MODE" help:"Who must use TLS: notls (nobody can), optionaltls (whoever wants to), forcedtls (everyone) or selectivetls (everyone, for the exports of --tls-only) (default: forcedtls with a certificate, else notls)."`
	TLSCert     string   `name:"tls-cert" placeholder:"FILE" help:"PEM file of the server's certificate, with its chain (default: no TLS)."`
	TLSKey      string   `name:"tls-key" placeholder:"FILE" help:"PEM file of its private key; needed with --tls-cert."`
	ClientCA    string   `name:"client-ca" placeholder:"FILE" help:"PEM file of the CA whose client certificates are let in; TLS without one is refused (default: clients need no certificate)."`
	AllowClient []string `name:"allow-client" sep:"none" placeholder:"NAME" help:"Let in only clients whose certificate has this subject, as in CN=client1,O=Lab, this alternative name, or this pin, sha256/…. Repeatable; needs --client-ca (default: all that --client-ca verifies)."`
	TLSOnly     []string `name:"tls-only" sep:"none" placeholder:"EXPORT" help:"With --tls-mode selectivetls: an export that is served inside TLS only, and not named to others. Repeatable."`
	ReadOnly    bool     `help:"Refuse all writes, and open the files for reading only (default: clients may write)."`
}

// Help is shown by --help.
func (*serveDiskCommand) Help() string {
	return `A small NBD server for those who have none:

  bridge serve-disk disk.img
  bridge serve-disk disk.img --listen unix:///run/disk.sock --read-only
  bridge serve-disk disk.img --listen tcp://0.0.0.0:10809 --tls-cert cert.pem --tls-key key.pem --client-ca ca.pem

Without a certificate everyone who reaches the address may read the disks, and change them without --read-only: only loopback addresses and unix sockets are listened on then. With a certificate but without --client-ca everyone may still do so, unseen by those on the way. A unix socket is made for its owner alone (mode 0600).

A file keeps its size in bytes while it is served. It is locked (flock): many processes may serve it read-only, or one with writes; programs that ask for no lock are not held off, so don't mount or run it elsewhere meanwhile. Holes are told to clients; trims and zeroes make new ones where the file system can.

At most 256 clients are served at once. Each has 30 s to negotiate, may have 16 requests and 64 MiB under way, and moves at most 32 MiB by one request.

It prints the URI of each export. SIGINT (Ctrl-C) and SIGTERM close every connection and remove the socket; what clients have flushed is on the disk. Exit codes: 0 ended by a signal, 1 failure, 2 a command line that can't be meant.`
}

func (c *serveDiskCommand) Run(ctx context.Context, log *slog.Logger) error {
	server, closeAll, err := c.server(log)
	if err != nil {
		return err
	}
	defer closeAll()
	l, err := c.listen(server.TLSMode, log)
	if err != nil {
		return err
	}
	return serveDisks(ctx, server, l)
}

func serveDisks(ctx context.Context, server *nbd.Server, l net.Listener) error {
	for _, x := range server.Exports {
		fmt.Printf("%s (%s)\n", exportURI(l.Addr(), server.TLSMode, x.Name), humanSize(x.Device.Size()))
	}
	fmt.Println("Stop with Ctrl-C.")
	return server.Serve(ctx, l)
}

// server opens the files once everything else is known to be right.
func (c *serveDiskCommand) server(log *slog.Logger) (s *nbd.Server, closeAll func(), err error) {
	s = &nbd.Server{AllowClients: c.AllowClient, HideNames: true, Log: log}
	if s.TLSMode, err = c.mode(); err != nil {
		return nil, nil, err
	}
	if s.TLSMode != nbd.NoTLS {
		if s.TLS, err = c.tlsConfig(); err != nil {
			return nil, nil, err
		}
	}
	if s.Exports, closeAll, err = openDisks(c.File, c.ReadOnly); err != nil {
		return nil, nil, err
	}
	if err := c.markTLSOnly(s.Exports); err != nil {
		closeAll()
		return nil, nil, err
	}
	return s, closeAll, nil
}

// mode refuses flags that would promise a protection that there is not.
func (c *serveDiskCommand) mode() (nbd.ServerTLSMode, error) {
	mode := nbd.ForcedTLS
	if c.TLSCert == "" {
		mode = nbd.NoTLS
	}
	if c.TLSMode != "" {
		var err error
		if mode, err = nbd.ParseServerTLSMode(c.TLSMode); err != nil {
			return 0, usagef("--tls-mode: %v", err)
		}
	}
	named := len(c.AllowClient) > 0
	switch {
	case (c.TLSCert == "") != (c.TLSKey == ""):
		return 0, usagef("--tls-cert and --tls-key belong together")
	case mode != nbd.NoTLS && c.TLSCert == "":
		return 0, usagef("--tls-mode %s needs --tls-cert and --tls-key", c.TLSMode)
	case mode == nbd.NoTLS && (c.TLSCert != "" || c.ClientCA != "" || named):
		return 0, usagef("without TLS, certificates and names of clients mean nothing: give --tls-cert and --tls-key, and another --tls-mode than notls")
	case mode == nbd.OptionalTLS && (c.ClientCA != "" || named):
		return 0, usagef("with --tls-mode optionaltls whoever has no certificate comes in without TLS: use forcedtls with --client-ca")
	case named && c.ClientCA == "":
		return 0, usagef("--allow-client needs --client-ca with the CA of the clients' certificates")
	case (mode == nbd.SelectiveTLS) != (len(c.TLSOnly) > 0):
		return 0, usagef("--tls-mode selectivetls and --tls-only belong together")
	}
	return mode, nil
}

func (c *serveDiskCommand) tlsConfig() (*tls.Config, error) {
	pair, err := tls.LoadX509KeyPair(c.TLSCert, c.TLSKey)
	if err != nil {
		return nil, fmt.Errorf("--tls-cert: %w", err)
	}
	cfg := &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}
	if c.ClientCA != "" {
		cfg.ClientAuth = tls.RequireAndVerifyClientCert
		if cfg.ClientCAs, err = readCA(c.ClientCA); err != nil {
			return nil, fmt.Errorf("--client-ca: %w", err)
		}
	}
	return cfg, nil
}

// markTLSOnly refuses a name that is no export's: its owner would think that
// something is protected.
func (c *serveDiskCommand) markTLSOnly(exports []nbd.Export) error {
	for _, name := range c.TLSOnly {
		i := slices.IndexFunc(exports, func(x nbd.Export) bool { return x.Name == name })
		if i < 0 {
			return usagef("--tls-only %q: no export has this name; names are those of the files without the folder", name)
		}
		exports[i].TLSOnly = true
	}
	return nil
}

// listen keeps plain disks on this machine, and speaks up where anyone may
// reach one: TLS hides the disks from those on the way, and keeps nobody out.
func (c *serveDiskCommand) listen(mode nbd.ServerTLSMode, log *slog.Logger) (net.Listener, error) {
	l, err := listenLocal(c.Listen)
	if err != nil {
		return nil, err
	}
	tcp, ok := l.Addr().(*net.TCPAddr)
	if !ok || tcp.IP.IsLoopback() {
		return l, nil
	}
	switch {
	case mode == nbd.ForcedTLS && c.ClientCA == "":
		log.Warn("listening beyond this machine, and clients need no certificate: whoever reaches this address is served; give --client-ca", "listen", c.Listen)
	case mode == nbd.NoTLS:
		l.Close()
		return nil, usagef("--listen %s: without TLS everyone who reaches this address could read the disks: "+
			"give --tls-cert and --tls-key, or listen on tcp://127.0.0.1:%d or unix:///PATH", c.Listen, tcp.Port)
	case mode != nbd.ForcedTLS:
		log.Warn("listening beyond this machine, and not everything needs TLS: whoever reaches this address is served what does not", "listen", c.Listen)
	}
	return l, nil
}

// exportURI is what native tools and `bridge info` take.
func exportURI(addr net.Addr, mode nbd.ServerTLSMode, export string) string {
	u := url.URL{Scheme: "nbds", Host: addr.String(), Path: "/" + export}
	if mode == nbd.NoTLS {
		u.Scheme = "nbd"
	}
	if addr.Network() == "unix" {
		u.Scheme, u.Host, u.RawQuery = u.Scheme+"+unix", "", "socket="+escapeSocket(addr.String())
	}
	return u.String()
}

// escapeSocket leaves slashes readable, and writes a space as every reader
// understands it.
func escapeSocket(path string) string {
	return strings.NewReplacer("%2F", "/", "+", "%20").Replace(url.QueryEscape(path))
}
