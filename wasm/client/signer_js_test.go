package main

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"syscall/js"
	"testing"
)

const (
	ecdsaP256 = `{name: "ECDSA", namedCurve: "P-256"}`
	ed25519ID = `"Ed25519"`
)

// keyOf makes a key that can't be extracted, and a certificate for it.
func (a *authority) keyOf(t *testing.T, algorithm string) (cert string, private js.Value) {
	t.Helper()
	subtle := js.Global().Get("crypto").Get("subtle")
	pair, rejected := await(subtle.Call("generateKey", eval(algorithm), false, eval(`["sign", "verify"]`)))
	if rejected {
		t.Fatal(pair)
	}
	spki, _ := await(subtle.Call("exportKey", "spki", pair.Get("publicKey")))
	der := make([]byte, spki.Get("byteLength").Int())
	js.CopyBytesToGo(der, uint8Array.New(spki))
	public, err := x509.ParsePKIXPublicKey(der)
	if err != nil {
		t.Fatal(err)
	}
	if der, err = x509.CreateCertificate(rand.Reader, template("web"), a.cert, public, a.key); err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})), pair.Get("privateKey")
}

func newMutualLab(t *testing.T) *lab {
	t.Helper()
	l := newLab(t)
	l.server.TLS.ClientAuth, l.server.TLS.ClientCAs = tls.RequireAndVerifyClientCert, l.ca.pool()
	return l
}

func (l *lab) requestWith(cert string, key js.Value) js.Value {
	return l.request(func(_, s map[string]any) { s["cert"], s["key"] = cert, key })
}

func TestCryptoKeys(t *testing.T) {
	for name, algorithm := range map[string]string{"ECDSA": ecdsaP256, "Ed25519": ed25519ID} {
		for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
			t.Run(name+", "+tls.VersionName(version), func(t *testing.T) {
				l := newMutualLab(t)
				l.server.TLS.MaxVersion = version
				cert, key := l.ca.keyOf(t, algorithm)
				if key.Get("extractable").Bool() {
					t.Fatal("the key can be extracted")
				}
				fakeTunnel(t, l.server)
				api := newAPI(t)
				facts := mustCall(t, api, "open", l.requestWith(cert, key))
				if got := facts.Get("tls").Get("version").String(); got != tls.VersionName(version) {
					t.Errorf("the session is of %s", got)
				}
				mustCall(t, api, "close")
			})
		}
	}
}

func TestCryptoKeysRefused(t *testing.T) {
	l := newMutualLab(t)
	fakeTunnel(t, l.server)
	cert, key := l.ca.keyOf(t, ecdsaP256)
	other, edKey := l.ca.keyOf(t, ed25519ID)
	_, stranger := l.ca.keyOf(t, ecdsaP256)
	_, p384 := l.ca.keyOf(t, `{name: "ECDSA", namedCurve: "P-384"}`)
	for name, test := range map[string]struct {
		cert string
		key  js.Value
		says string
	}{
		"another key":       {cert, stranger, "not the key of the certificate"},
		"another algorithm": {cert, edKey, "both Ed25519"},
		"the other way":     {other, key, "both Ed25519"},
		"another curve":     {cert, p384, "P-256"},
		"no CryptoKey":      {cert, eval(`{type: "private", usages: ["sign"]}`), "CryptoKey"},
		"no certificate":    {"PEM", key, "BEGIN CERTIFICATE"},
		"nothing in it":     {"-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n", key, "tls.cert"},
	} {
		t.Run(name, func(t *testing.T) {
			message := wantCode(t, newAPI(t).Call("open", l.requestWith(test.cert, test.key)), CodeInvalidArgument)
			wantText(t, message, test.says)
		})
	}
}

// Every other r and s has its high bit set, which DER must not take for a sign.
func TestSignatureIsDER(t *testing.T) {
	a := newAuthority(t)
	c, key := a.keyOf(t, ecdsaP256)
	pair, err := webCertificate([]byte(c), key)
	if err != nil {
		t.Fatal(err)
	}
	k := pair.PrivateKey.(*webKey)
	funcs := liveFuncs.Load()
	for range 40 {
		message := make([]byte, 64)
		_, _ = rand.Read(message)
		if _, err := k.SignMessage(nil, message, nil); err != nil {
			t.Fatal(err)
		}
	}
	if n := liveFuncs.Load() - funcs; n != 0 {
		t.Errorf("%d callbacks are left", n)
	}
	if _, ok := k.signature(nil, nil); ok {
		t.Error("no signature passes")
	}
	if _, ok := k.signature(nil, bytes.Repeat([]byte{1}, 64)); ok {
		t.Error("any signature passes")
	}
	digest := sha256.Sum256(nil)
	if _, err := k.Sign(nil, digest[:], nil); err == nil {
		t.Error("a digest was signed")
	}
}
