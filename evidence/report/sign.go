//go:build !js

// Browsers sign by WebCrypto: elliptic curves would be a sixth of what WebAssembly
// links for an acquisition.

package report

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/pem"
	"errors"
)

// spkiP256 is what stands before the point in the SubjectPublicKeyInfo of an
// ECDSA key on P-256 (RFC 5480).
const spkiP256 = "\x30\x59\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07\x03\x42\x00"

var errKey = errors.New("logs are signed with ECDSA keys on P-256, such as `openssl ecparam -name prime256v1 -genkey` makes")

func isP256(key crypto.PublicKey) (*ecdsa.PublicKey, error) {
	public, ok := key.(*ecdsa.PublicKey)
	if !ok || public.Curve != elliptic.P256() {
		return nil, errKey
	}
	return public, nil
}

// NewSigner says whose signature will go with a log: that of an ECDSA key on
// P-256. Log.Signer must be set before the log is encoded and signed.
func NewSigner(key crypto.PublicKey) (*Signer, error) {
	public, err := isP256(key)
	if err != nil {
		return nil, err
	}
	point, err := public.Bytes()
	if err != nil {
		return nil, err
	}
	block := &pem.Block{Type: "PUBLIC KEY", Bytes: append([]byte(spkiP256), point...)}
	return &Signer{Algorithm: "ECDSA P-256, SHA-256", PublicKey: string(pem.EncodeToMemory(block))}, nil
}

// Sign signs an encoded log with an ECDSA key on P-256: SHA-256, ASN.1 DER, what
// `openssl dgst -sha256 -verify pub.pem -signature FILE` takes.
func Sign(key crypto.Signer, encoded []byte) ([]byte, error) {
	if _, err := isP256(key.Public()); err != nil {
		return nil, err
	}
	digest := sha256.Sum256(encoded)
	return key.Sign(rand.Reader, digest[:], crypto.SHA256)
}
