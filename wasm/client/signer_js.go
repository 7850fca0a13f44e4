package main

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"syscall/js"

	"nbdbridge/nbd"
)

// A webKey is a private key that the browser keeps, a CryptoKey: it signs, and
// tells nobody how, not even us. It is a crypto.MessageSigner.
type webKey struct {
	key, algorithm js.Value
	public         crypto.PublicKey // of the certificate
	failed         error            // why it did not sign; crypto/tls keeps the text alone
}

// webCertificate pairs certificates in PEM form, the client's own first, with
// the CryptoKey of that one.
func webCertificate(chain []byte, key js.Value) (tls.Certificate, error) {
	var c tls.Certificate
	for block, rest := pem.Decode(chain); block != nil; block, rest = pem.Decode(rest) {
		if block.Type == "CERTIFICATE" {
			c.Certificate = append(c.Certificate, block.Bytes)
		}
	}
	if len(c.Certificate) == 0 {
		return c, errors.New("there is no certificate in PEM form (-----BEGIN CERTIFICATE-----)")
	}
	leaf, err := x509.ParseCertificate(c.Certificate[0])
	if err != nil {
		return c, err
	}
	k := &webKey{key: key, public: leaf.PublicKey}
	scheme, err := k.choose()
	c.PrivateKey, c.SupportedSignatureAlgorithms = k, []tls.SignatureScheme{scheme}
	return c, err
}

// choose finds the one way in which the key can sign for its certificate.
func (k *webKey) choose() (tls.SignatureScheme, error) {
	if !isSigningKey(k.key) {
		return 0, errors.New("the key is neither PEM nor a CryptoKey of type \"private\" with the usage \"sign\"")
	}
	of := k.key.Get("algorithm")
	name := of.Get("name").String()
	switch public := k.public.(type) {
	case *ecdsa.PublicKey:
		if name == "ECDSA" && of.Get("namedCurve").String() == "P-256" && public.Curve == elliptic.P256() {
			k.algorithm = js.ValueOf(map[string]any{"name": name, "hash": "SHA-256"})
			return tls.ECDSAWithP256AndSHA256, nil
		}
	case ed25519.PublicKey:
		if name == "Ed25519" {
			k.algorithm = js.ValueOf(name)
			return tls.Ed25519, nil
		}
	}
	return 0, fmt.Errorf("a CryptoKey of %s for a certificate with a key of %T: both must be ECDSA on P-256, or both Ed25519", name, k.public)
}

func isSigningKey(key js.Value) bool {
	class := js.Global().Get("CryptoKey")
	return class.Truthy() && key.InstanceOf(class) && key.Get("type").String() == "private" &&
		key.Get("usages").Call("includes", "sign").Bool()
}

// Public is the key of the certificate.
func (k *webKey) Public() crypto.PublicKey { return k.public }

// Sign refuses: the browser hashes by itself.
func (k *webKey) Sign(io.Reader, []byte, crypto.SignerOpts) ([]byte, error) {
	return nil, errors.New("a CryptoKey signs messages, not digests")
}

// SignMessage has the browser sign, and checks that the certificate verifies it.
func (k *webKey) SignMessage(_ io.Reader, message []byte, _ crypto.SignerOpts) (signature []byte, _ error) {
	signature, k.failed = k.sign(message)
	return signature, k.failed
}

// signing returns why the client's key did not sign, if that is why err came.
func signing(cfg *nbd.TLSConfig, err error) error {
	for _, c := range cfg.Certificates {
		if k, is := c.PrivateKey.(*webKey); is && err != nil && k.failed != nil {
			return k.failed
		}
	}
	return err
}

// unsigned forgets what signing tells, for another connection.
func unsigned(cfg *nbd.TLSConfig) {
	for _, c := range cfg.Certificates {
		if k, is := c.PrivateKey.(*webKey); is {
			k.failed = nil
		}
	}
}

func (k *webKey) sign(message []byte) ([]byte, error) {
	data := uint8Array.New(len(message))
	js.CopyBytesToJS(data, message)
	answer, err := awaited(func() js.Value {
		return js.Global().Get("crypto").Get("subtle").Call("sign", k.algorithm, k.key, data)
	})
	if err != nil {
		return nil, argumentErrorf("option tls.key: the browser could not sign with it: %v", err)
	}
	raw := make([]byte, answer.Get("byteLength").Int())
	js.CopyBytesToGo(raw, uint8Array.New(answer))
	signature, ok := k.signature(message, raw)
	if !ok {
		return nil, argumentErrorf("option tls.key is not the key of the certificate tls.cert")
	}
	return signature, nil
}

// signature turns what WebCrypto signs with into what TLS wants.
func (k *webKey) signature(message, raw []byte) (signature []byte, ok bool) {
	if public, is := k.public.(ed25519.PublicKey); is {
		return raw, ed25519.Verify(public, message, raw)
	}
	half := len(raw) / 2
	der, err := asn1.Marshal(struct{ R, S *big.Int }{new(big.Int).SetBytes(raw[:half]), new(big.Int).SetBytes(raw[half:])})
	digest := sha256.Sum256(message)
	return der, err == nil && ecdsa.VerifyASN1(k.public.(*ecdsa.PublicKey), digest[:], der)
}
