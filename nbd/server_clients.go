package nbd

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
)

const pinPrefix = "sha256/"

func validateClients(allowed []string) error {
	for _, id := range allowed {
		if id == "" {
			return errors.New("nbd: the list of clients has an empty entry")
		}
		if !strings.HasPrefix(id, pinPrefix) {
			continue
		}
		if _, err := ParsePin(id); err != nil {
			return err
		}
	}
	return nil
}

// admit returns the check that makes a client that is not on the list a
// handshake that fails. The chain has been verified by then.
func (s *Server) admit(also func(tls.ConnectionState) error) func(tls.ConnectionState) error {
	return func(state tls.ConnectionState) error {
		if len(state.PeerCertificates) == 0 {
			return errors.New("nbd: the client sent no certificate")
		}
		leaf := state.PeerCertificates[0]
		if !slices.ContainsFunc(identities(leaf), func(id string) bool { return slices.Contains(s.AllowClients, id) }) {
			return fmt.Errorf("nbd: the client %.256q is not on the list", leaf.Subject.String())
		}
		if also != nil {
			return also(state)
		}
		return nil
	}
}

// identities are the texts by which a certificate may be on the list. A
// certificate with an alternative name that is made to read like a name of
// another kind, a subject or a pin above all, does not pass for it.
func identities(c *x509.Certificate) []string {
	ids := []string{subjectOf(c), PinOf(c).String()}
	for _, name := range c.DNSNames {
		if !strings.ContainsAny(name, "=/@:") && net.ParseIP(name) == nil {
			ids = append(ids, name)
		}
	}
	for _, address := range c.EmailAddresses {
		if strings.Contains(address, "@") && !strings.ContainsAny(address, "=/:") {
			ids = append(ids, address)
		}
	}
	for _, uri := range c.URIs {
		if uri.IsAbs() && net.ParseIP(uri.String()) == nil { // "fd00::1" is a URI too
			ids = append(ids, uri.String())
		}
	}
	for _, ip := range c.IPAddresses {
		ids = append(ids, ip.String())
	}
	return slices.DeleteFunc(ids, func(id string) bool { return id == "" })
}

// subjectOf is the subject as text, or nothing where the text would leave out
// a part of it: pkix.Name holds the last common name and serial number alone.
func subjectOf(c *x509.Certificate) string {
	seen := map[string]bool{}
	for _, attribute := range c.Subject.Names {
		oid := attribute.Type.String()
		if seen[oid] && (oid == "2.5.4.3" || oid == "2.5.4.5") {
			return ""
		}
		seen[oid] = true
	}
	return c.Subject.String()
}
