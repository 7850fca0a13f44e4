//go:build !js

package report

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"strings"
	"testing"
)

func newKey(t *testing.T, curve elliptic.Curve) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	must(t, err)
	return key
}

func TestSign(t *testing.T) {
	key := newKey(t, elliptic.P256())
	signature, err := Sign(key, []byte("a log"))
	must(t, err)
	for text, want := range map[string]bool{"a log": true, "a lie": false} {
		digest := sha256.Sum256([]byte(text))
		if got := ecdsa.VerifyASN1(&key.PublicKey, digest[:], signature); got != want {
			t.Errorf("the signature of %q is right: %v", text, got)
		}
	}
}

func TestSigner(t *testing.T) {
	key := newKey(t, elliptic.P256())
	signer, err := NewSigner(key.Public())
	must(t, err)
	der, err := x509.MarshalPKIXPublicKey(key.Public())
	must(t, err)
	if block, rest := pem.Decode([]byte(signer.PublicKey)); block == nil || len(rest) != 0 || block.Type != "PUBLIC KEY" || !bytes.Equal(block.Bytes, der) {
		t.Errorf("%s", signer.PublicKey)
	}
	digest := sha256.Sum256(der)
	if got := signer.fingerprint(); got != hex.EncodeToString(digest[:]) {
		t.Errorf("the fingerprint is %s", got)
	}
	if got := (&Signer{PublicKey: "none"}).fingerprint(); !strings.Contains(got, "no key") {
		t.Errorf("the fingerprint of no key is %s", got)
	}
}

func TestOtherKeys(t *testing.T) {
	_, edwards, err := ed25519.GenerateKey(rand.Reader)
	must(t, err)
	for name, key := range map[string]crypto.Signer{"P-384": newKey(t, elliptic.P384()), "Ed25519": edwards} {
		if _, err := Sign(key, nil); err == nil {
			t.Errorf("%s signs", name)
		}
		if _, err := NewSigner(key.Public()); err == nil {
			t.Errorf("%s is a signer", name)
		}
	}
}
