package main

import (
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall/js"
	"unicode"

	"nbdbridge/nbd"
)

// An ArgumentError is an option or argument that can't be meant.
type ArgumentError struct{ Detail string }

func (e *ArgumentError) Error() string { return e.Detail }

func argumentErrorf(format string, args ...any) error {
	return &ArgumentError{Detail: fmt.Sprintf(format, args...)}
}

// A CloseError is a WebSocket that was closed by the other side, or that broke
// (closeBroken).
type CloseError struct {
	Code   int
	Reason string // the other side's words, at most 123 bytes

	renewed bool // another dial has another ticket
}

func (e *CloseError) Error() string {
	if e.Code == closeBroken {
		return "the connection to the bridge broke (close code 1006)"
	}
	text := fmt.Sprintf("the bridge closed the connection (close code %d)", e.Code)
	if e.Reason == "" {
		return text
	}
	return text + fmt.Sprintf(": %q", strings.Map(printable, e.Reason))
}

// Final tells nbd.Redial what another dial can't mend: the bridge has judged
// this client, and would judge the next one alike. All else may pass, a bridge
// that restarts or that ends a session for its age.
func (e *CloseError) Final() bool {
	switch e.Code {
	case closeUnauthorised:
		return !e.renewed
	case closeForbiddenOrigin, closeUnknownTarget, closeEnded:
		return true
	}
	return false
}

func printable(r rune) rune {
	if unicode.IsPrint(r) {
		return r
	}
	return unicode.ReplacementChar
}

// A TunnelError is a bridge that sent what no bridge may send.
type TunnelError struct{ Detail string }

func (e *TunnelError) Error() string { return e.Detail }

// nowhere is the offset of a call that is about no byte.
const nowhere = -1

// A callError says which call failed.
type callError struct {
	doing  string // and where
	opened bool   // after the negotiation
	offset int64  // the first byte of the call, or nowhere
	err    error
}

func (e *callError) Error() string { return e.doing + ": " + e.err.Error() }

func (e *callError) Unwrap() error { return e.err }

// A failure is an error as JavaScript gets it.
type failure struct {
	code    Code
	message string
	stage   Stage
	cause   string // the error without the call and the advice around it
	details map[string]any
}

func (f failure) value() js.Value {
	v := map[string]any{"code": string(f.code), "message": f.message, "stage": string(f.stage), "details": f.details}
	if f.cause != "" {
		v["cause"] = map[string]any{"name": "Error", "message": f.cause}
	}
	return js.ValueOf(v)
}

func describe(err error) failure {
	code := codeOf(err)
	message := err.Error()
	if next := advice[code]; next != "" {
		message = strings.TrimSuffix(message, ".") + ". " + next
	}
	f := failure{code: code, message: message, stage: stageOf(err, code), details: detailsOf(err)}
	if call := (*callError)(nil); errors.As(err, &call) {
		f.cause = call.err.Error()
	}
	return f
}

// codeOf judges by the cause that tells most: what ended the connection comes
// before what the end of the connection did to the caller.
func codeOf(err error) Code {
	for _, judge := range []func(error) Code{ofConnection, ofTLS, ofNegotiation, ofRequest} {
		if code := judge(err); code != "" {
			return code
		}
	}
	return CodeInternal
}

func ofConnection(err error) Code {
	var (
		argument *ArgumentError
		ticket   *TicketError
		changed  *nbd.IdentityError
		dialled  *DialError
		closed   *CloseError
		tunnel   *TunnelError
	)
	switch {
	case errors.Is(err, nbd.ErrUnflushed): // whatever the cause, this and the next are what must be acted on
		return CodeUnflushed
	case errors.Is(err, nbd.ErrUnknownOutcome):
		return CodeUnknownOutcome
	case errors.As(err, &changed):
		return CodeIdentity
	case errors.As(err, &ticket):
		return CodeUnauthorised
	case errors.As(err, &argument), errors.Is(err, nbd.ErrNoTrust):
		return CodeInvalidArgument
	case errors.As(err, &dialled):
		return CodeBridgeUnreachable
	case errors.As(err, &tunnel):
		return CodeProtocol
	case errors.As(err, &closed) && codeOfClose[closed.Code] != "" && !lacksCertificate(err, closed):
		return codeOfClose[closed.Code]
	case errors.Is(err, nbd.ErrHandshakeTimeout), errors.Is(err, nbd.ErrRequestTimeout):
		return CodeTimeout
	}
	return ""
}

