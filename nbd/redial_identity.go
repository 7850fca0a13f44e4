package nbd

import (
	"crypto/tls"
	"errors"
	"fmt"
	"slices"
)

// An IdentityError is a connection that was made again and that leads
// elsewhere, or to an export that has changed. Nothing was sent to it.
type IdentityError struct {
	Export  string
	What    string // "TLS", "server key", "size", "flags", "block sizes", "name", "framing" or "metadata contexts"
	Was, Is string
}

func (e *IdentityError) Error() string {
	return fmt.Sprintf("nbd: export %q is not what it was before the connection was lost: its %s was %s and is %s; open it anew",
		e.Export, e.What, e.Was, e.Is)
}

// sameAs compares what two connections of one disk must agree in, the
// security first.
func (d *Disk) sameAs(was *Disk, export string) error {
	for _, c := range []struct{ what, was, is string }{
		{"TLS", onOff(was.tls), onOff(d.tls)},
		{"server key", keyOf(was.tls), keyOf(d.tls)},
		{"name", was.info.Name, d.info.Name},
		{"size", fmt.Sprint(was.info.Size), fmt.Sprint(d.info.Size)},
		{"flags", fmt.Sprintf("%#x", was.info.Flags), fmt.Sprintf("%#x", d.info.Flags)},
		{"block sizes", fmt.Sprint(was.info.BlockSize), fmt.Sprint(d.info.BlockSize)},
		{"framing", fmt.Sprint(was.framing), fmt.Sprint(d.framing)},
	} {
		if c.was != c.is {
			return &IdentityError{Export: export, What: c.what, Was: c.was, Is: c.is}
		}
	}
	if a, b := was.MetaContexts(), d.MetaContexts(); !slices.Equal(a, b) {
		return &IdentityError{Export: export, What: "metadata contexts", Was: fmt.Sprintf("%q", a), Is: fmt.Sprintf("%q", b)}
	}
	return nil
}

func onOff(state *tls.ConnectionState) string {
	if state == nil {
		return "off"
	}
	return "on"
}

// keyOf is the pin of the server's key: the same server has the same key, by
// whatever means it is trusted.
func keyOf(state *tls.ConnectionState) string {
	if state == nil || len(state.PeerCertificates) == 0 {
		return "none"
	}
	return PinOf(state.PeerCertificates[0]).String()
}

// isFinal tells the failures of a connection attempt that another one can't
// mend, or must not try to: the trust, and what the server says itself. What
// any network may do is not final, a TLS handshake that is cut short included.
func isFinal(err error) bool {
	var (
		refused  *OptionError
		broken   *ProtocolError
		verify   *tls.CertificateVerificationError
		pin      *PinError
		identity *IdentityError
	)
	switch {
	case errors.Is(err, ErrDowngrade), errors.Is(err, ErrNoTrust), isLastWord(err):
		return true
	case errors.As(err, &refused):
		return refused.Reply != RepErrShutdown
	}
	return errors.As(err, &broken) || errors.As(err, &verify) || errors.As(err, &pin) || errors.As(err, &identity)
}

// isLastWord tells an error of the caller's connections that calls itself final.
func isLastWord(err error) bool {
	var word interface{ Final() bool }
	return errors.As(err, &word) && word.Final()
}
