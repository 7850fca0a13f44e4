package main

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"os"
)

// signer reads the examiner's key, if there is one.
func (c *acquireCommand) signer(log *slog.Logger) (crypto.Signer, error) {
	if c.SignKey == "" {
		return nil, nil
	}
	text, err := os.ReadFile(c.SignKey)
	if err != nil {
		return nil, fmt.Errorf("--sign-key: %w", err)
	}
	key, err := parseSignKey(text)
	if err != nil {
		return nil, fmt.Errorf("--sign-key: %s: %w", c.SignKey, err)
	}
	warnReadable(log, "--sign-key", c.SignKey)
	return key, nil
}

// parseSignKey finds the key among what openssl may have put around it.
func parseSignKey(text []byte) (crypto.Signer, error) {
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		switch {
		case block.Type == "ENCRYPTED PRIVATE KEY" || block.Headers["DEK-Info"] != "":
			return nil, errors.New("the key is encrypted: openssl pkey -in FILE -out PLAIN decrypts it")
		case block.Type == "EC PRIVATE KEY":
			key, err := x509.ParseECPrivateKey(block.Bytes)
			if err != nil {
				return nil, err
			}
			return onP256(key)
		case block.Type == "PRIVATE KEY":
			key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
			if err != nil {
				return nil, err
			}
			return onP256(key)
		}
	}
	return nil, errors.New("no private key in PEM is in it: openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 makes one")
}

func onP256(key any) (crypto.Signer, error) {
	ec, ok := key.(*ecdsa.PrivateKey)
	if !ok || ec.Curve != elliptic.P256() {
		return nil, errors.New("want an ECDSA key on P-256: openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 makes one")
	}
	return ec, nil
}
