package main

import (
	"crypto/tls"
	"fmt"
	"io"
	"strings"
	"time"

	"nbdbridge/nbd"
)

// A tlsReport holds the facts of a TLS session that a person checks.
type tlsReport struct {
	Version     string    `json:"version"`
	CipherSuite string    `json:"cipherSuite"`
	ServerName  string    `json:"serverName"` // that was asked for; empty if none was
	VerifiedBy  string    `json:"verifiedBy"` // "ca", "pin", "ca+pin" or "nothing"
	Subject     string    `json:"subject"`
	Issuer      string    `json:"issuer"`
	DNSNames    []string  `json:"dnsNames"`
	NotBefore   time.Time `json:"notBefore"`
	NotAfter    time.Time `json:"notAfter"`
	Pin         string    `json:"pin"` // SHA-256 of the server's key
}

func newTLSReport(state *tls.ConnectionState, cfg *nbd.TLSConfig) *tlsReport {
	leaf := state.PeerCertificates[0]
	return &tlsReport{
		Version:     tls.VersionName(state.Version),
		CipherSuite: tls.CipherSuiteName(state.CipherSuite),
		ServerName:  cfg.ServerName,
		VerifiedBy:  verifiedBy(cfg),
		Subject:     leaf.Subject.String(), Issuer: leaf.Issuer.String(),
		DNSNames:  append([]string{}, leaf.DNSNames...),
		NotBefore: leaf.NotBefore, NotAfter: leaf.NotAfter,
		Pin: nbd.PinOf(leaf).String(),
	}
}

func verifiedBy(cfg *nbd.TLSConfig) string {
	ca, pin := cfg.RootCAs != nil || cfg.SystemRoots, len(cfg.Pins) > 0
	switch {
	case ca && pin:
		return "ca+pin"
	case ca:
		return "ca"
	case pin:
		return "pin"
	}
	return "nothing"
}

func (t *tlsReport) verification() string {
	switch t.VerifiedBy {
	case "ca":
		return fmt.Sprintf("verified as %q", t.ServerName)
	case "pin":
		return "verified by its pin"
	case "ca+pin":
		return fmt.Sprintf("verified as %q and by its pin", t.ServerName)
	}
	return "NOT VERIFIED: any certificate is accepted, so this may be anybody"
}

func (t *tlsReport) print(w io.Writer) {
	fmt.Fprintf(w, "encryption: %s, %s, %s\n", t.Version, t.CipherSuite, t.verification())
	fmt.Fprintf(w, "\tsubject: %s\n\tissuer: %s\n", t.Subject, t.Issuer)
	fmt.Fprintf(w, "\tnames: %s\n", strings.Join(t.DNSNames, ", "))
	fmt.Fprintf(w, "\tvalid: %s to %s\n", t.NotBefore.Format(time.DateOnly), t.NotAfter.Format(time.DateOnly))
	fmt.Fprintf(w, "\tpin: %s\n", t.Pin)
}
