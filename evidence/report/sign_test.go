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
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// need skips a test whose foreign program is missing, and fails it in CI.
func need(t *testing.T, program, from string) {
	t.Helper()
	if _, err := exec.LookPath(program); err == nil {
		return
	}
	text := program + " is missing: apt-get install " + from
	if os.Getenv("CI") != "" {
		t.Fatal(text)
	}
	t.Skip(text)
}

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

// TestOpenSSL has openssl make the key, and verify the log.
func TestOpenSSL(t *testing.T) {
	need(t, "openssl", "openssl")
	folder := t.TempDir()
	openssl := func(args ...string) (string, error) {
		cmd := exec.Command("openssl", args...)
		cmd.Dir = folder
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	if out, err := openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", "key.pem"); err != nil {
		t.Fatal(out)
	}
	text, err := os.ReadFile(filepath.Join(folder, "key.pem"))
	must(t, err)
	block, _ := pem.Decode(text)
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	must(t, err)
	l := full()
	l.Signer, err = NewSigner(key.(*ecdsa.PrivateKey).Public())
	must(t, err)
	encoded, err := l.Encode()
	must(t, err)
	signature, err := Sign(key.(*ecdsa.PrivateKey), encoded)
	must(t, err)
	for name, content := range map[string][]byte{"log.json": encoded, "log.sig": signature, "pub.pem": []byte(l.Signer.PublicKey), "lie.json": bytes.Replace(encoded, []byte(`"readOnly": true`), []byte(`"readOnly": false`), 1)} {
		must(t, os.WriteFile(filepath.Join(folder, name), content, 0o600))
	}
	if out, err := openssl("dgst", "-sha256", "-verify", "pub.pem", "-signature", "log.sig", "log.json"); err != nil || out != "Verified OK\n" {
		t.Errorf("%s, %v", out, err)
	}
	if out, err := openssl("dgst", "-sha256", "-verify", "pub.pem", "-signature", "log.sig", "lie.json"); err == nil {
		t.Errorf("a log that was changed: %s", out)
	}
}
