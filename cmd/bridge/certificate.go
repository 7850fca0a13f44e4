package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"sync"
	"time"

	"nbdbridge/bridge/config"
)

// lookEvery is the least time between two looks at the files of the
// certificate, which are taken when clients come.
const lookEvery = 2 * time.Second

// outerTLS is the bridge's own TLS, as its files are now.
type outerTLS struct {
	log *slog.Logger

	mu     sync.Mutex
	files  config.TLS
	asks   tls.ClientAuthType
	good   *tls.Config // of the last files that were good
	seen   [3]stamp    // of the last files that were read
	looked time.Time
}

// A stamp changes when a file does.
type stamp struct {
	size     int64
	modified time.Time
}

// newOuterTLS reads the files; nil if there are none.
func newOuterTLS(c *config.Config, log *slog.Logger) (*outerTLS, error) {
	if c.TLS.Cert == "" {
		return nil, nil
	}
	o := &outerTLS{log: log, files: c.TLS, asks: asks(c)}
	o.seen, o.looked = stamps(o.files), time.Now()
	var err error
	if o.good, err = load(o.files, o.asks); err != nil {
		return nil, c.At("tls", err)
	}
	return o, nil
}

// asks says how the handshake treats client certificates: where another method
// will do as well, a client may have none.
func asks(c *config.Config) tls.ClientAuthType {
	switch {
	case c.TLS.ClientCA == "":
		return tls.NoClientCert
	case c.Auth.Certificates && c.Auth.Methods() > 1 && c.Auth.Need != config.NeedAll:
		return tls.VerifyClientCertIfGiven
	}
	return tls.RequireAndVerifyClientCert
}

func stamps(files config.TLS) (all [3]stamp) {
	for i, name := range []string{files.Cert, files.Key, files.ClientCA} {
		if info, err := os.Stat(name); err == nil {
			all[i] = stamp{info.Size(), info.ModTime()}
		}
	}
	return all
}

func load(files config.TLS, asks tls.ClientAuthType) (*tls.Config, error) {
	pair, err := tls.LoadX509KeyPair(files.Cert, files.Key)
	if err != nil {
		return nil, fmt.Errorf("cert and key: %w", err)
	}
	c := &tls.Config{
		Certificates: []tls.Certificate{pair},
		MinVersion:   tls.VersionTLS12,
		NextProtos:   []string{"http/1.1"}, // HTTP/2 has no Upgrade to a WebSocket
		ClientAuth:   asks,
	}
	if files.ClientCA != "" {
		c.ClientCAs, err = loadPool(files.ClientCA)
		// A resumed session would go by the authorities of its begin.
		c.SessionTicketsDisabled = true
	}
	return c, err
}

func loadPool(file string) (*x509.CertPool, error) {
	pem, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("clientCA: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("clientCA: %s holds no certificate in PEM", file)
	}
	return pool, nil
}

// config is for the listeners.
func (o *outerTLS) config() *tls.Config {
	return &tls.Config{
		MinVersion:         tls.VersionTLS12,
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { return o.current(), nil },
	}
}

// current reads the files again if they have changed. While they are broken,
// as they are between the writing of two that belong together, the old ones
// stay.
func (o *outerTLS) current() *tls.Config {
	o.mu.Lock()
	defer o.mu.Unlock()
	if time.Since(o.looked) < lookEvery {
		return o.good
	}
	o.looked = time.Now()
	now := stamps(o.files)
	if now == o.seen {
		return o.good
	}
	o.seen = now
	fresh, err := load(o.files, o.asks)
	if err != nil {
		o.log.Error("the changed files of the certificate are broken: the old ones stay", "error", err)
		return o.good
	}
	o.log.Info("the files of the certificate have changed and are in use")
	o.good = fresh
	return fresh
}

// guard refuses what the handshake would refuse by now: a connection that is
// kept alive would go by the authorities of its begin.
func (o *outerTLS) guard(next http.Handler) http.Handler {
	if o == nil {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.TLS == nil || verify(o.current(), r.TLS.PeerCertificates) != nil {
			w.Header().Set("Connection", "close")
			http.Error(w, "The client certificate of this connection is not accepted any more: connect again with another.", http.StatusForbidden)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// verify judges the certificates that a client has sent, its own first, as the
// handshake does.
func verify(c *tls.Config, sent []*x509.Certificate) error {
	switch {
	case c.ClientAuth == tls.NoClientCert, len(sent) == 0 && c.ClientAuth == tls.VerifyClientCertIfGiven:
		return nil
	case len(sent) == 0:
		return errors.New("there is no client certificate")
	}
	between := x509.NewCertPool()
	for _, cert := range sent[1:] {
		between.AddCert(cert)
	}
	_, err := sent[0].Verify(x509.VerifyOptions{
		Roots: c.ClientCAs, Intermediates: between, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	})
	return err
}

// replace takes over what newOuterTLS has read of a new configuration.
func (o *outerTLS) replace(next *outerTLS) {
	if o == nil || next == nil { // TLS is not switched on or off while it serves
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.files, o.asks, o.good, o.seen, o.looked = next.files, next.asks, next.good, next.seen, next.looked
}
