package nbd

import (
	"crypto/tls"
	"errors"
	"fmt"
)

// Validate reports a configuration that can't be meant: a TLS mode without a
// certificate, an export that is TLSOnly where that means nothing, a list of
// clients that nobody would be held to, or exports that the protocol can't
// carry. Serve and ServeConn call it too.
func (s *Server) Validate() error {
	if _, known := serverTLSModeNames[s.mode()]; !known {
		return fmt.Errorf("nbd: unknown TLS mode %v", s.TLSMode)
	}
	if s.MaxConnections < 0 {
		return fmt.Errorf("nbd: %d connections at most: 0 means %d", s.MaxConnections, DefaultMaxConnections)
	}
	if err := s.validateTLS(); err != nil {
		return err
	}
	return s.validateExports()
}

func (s *Server) validateTLS() error {
	switch t := s.TLS; {
	case s.mode() != NoTLS && t == nil:
		return fmt.Errorf("nbd: TLS mode %v needs a certificate: set TLS", s.mode())
	case s.mode() != NoTLS && len(t.Certificates) == 0 && t.GetCertificate == nil && t.GetConfigForClient == nil:
		return fmt.Errorf("nbd: TLS mode %v needs a certificate: TLS has none", s.mode())
	case s.AllowClients == nil:
		return nil
	case s.mode() != ForcedTLS && s.mode() != SelectiveTLS:
		return fmt.Errorf("nbd: with TLS mode %v a list of clients keeps nobody out", s.mode())
	case t.ClientCAs == nil:
		return errors.New("nbd: a list of clients needs TLS.ClientCAs to verify their certificates")
	}
	return validateClients(s.AllowClients)
}

func (s *Server) validateExports() error {
	seen := map[string]bool{}
	for i := range s.Exports {
		e := &s.Exports[i]
		if seen[e.Name] {
			return fmt.Errorf("nbd: two exports are named %q", e.Name)
		}
		seen[e.Name] = true
		if e.TLSOnly && s.mode() != SelectiveTLS {
			return fmt.Errorf("nbd: export %q is TLSOnly, which has a meaning in %v alone, not in %v", e.Name, SelectiveTLS, s.mode())
		}
		if err := e.validate(); err != nil {
			return err
		}
	}
	return nil
}

func (e *Export) validate() error {
	if err := checkName(e.Name); err != nil {
		return err
	}
	if err := checkString("description", e.Description); err != nil {
		return err
	}
	if e.Device == nil || e.Device.Size() < 0 {
		return fmt.Errorf("nbd: export %q has no device, or one of a negative size", e.Name)
	}
	b := e.blockSize()
	if !b.valid() || b.MaximumPayload > serverMaxPayload {
		return fmt.Errorf("nbd: export %q: block sizes %d, %d, %d: want a power of two up to %d, a power of two of at least that and %d, and from there to %d",
			e.Name, b.Minimum, b.Preferred, b.MaximumPayload, maxMinimumBlock, minPreferredBlock, serverMaxPayload)
	}
	return nil
}

// blockSize is the export's block sizes with the defaults filled in.
func (e *Export) blockSize() BlockSize {
	b := e.BlockSize
	if b.Minimum == 0 {
		b.Minimum = 1
	}
	if b.Preferred == 0 {
		b.Preferred = max(defaultPreferred, b.Minimum)
	}
	if b.MaximumPayload == 0 {
		b.MaximumPayload = serverMaxPayload
	}
	return b
}

// tlsConfig tightens what the caller gave.
func (s *Server) tlsConfig() *tls.Config { return s.tighten(s.TLS) }

func (s *Server) tighten(given *tls.Config) *tls.Config {
	cfg := given.Clone()
	cfg.MinVersion = max(cfg.MinVersion, tls.VersionTLS12)
	cfg.SessionTicketsDisabled = true // a resumed session would skip the look at the client's certificate
	cfg.DynamicRecordSizingDisabled = true
	if s.AllowClients != nil {
		cfg.ClientAuth, cfg.ClientCAs = tls.RequireAndVerifyClientCert, s.TLS.ClientCAs
		cfg.VerifyConnection = s.admit(given.VerifyConnection)
	}
	if choose := given.GetConfigForClient; choose != nil {
		cfg.GetConfigForClient = func(h *tls.ClientHelloInfo) (*tls.Config, error) {
			chosen, err := choose(h)
			if chosen == nil || err != nil {
				return nil, err
			}
			return s.tighten(chosen), nil
		}
	}
	return cfg
}
