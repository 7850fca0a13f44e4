package main

import (
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"nbdbridge/nbd"
)

// trustFlags say whom to trust, and who we are, inside the tunnel.
type trustFlags struct {
	TLS        string   `name:"tls" placeholder:"MODE" help:"TLS with the NBD server: require, prefer (insecure: whoever is on the path can turn it off) or off (default: off for nbd:// and nbd+unix://, else require)."`
	CA         string   `name:"ca" placeholder:"FILE" help:"PEM file of the CA that signed the NBD server's certificate (default: the system's CAs, unless there is a --pin)."`
	Pins       []string `name:"pin" sep:"none" placeholder:"PIN" help:"SHA-256 of the NBD server's public key, as sha256/BASE64 or 64 hex digits. Repeat for several keys. With --ca both must pass; alone, a pin replaces CA, name and validity period (default: none)."`
	ServerName string   `placeholder:"NAME" help:"Name in the NBD server's certificate. Required with a CA behind a bridge or a socket, whose URLs do not tell it (default: tls-hostname, or the host of an nbd:// or nbds:// URL)."`
	Insecure   bool     `help:"Accept any certificate (insecure: whoever is on the path can pose as the server); tls-verify-peer=0 in the URL does the same."`
	Cert       string   `placeholder:"FILE" help:"PEM file of the client certificate, for servers that demand one (default: none)."`
	Key        string   `placeholder:"FILE" help:"PEM file of its private key; needed with --cert."`
}

// config makes the client's configuration for an endpoint.
func (f *trustFlags) config(e *endpoint) (*nbd.Config, error) {
	cfg := &nbd.Config{TLSMode: e.TLSMode, ReadOnly: true}
	if f.TLS != "" {
		mode, err := nbd.ParseTLSMode(f.TLS)
		if err != nil {
			return nil, usageError{err}
		}
		cfg.TLSMode = mode
	}
	if cfg.TLSMode == nbd.TLSOff {
		return cfg, f.refuseUnused(e)
	}
	if err := f.refuseConflicts(e); err != nil {
		return nil, err
	}
	if err := f.trust(&cfg.TLS, e); err != nil {
		return nil, err
	}
	return cfg, f.identify(&cfg.TLS, e)
}

// refuseUnused keeps a user from thinking that a CA protects a plain session.
func (f *trustFlags) refuseUnused(e *endpoint) error {
	if f.CA+f.ServerName+f.Cert+f.Key != "" || len(f.Pins) > 0 || f.Insecure {
		return usagef("TLS is off, so --ca, --pin, --server-name, --insecure, --cert and --key mean nothing: drop them, or use --tls require")
	}
	if e.Certificates != "" || e.Insecure {
		return usagef("%s: TLS is off, so tls-certificates and tls-verify-peer in the URL mean nothing: drop them, or use --tls require", e.url)
	}
	return nil
}

func (f *trustFlags) refuseConflicts(e *endpoint) error {
	switch {
	case (f.Insecure || e.Insecure) && (f.CA != "" || len(f.Pins) > 0):
		return usagef("--insecure, and tls-verify-peer=0 in a URL, accept any certificate, so --ca and --pin mean nothing: drop one of them")
	case e.Certificates != "" && f.CA+f.Cert+f.Key != "":
		return usagef("the URL names %s with tls-certificates, so --ca, --cert and --key mean nothing: drop one of them", e.Certificates)
	case (f.Cert == "") != (f.Key == ""):
		return usagef("--cert and --key belong together")
	}
	return nil
}

// trust says how the server is verified: by what was given, else as any
// certificate of the Internet.
func (f *trustFlags) trust(t *nbd.TLSConfig, e *endpoint) error {
	t.ServerName = cmp.Or(f.ServerName, e.ServerName)
	t.Insecure = f.Insecure || e.Insecure
	for _, text := range f.Pins {
		pin, err := nbd.ParsePin(text)
		if err != nil {
			return usagef("--pin: %w", err)
		}
		t.Pins = append(t.Pins, pin)
	}
	if t.Insecure {
		return nil
	}
	return f.trustCA(t, e)
}

func (f *trustFlags) trustCA(t *nbd.TLSConfig, e *endpoint) (err error) {
	switch {
	case e.Certificates != "":
		t.RootCAs, err = readFolderCA(e.Certificates)
	case f.CA != "":
		if t.RootCAs, err = readCA(f.CA); err != nil {
			err = fmt.Errorf("--ca: %w", err)
		}
	case len(t.Pins) > 0:
		return nil
	default:
		t.SystemRoots = true
	}
	if err != nil || t.ServerName != "" {
		return err
	}
	want := "--server-name NAME and --ca FILE, or --tls off"
	if e.Certificates != "" {
		want = "--server-name NAME, or tls-hostname=NAME in the URL"
	}
	return usagef("%s does not tell the name in the NBD server's certificate: give %s", e.url, want)
}

// identify loads the client's own certificate, if there is one.
func (f *trustFlags) identify(t *nbd.TLSConfig, e *endpoint) error {
	cert, key := f.Cert, f.Key
	if e.Certificates != "" {
		cert, key = folderIdentity(e.Certificates)
	}
	if cert == "" {
		return nil
	}
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		return fmt.Errorf("client certificate: %w", err)
	}
	t.Certificates = []tls.Certificate{pair}
	return nil
}

// readFolderCA reads the CA of a folder as libnbd lays it out. Its
// revocation list can't be ignored: somebody relies on it.
func readFolderCA(folder string) (*x509.CertPool, error) {
	if crl := filepath.Join(folder, "ca-crl.pem"); exists(crl) {
		return nil, fmt.Errorf("tls-certificates: %s: revocation lists can't be used; without tls-certificates in the URL, --ca, --cert and --key name the files", crl)
	}
	pool, err := readCA(filepath.Join(folder, "ca-cert.pem"))
	if err != nil {
		return nil, fmt.Errorf("tls-certificates: %w", err)
	}
	return pool, nil
}

// folderIdentity names the client's files in such a folder, where there are any.
func folderIdentity(folder string) (cert, key string) {
	cert, key = filepath.Join(folder, "client-cert.pem"), filepath.Join(folder, "client-key.pem")
	if !exists(cert) && !exists(key) {
		return "", ""
	}
	return cert, key
}

func exists(file string) bool {
	_, err := os.Stat(file)
	return !errors.Is(err, fs.ErrNotExist)
}

func readCA(file string) (*x509.CertPool, error) {
	pem, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s: no PEM certificate in it", file)
	}
	return pool, nil
}
