package main

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"strings"
	"time"

	"nbdbridge/nbd"
)

// facts is what JavaScript gets to know of an export.
func facts(info *nbd.ExportInfo, readOnly bool, state *tls.ConnectionState, cfg *nbd.Config) map[string]any {
	return map[string]any{
		"size":        info.Size,
		"readOnly":    readOnly,
		"exportName":  info.Name,
		"description": info.Description,
		"blockSize": map[string]any{
			"minimum":        info.BlockSize.Minimum,
			"preferred":      info.BlockSize.Preferred,
			"maximumPayload": info.BlockSize.MaximumPayload,
		},
		"features": features(info.Flags),
		"tls":      tlsFacts(state, &cfg.TLS),
	}
}

func features(f nbd.TransmissionFlags) map[string]any {
	return map[string]any{
		"writable":            f&nbd.FlagReadOnly == 0,
		"flush":               f&nbd.FlagSendFlush != 0,
		"fua":                 f&nbd.FlagSendFUA != 0,
		"trim":                f&nbd.FlagSendTrim != 0,
		"zero":                f&nbd.FlagSendWriteZeroes != 0,
		"cache":               f&nbd.FlagSendCache != 0,
		"multipleConnections": f&nbd.FlagCanMultiConn != 0,
	}
}

// tlsFacts is nil without TLS. It says how far the peer was verified, so that
// a page can show it.
func tlsFacts(state *tls.ConnectionState, cfg *nbd.TLSConfig) any {
	if state == nil {
		return nil
	}
	return map[string]any{
		"version":     tls.VersionName(state.Version),
		"cipherSuite": tls.CipherSuiteName(state.CipherSuite),
		"serverName":  cfg.ServerName,
		"verifiedBy":  verifiedBy(cfg),
		"insecure":    cfg.Insecure,
		"peer":        peerFacts(state.PeerCertificates[0]),
	}
}

func verifiedBy(cfg *nbd.TLSConfig) string {
	switch {
	case cfg.RootCAs != nil && len(cfg.Pins) > 0:
		return "ca+pin"
	case cfg.RootCAs != nil:
		return "ca"
	case len(cfg.Pins) > 0:
		return "pin"
	}
	return "nothing"
}

func peerFacts(c *x509.Certificate) map[string]any {
	names := make([]any, len(c.DNSNames))
	for i, name := range c.DNSNames {
		names[i] = name
	}
	return map[string]any{
		"subject":     c.Subject.String(),
		"issuer":      c.Issuer.String(),
		"notBefore":   c.NotBefore.UTC().Format(time.RFC3339),
		"notAfter":    c.NotAfter.UTC().Format(time.RFC3339),
		"dnsNames":    names,
		"pin":         nbd.PinOf(c).String(),
		"fingerprint": fingerprint(c),
	}
}

// fingerprint is the SHA-256 of the whole certificate as other tools print it, "AB:CD:…".
func fingerprint(c *x509.Certificate) string {
	sum := sha256.Sum256(c.Raw)
	return strings.ReplaceAll(strings.ToUpper(fmt.Sprintf("% x", sum)), " ", ":")
}
