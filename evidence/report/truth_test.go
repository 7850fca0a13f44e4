//go:build !js

package report

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/x509"
	"encoding/pem"
	"os"
	"os/exec"
	"path/filepath"
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
