package main

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"

	"nbdbridge/nbd"
)

// trustFlags say whom to trust, and who we are, inside the tunnel.
type trustFlags struct {
	TLS        string `name:"tls" placeholder:"MODE" help:"TLS with the NBD server: require, prefer (insecure: whoever is on the path can turn it off) or off (default: off for nbd:// and nbd+unix://, else require)."`
	CA         string `name:"ca" placeholder:"FILE" help:"PEM file of the CA that signed the NBD server's certificate (default: the system's CAs)."`
	ServerName string `placeholder:"NAME" help:"Name in the NBD server's certificate. Required with TLS behind a bridge or a socket, whose URLs do not tell it (default: the host of an nbd:// or nbds:// URL)."`
	Cert       string `placeholder:"FILE" help:"PEM file of the client certificate, for servers that demand one (default: none)."`
	Key        string `placeholder:"FILE" help:"PEM file of its private key; needed with --cert."`
}

// config makes the client's configuration for an endpoint.
func (f *trustFlags) config(e *endpoint) (*nbd.Config, error) {
	cfg := &nbd.Config{TLSMode: e.mode, ReadOnly: true}
	if f.TLS != "" {
		mode, err := nbd.ParseTLSMode(f.TLS)
		if err != nil {
			return nil, usageError{err}
		}
		cfg.TLSMode = mode
	}
	if cfg.TLSMode == nbd.TLSOff {
		return cfg, f.refuseUnused()
	}
	return cfg, f.fill(&cfg.TLS, e)
}

// refuseUnused keeps a user from thinking that a CA protects a plain session.
func (f *trustFlags) refuseUnused() error {
	if f.CA+f.ServerName+f.Cert+f.Key != "" {
		return usagef("TLS is off, so --ca, --server-name, --cert and --key mean nothing: drop them, or use --tls require")
	}
	return nil
}

func (f *trustFlags) fill(t *nbd.TLSConfig, e *endpoint) (err error) {
	t.ServerName = f.ServerName
	if t.ServerName == "" {
		t.ServerName = e.serverName
	}
	if t.ServerName == "" {
		return usagef("%s does not tell the name in the NBD server's certificate: give --server-name NAME and --ca FILE, or --tls off", e.url)
	}
	if f.CA == "" {
		t.SystemRoots = true
	} else if t.RootCAs, err = readCA("--ca", f.CA); err != nil {
		return err
	}
	if f.Cert == "" && f.Key == "" {
		return nil
	}
	if f.Cert == "" || f.Key == "" {
		return usagef("--cert and --key belong together")
	}
	pair, err := tls.LoadX509KeyPair(f.Cert, f.Key)
	if err != nil {
		return fmt.Errorf("client certificate: %w", err)
	}
	t.Certificates = []tls.Certificate{pair}
	return nil
}

func readCA(flag, file string) (*x509.CertPool, error) {
	pem, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", flag, err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s %s: no PEM certificate in it", flag, file)
	}
	return pool, nil
}
