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
	ServerName  string    `json:"serverName"`
	Subject     string    `json:"subject"`
	Issuer      string    `json:"issuer"`
	DNSNames    []string  `json:"dnsNames"`
	NotBefore   time.Time `json:"notBefore"`
	NotAfter    time.Time `json:"notAfter"`
	Pin         string    `json:"pin"` // SHA-256 of the server's key
}

func newTLSReport(state *tls.ConnectionState) *tlsReport {
	if state == nil {
		return nil
	}
	leaf := state.PeerCertificates[0]
	return &tlsReport{
		Version:     tls.VersionName(state.Version),
		CipherSuite: tls.CipherSuiteName(state.CipherSuite),
		ServerName:  state.ServerName,
		Subject:     leaf.Subject.String(), Issuer: leaf.Issuer.String(),
		DNSNames:  append([]string{}, leaf.DNSNames...),
		NotBefore: leaf.NotBefore, NotAfter: leaf.NotAfter,
		Pin: nbd.PinOf(leaf).String(),
	}
}

func (t *tlsReport) print(w io.Writer) {
	fmt.Fprintf(w, "encryption: %s, %s, verified as %q\n", t.Version, t.CipherSuite, t.ServerName)
	fmt.Fprintf(w, "\tsubject: %s\n\tissuer: %s\n", t.Subject, t.Issuer)
	fmt.Fprintf(w, "\tnames: %s\n", strings.Join(t.DNSNames, ", "))
	fmt.Fprintf(w, "\tvalid: %s to %s\n", t.NotBefore.Format(time.DateOnly), t.NotAfter.Format(time.DateOnly))
	fmt.Fprintf(w, "\tpin: %s\n", t.Pin)
}