// lacksCertificate tells a handshake that broke where the server had asked for
// a client certificate and got none. WebKitGTK does not know close code 1014,
// by which a bridge tells that the server hung up, and reports a cut.
func lacksCertificate(err error, closed *CloseError) bool {
	var handshake *nbd.TLSError
	return closed.Code == closeBroken && errors.As(err, &handshake) && handshake.CertificateRequested && !handshake.CertificateSent
}

func ofTLS(err error) Code {
	var (
		handshake *nbd.TLSError
		pin       *nbd.PinError
		name      x509.HostnameError
		invalid   x509.CertificateInvalidError
		authority x509.UnknownAuthorityError
		critical  x509.UnhandledCriticalExtension
	)
	switch {
	case errors.Is(err, nbd.ErrTLSRefused):
		return CodeTLSNotOffered
	case errors.Is(err, nbd.ErrDowngrade):
		return CodeTLSDowngrade
	case errors.As(err, &pin):
		return CodeTLSPin
	case errors.As(err, &name):
		return CodeTLSServerName
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return CodeTLSExpired
	case errors.As(err, &invalid), errors.As(err, &authority), errors.As(err, &critical):
		return CodeTLSUntrusted
	case errors.As(err, &handshake) && handshake.CertificateRequested:
		return CodeTLSClientCertificate
	case errors.As(err, &handshake):
		return CodeTLSFailed
	}
	return ""
}

func ofNegotiation(err error) Code {
	var (
		refused *nbd.OptionError
		broken  *nbd.ProtocolError
	)
	switch {
	case errors.As(err, &broken):
		return CodeProtocol
	case !errors.As(err, &refused):
		return ""
	case refused.Reply == nbd.RepErrTLSReqd:
		return CodeTLSRequired
	case refused.Reply == nbd.RepErrUnknown:
		return CodeUnknownExport
	case refused.Reply == nbd.RepErrShutdown:
		return CodeESHUTDOWN
	}
	return CodeOptionRefused
}

func ofRequest(err error) Code {
	var (
		errno  nbd.Errno
		closed *CloseError
	)
	switch {
	case errors.Is(err, nbd.ErrReadOnly):
		return CodeReadOnly
	case errors.Is(err, nbd.ErrOutOfRange):
		return CodeOutOfRange
	case errors.As(err, &errno):
		return codeOfErrno(errno)
	case errors.As(err, &closed), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return CodeDisconnected
	case errors.Is(err, net.ErrClosed):
		return CodeClosed
	}
	return ""
}

func codeOfErrno(e nbd.Errno) Code {
	switch code := Code(e.Name()); code {
	case CodeEPERM, CodeEIO, CodeENOMEM, CodeENOSPC, CodeEOVERFLOW, CodeENOTSUP, CodeESHUTDOWN:
		return code
	}
	return CodeEINVAL
}

// detailsOf gives the facts of an error that a program may want.
func detailsOf(err error) map[string]any {
	details := map[string]any{}
	if call := (*callError)(nil); errors.As(err, &call) && call.offset != nowhere {
		details["offset"] = call.offset
	}
	if closed := (*CloseError)(nil); errors.As(err, &closed) {
		details["closeCode"], details["closeReason"] = closed.Code, closed.Reason
	}
	if failed := (*nbd.OpError)(nil); errors.As(err, &failed) && failed.Length > 0 {
		details["offset"], details["length"] = failed.Offset, failed.Length
	}
	if lost := (*nbd.UnflushedError)(nil); errors.As(err, &lost) {
		details["offset"], details["length"] = lost.Offset, lost.Length
	}
	if refused := (*nbd.OptionError)(nil); errors.As(err, &refused) {
		details["export"], details["serverMessage"] = refused.Export, refused.Message
	}
	if handshake := (*nbd.TLSError)(nil); errors.As(err, &handshake) {
		details["serverName"] = handshake.ServerName
	}
	if pin := (*nbd.PinError)(nil); errors.As(err, &pin) {
		details["pin"] = pin.Got.String()
	}
	return details
}
