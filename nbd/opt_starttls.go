package nbd

import (
	"crypto/tls"
	"errors"
	"fmt"
)

// startTLS asks for TLS, NBD_OPT_STARTTLS, and runs the handshake. It is the
// first option on the connection; what the server said before is thrown away.
func (c *Client) startTLS() error {
	if err := c.sendOption(OptStartTLS, nil); err != nil {
		return err
	}
	err := c.expectAck(OptStartTLS)
	var refused *OptionError
	switch {
	case err == nil:
		return c.handshake()
	case !errors.As(err, &refused) || refused.Reply == RepErrShutdown:
		return err
	case c.cfg.TLSMode == TLSRequire:
		c.sayAbort()
		c.Close()
		return fmt.Errorf("%w: %w", ErrTLSRefused, refused)
	case refused.Reply == RepErrTLSReqd:
		return protocolErrorf("the server answered STARTTLS with %v", refused.Reply)
	}
	return nil // TLSPrefer goes on in the clear
}

// handshake runs over the raw connection. Every read so far was of an exact
// length, so a byte that follows the acknowledgement in plain text becomes the
// first byte of a TLS record, and is fatal (attack A7).
func (c *Client) handshake() error {
	session := tls.Client(c.raw, c.cfg.TLS.client(&c.asked))
	if err := session.Handshake(); err != nil {
		if notTLS := (tls.RecordHeaderError{}); errors.As(err, &notTLS) {
			return protocolErrorf("after STARTTLS came plain text, not TLS: injected bytes or a broken server")
		}
		return c.tlsError(err)
	}
	state := session.ConnectionState()
	c.conn, c.tls = session, &state
	return nil
}

func (c *Client) tlsError(err error) error {
	return &TLSError{
		ServerName:           c.cfg.TLS.ServerName,
		CertificateRequested: c.asked.requested,
		CertificateSent:      c.asked.sent,
		Err:                  err,
	}
}

// A certificateTrace remembers what crypto/tls does not tell: whether the
// server asked for a client certificate, and whether it got one.
type certificateTrace struct{ requested, sent bool }

// client makes the configuration of crypto/tls. Without a CA the library's own
// check is off, and verify is the only judge.
func (t *TLSConfig) client(trace *certificateTrace) *tls.Config {
	return &tls.Config{
		ServerName:                  t.ServerName,
		RootCAs:                     t.RootCAs,
		InsecureSkipVerify:          t.RootCAs == nil && !t.SystemRoots,
		VerifyConnection:            t.verify,
		GetClientCertificate:        t.choose(trace),
		MinVersion:                  tls.VersionTLS12,
		Renegotiation:               tls.RenegotiateNever,
		DynamicRecordSizingDisabled: true, // small records would each become a message of their own
		KeyLogWriter:                t.KeyLog,
	}
}

// verify adds the pins. crypto/tls calls it on every connection, after its own
// check of chain and name where there is a CA.
func (t *TLSConfig) verify(state tls.ConnectionState) error {
	if len(t.Pins) == 0 {
		return nil
	}
	if len(state.PeerCertificates) == 0 {
		return errors.New("the server sent no certificate")
	}
	got := PinOf(state.PeerCertificates[0])
	for _, pin := range t.Pins {
		if pin == got {
			return nil
		}
	}
	return &PinError{Got: got}
}

// choose picks the first certificate that fits the server's request. When
// none fits the first is sent all the same: the server's refusal tells more
// than our silence.
func (t *TLSConfig) choose(trace *certificateTrace) func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
	return func(info *tls.CertificateRequestInfo) (*tls.Certificate, error) {
		trace.requested = true
		if len(t.Certificates) == 0 {
			return &tls.Certificate{}, nil
		}
		trace.sent = true
		for i := range t.Certificates {
			if info.SupportsCertificate(&t.Certificates[i]) == nil {
				return &t.Certificates[i], nil
			}
		}
		return &t.Certificates[0], nil
	}
}
