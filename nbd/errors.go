package nbd

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Errno is an error of the transmission phase as it travels on the wire,
// proto.md "Error values". It is an error by itself.
type Errno uint32

// The error values of the specification. A peer's other values read as EINVAL.
const (
	EPERM     Errno = 1   // NBD_EPERM
	EIO       Errno = 5   // NBD_EIO
	ENOMEM    Errno = 12  // NBD_ENOMEM
	EINVAL    Errno = 22  // NBD_EINVAL
	ENOSPC    Errno = 28  // NBD_ENOSPC
	EOVERFLOW Errno = 75  // NBD_EOVERFLOW
	ENOTSUP   Errno = 95  // NBD_ENOTSUP
	ESHUTDOWN Errno = 108 // NBD_ESHUTDOWN
)

var errnoText = map[Errno][2]string{
	EPERM:     {"EPERM", "operation not permitted"},
	EIO:       {"EIO", "input/output error"},
	ENOMEM:    {"ENOMEM", "out of memory"},
	EINVAL:    {"EINVAL", "invalid argument"},
	ENOSPC:    {"ENOSPC", "no space left on the export"},
	EOVERFLOW: {"EOVERFLOW", "request too large"},
	ENOTSUP:   {"ENOTSUP", "operation not supported"},
	ESHUTDOWN: {"ESHUTDOWN", "server is shutting down"},
}

// Name returns the symbolic name, such as "EIO".
func (e Errno) Name() string {
	if t, ok := errnoText[e]; ok {
		return t[0]
	}
	return fmt.Sprintf("errno %d", uint32(e))
}

func (e Errno) Error() string {
	if t, ok := errnoText[e]; ok {
		return t[1] + " (" + t[0] + ")"
	}
	return e.Name()
}

// fromWire reads an error value; "the client SHOULD treat any other value as EINVAL".
func fromWire(v uint32) Errno {
	if _, ok := errnoText[Errno(v)]; ok {
		return Errno(v)
	}
	return EINVAL
}

// An OpError is a request that the server answered with an error, or one that
// it does not offer and that was not sent. It unwraps
// to the Errno, and the connection stays usable.
type OpError struct {
	Op      string // "read", "write", "flush", "trim", "cache", "write of zeroes", "block status"
	Offset  int64  // bytes
	Length  int64  // bytes
	Message string // what the server said, made printable; may be empty
	Errno   Errno
}

func (e *OpError) Error() string {
	text := fmt.Sprintf("nbd: %s of %d bytes at %d: %v", e.Op, e.Length, e.Offset, e.Errno)
	if e.Length == 0 {
		text = fmt.Sprintf("nbd: %s: %v", e.Op, e.Errno)
	}
	return withMessage(text, e.Message)
}

func (e *OpError) Unwrap() error { return e.Errno }

// An OptionError is an option that the server refused. The negotiation may go
// on with another option, unless the reply says that the server shuts down.
type OptionError struct {
	Option  Option
	Reply   ReplyType
	Export  string // the export asked for, with options that name one
	Message string // what the server said, made printable; may be empty
}

func (e *OptionError) Error() string {
	text := fmt.Sprintf("nbd: server refused %v: %v", e.Option, e.Reply)
	switch e.Option {
	case OptListMetaContext, OptSetMetaContext:
		text = fmt.Sprintf("nbd: server refused the metadata contexts of export %q: %v", e.Export, e.Reply)
	case OptInfo, OptGo:
		text = fmt.Sprintf("nbd: server refused export %q: %v", e.Export, e.Reply)
	}
	return withMessage(text, e.Message)
}

// A ProtocolError is a peer that broke the specification. The connection is
// closed: nothing after such a message can be trusted to be in step.
type ProtocolError struct {
	Detail string
}

func (e *ProtocolError) Error() string { return "nbd: protocol error: " + e.Detail }

func protocolErrorf(format string, args ...any) error {
	return &ProtocolError{Detail: fmt.Sprintf(format, args...)}
}

