package nbd

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
)

// TLSMode is the client's policy, proto.md "TLS versions and modes". The zero
// value is the safe one.
type TLSMode int

const (
	// TLSRequire sends STARTTLS before anything else and ends the connection
	// unless a verified TLS session comes of it.
	TLSRequire TLSMode = iota
	// TLSPrefer sends STARTTLS and goes on in plain text where the server
	// refuses it. Whoever sits on the path can make it refuse, so this
	// protects against nobody who can change bytes: opportunistic, insecure.
	// A TLS session that was begun must still verify.
	TLSPrefer
	// TLSOff never sends STARTTLS.
	TLSOff
)

func (m TLSMode) String() string {
	switch m {
	case TLSRequire:
		return "require"
	case TLSPrefer:
		return "prefer"
	case TLSOff:
		return "off"
	}
	return fmt.Sprintf("TLSMode(%d)", int(m))
}

// ParseTLSMode reads "require", "prefer" or "off".
func ParseTLSMode(s string) (TLSMode, error) {
	for m := TLSRequire; m <= TLSOff; m++ {
		if s == m.String() {
			return m, nil
		}
	}
	return 0, fmt.Errorf("nbd: unknown TLS mode %q: use require, prefer or off", s)
}

// A Framing is how requests and replies are laid out.
type Framing int

const (
	// FramingExtended has lengths of 64 bits, NBD_OPT_EXTENDED_HEADERS.
	FramingExtended Framing = iota
	// FramingStructured has replies in chunks, NBD_OPT_STRUCTURED_REPLY.
	FramingStructured
	// FramingSimple is what every server speaks. It can't tell the status of
	// blocks nor where in a read an error is.
	FramingSimple
)

// Defaults of Config.
const (
	DefaultMaxInFlight      = 8 << 20 // bytes
	DefaultHandshakeTimeout = 20 * time.Second
)

// Config says how a client negotiates. The zero value requires TLS and so
// needs TLS to say whom to trust.
type Config struct {
	TLSMode TLSMode
	TLS     TLSConfig // unused with TLSOff

	// ReadOnly makes every write fail with ErrReadOnly before it is sent. It
	// is a promise of this client; a read-only export is what enforces it.
	ReadOnly bool

	// MaxInFlight bounds the bytes of reads and writes under way on the
	// connection, in bytes; 0 means DefaultMaxInFlight, and 256 KiB is the least. It bounds memory in
	// both directions, because a server sends only what was asked for.
	MaxInFlight int64

	// HandshakeTimeout bounds each step of the negotiation (the greeting with
	// TLS, and each option); 0 means DefaultHandshakeTimeout. It ends with the
	// negotiation and does not bound requests.
	HandshakeTimeout time.Duration

	// RequestTimeout bounds the time from handing a request to the connection,
	// which may have as much as MaxInFlight bytes to send before it, to the end
	// of its reply; 0 means no bound. A server that exceeds it has its connection
	// ended with ErrRequestTimeout: nothing that it says later can be of use.
	// A caller who only wants to stop waiting gives the call a context.
	RequestTimeout time.Duration

	// Framing is the best that is asked for; a server without it is asked for
	// the next, at the price of a round trip each.
	Framing Framing

	// MetaContexts are the metadata contexts to select when an export is
	// opened, such as "base:allocation"; BlockStatus needs one. A server
	// without them selects fewer, or none: see Disk.MetaContexts.
	MetaContexts []string

	// Legacy also speaks to servers of the time before NBD_OPT_GO: by
	// NBD_OPT_EXPORT_NAME, and by the oldstyle negotiation. It needs TLSOff.
	Legacy bool
}

// TLSConfig says whom to trust. At least one of RootCAs, SystemRoots, Pins and
// Insecure must be given.
type TLSConfig struct {
	// ServerName is the name that the certificate must carry; required with
	// RootCAs and SystemRoots. It is the name of the NBD server as its
	// certificate states it, never that of a bridge in between.
	ServerName string

	RootCAs     *x509.CertPool // the CAs to trust, and no others
	SystemRoots bool           // without RootCAs: trust the system's; a browser has none

	// Pins are SHA-256 digests of the server key (SubjectPublicKeyInfo of the
	// leaf certificate). With a CA both must pass; alone, a pin replaces
	// chain, name and validity period.
	Pins []Pin

	// Insecure accepts any certificate: encryption against listeners only.
	// It can't be combined with a CA or pins.
	Insecure bool

	// Certificates are the client's own, for servers that demand one. The
	// private key may be any crypto.Signer or crypto.MessageSigner.
	Certificates []tls.Certificate

	// KeyLog receives the session's secrets in NSS format, for a protocol
	// analyser; nil for none. Whoever reads it can read the session.
	KeyLog io.Writer
}

// A Pin is the SHA-256 digest of a certificate's SubjectPublicKeyInfo.
type Pin [sha256.Size]byte

// PinOf returns the pin of a certificate.
func PinOf(c *x509.Certificate) Pin { return sha256.Sum256(c.RawSubjectPublicKeyInfo) }

func (p Pin) String() string { return "sha256/" + base64.StdEncoding.EncodeToString(p[:]) }

// ParsePin reads "sha256/" with base64, as String writes it, or 64 hex digits
// with or without colons.
func ParsePin(s string) (p Pin, err error) {
	text, isBase64 := strings.CutPrefix(s, "sha256/")
	decode := hex.DecodeString
	if isBase64 {
		decode = base64.StdEncoding.DecodeString
	} else {
		text = strings.ReplaceAll(text, ":", "")
	}
	b, err := decode(text)
	if err != nil || len(b) != len(p) {
		return p, fmt.Errorf("nbd: bad pin %q: want sha256/ and base64, or 64 hex digits", s)
	}
	return Pin(b), nil
}

func (c *Config) maxInFlight() int64 {
	if c.MaxInFlight > 0 {
		return max(c.MaxInFlight, 4*maxMinimumBlock)
	}
	return DefaultMaxInFlight
}

func (c *Config) handshakeTimeout() time.Duration {
	if c.HandshakeTimeout > 0 {
		return c.HandshakeTimeout
	}
	return DefaultHandshakeTimeout
}

// Validate reports a configuration that can't be meant, before anything is
// dialled. NewClient calls it too.
func (c *Config) Validate() error {
	if c.TLSMode < TLSRequire || c.TLSMode > TLSOff {
		return fmt.Errorf("nbd: unknown TLS mode %d", c.TLSMode)
	}
	if c.Framing < FramingExtended || c.Framing > FramingSimple {
		return fmt.Errorf("nbd: unknown framing %d", c.Framing)
	}
	if err := checkQueries(c.MetaContexts); err != nil {
		return err
	}
	if c.TLSMode == TLSOff {
		return nil
	}
	if c.Legacy {
		return errors.New("nbd: legacy servers know no TLS: legacy needs TLS off")
	}
	return c.TLS.validate()
}

func (t *TLSConfig) validate() error {
	ca := t.RootCAs != nil || t.SystemRoots
	switch {
	case t.Insecure && (ca || len(t.Pins) > 0):
		return errors.New("nbd: insecure can't be combined with a CA or pins: drop one of them")
	case !ca && len(t.Pins) == 0 && !t.Insecure:
		return ErrNoTrust
	case ca && t.ServerName == "":
		return fmt.Errorf("%w: a CA was given without the server name that its certificate must carry", ErrNoTrust)
	}
	return nil
}
