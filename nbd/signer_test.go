package nbd_test

import (
	"crypto"
	"crypto/sha256"
	"crypto/tls"
	"errors"
	"io"
	"testing"
)

// A messageSigner is a key that hashes by itself, as the browser's do: it
// can't sign a digest.
type messageSigner struct{ crypto.Signer }

func (messageSigner) Sign(io.Reader, []byte, crypto.SignerOpts) ([]byte, error) {
	return nil, errors.New("this key signs messages only")
}

func (s messageSigner) SignMessage(rand io.Reader, message []byte, opts crypto.SignerOpts) ([]byte, error) {
	digest := sha256.Sum256(message)
	return s.Signer.Sign(rand, digest[:], opts)
}

// A client certificate's key may be any signer, in both versions of TLS.
func TestClientCertificateSigners(t *testing.T) {
	pair := clientCert()
	signer := pair.PrivateKey.(crypto.Signer)
	for name, key := range map[string]crypto.Signer{"signer": struct{ crypto.Signer }{signer}, "message signer": messageSigner{signer}} {
		for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
			cfg := trusting()
			cfg.TLS.Certificates = []tls.Certificate{{Certificate: pair.Certificate, PrivateKey: key}}
			server := mutualTLS()
			server.MaxVersion = version
			if state, err := reach(t, server, cfg); err != nil || state.Version != version {
				t.Errorf("%s, %s: %v", name, tls.VersionName(version), err)
			}
		}
	}
}