// Errors that a caller may want to tell apart with errors.Is. A closed client
// or disk answers with net.ErrClosed.
var (
	// ErrDowngrade says that TLS was required and that the connection did not
	// come to it in the one way that the specification allows. Either the
	// server offers no TLS, or somebody on the path keeps it away. The text
	// says which sign was seen; the connection is closed.
	ErrDowngrade = errors.New("nbd: TLS is required but was not reached")

	// ErrTLSRefused is the ErrDowngrade of a server that answers STARTTLS
	// with an error; the *OptionError beside it tells which.
	ErrTLSRefused = fmt.Errorf("%w: the server refused STARTTLS", ErrDowngrade)

	// ErrNoTrust is a configuration that requires TLS without saying whom to trust.
	ErrNoTrust = errors.New("nbd: TLS needs a CA with a server name, a pin, or an explicit insecure")

	// ErrReadOnly is a write to an export, or by a client, that is read-only. Nothing was sent.
	ErrReadOnly = errors.New("nbd: disk is read-only")

	// ErrOutOfRange is a request beyond the end of the export. Nothing was sent.
	ErrOutOfRange = errors.New("nbd: request outside the export")

	// ErrRequestTimeout is a request that the server left unanswered, or did
	// not read, for Config.RequestTimeout; the connection is closed.
	ErrRequestTimeout = errors.New("nbd: the server did not answer a request in time")

	// ErrNoMetaContext is a BlockStatus without a metadata context that the
	// server has selected. Nothing was sent.
	ErrNoMetaContext = errors.New("nbd: no metadata context")

	// ErrUnknownOutcome is a write, trim or write of zeroes that was sent and
	// whose answer never came, because the connection ended: it may have
	// happened or not.
	ErrUnknownOutcome = errors.New("nbd: the connection ended before the answer: the outcome is unknown")

	// ErrHandshakeTimeout is a server that did not answer in time during negotiation.
	ErrHandshakeTimeout = errors.New("nbd: the server did not answer in time")
)

// A TLSError is a TLS handshake, or a verification, that failed. The cause is
// one of the errors of crypto/tls and crypto/x509, or a *PinError.
type TLSError struct {
	ServerName string // the name that was asked for
	// CertificateRequested tells that the server asked for a client
	// certificate; CertificateSent, that one was given.
	CertificateRequested, CertificateSent bool
	Err                                   error
}

func (e *TLSError) Error() string { return "nbd: TLS: " + e.Err.Error() + e.hint() }

func (e *TLSError) Unwrap() error { return e.Err }

// hint tells what to do where the cause's own text leaves the reader alone.
func (e *TLSError) hint() string {
	switch {
	case e.CertificateRequested && !e.CertificateSent:
		return " (the server asked for a client certificate and none was configured)"
	case e.CertificateSent:
		return " (a client certificate was sent; the server may have refused it)"
	case strings.Contains(e.Err.Error(), "Common Name"):
		return " (issue the server's certificate with a subjectAltName, or pin it)"
	case strings.Contains(e.Err.Error(), "incompatible key usage"):
		return " (issue the server's certificate with the serverAuth usage, or pin it)"
	}
	return ""
}

// A PinError is a server certificate whose key is none of the pinned ones.
type PinError struct {
	Got Pin
}

func (e *PinError) Error() string {
	return "the server's key is not pinned; its pin is " + e.Got.String()
}

// withMessage appends a peer's own words, marked as such.
func withMessage(text, message string) string {
	if message == "" {
		return text
	}
	return fmt.Sprintf("%s; the server says: %q", text, message)
}

// printable makes a peer's text safe to show: valid UTF-8, no control
// characters, bounded length.
func printable(b []byte) string {
	s := strings.Map(func(r rune) rune {
		if r == utf8.RuneError || !unicode.IsPrint(r) {
			return '\uFFFD'
		}
		return r
	}, string(b[:min(len(b), maxErrorTextDisplayed)]))
	return strings.TrimSpace(s)
}
