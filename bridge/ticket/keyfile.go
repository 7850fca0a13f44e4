package ticket

import (
	"bytes"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"os"
	"unicode/utf8"
)

const (
	maxKeyBytes = 256 << 10 // of a file or an answer that holds keys
	maxKeys     = 64        // in one of them
)

// LoadKeys reads a file of at most 256 KiB and 64 keys, which is one of
//   - PEM blocks, public or private: SubjectPublicKeyInfo, PKCS #8, PKCS #1, SEC 1
//   - a JWK or a JWK set (RFC 7517)
//   - the raw bytes of a secret of at least 32 bytes for HS256; one newline at
//     its end does not count.
//
// What looks like one of the first two is never taken for a secret.
func LoadKeys(path string) (KeySet, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxKeyBytes+1))
	if err != nil {
		return nil, err
	}
	keys, err := ParseKeys(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return keys, nil
}

// ParseKeys reads what LoadKeys reads, from memory.
func ParseKeys(data []byte) (KeySet, error) {
	if len(data) > maxKeyBytes {
		return nil, fmt.Errorf("more than %d KiB: this is no file of keys", maxKeyBytes>>10)
	}
	keys, err := parseAny(data)
	if err == nil && len(keys) > maxKeys {
		err = fmt.Errorf("%d keys, and at most %d are tried: drop those that are no longer used", len(keys), maxKeys)
	}
	if err != nil {
		return nil, err
	}
	return keys, nil
}

func parseAny(data []byte) (KeySet, error) {
	switch {
	case bytes.Contains(data, pemBegin):
		return parsePEM(data)
	case isJSON(data):
		return parseJWKs(data, true)
	}
	k, err := newSecret(withoutNewline(data))
	return KeySet{k}, err
}

func withoutNewline(data []byte) []byte {
	if rest, ok := bytes.CutSuffix(data, []byte("\n")); ok {
		return bytes.TrimSuffix(rest, []byte("\r"))
	}
	return data
}

var pemBegin = []byte("-----BEGIN ")

func parsePEM(data []byte) (keys KeySet, err error) {
	for {
		block, rest := pem.Decode(data)
		if block == nil {
			break
		}
		data = rest
		if block.Type == "EC PARAMETERS" { // openssl ecparam puts them in front of the key
			continue
		}
		k, err := parseBlock(block)
		if err != nil {
			return nil, fmt.Errorf("PEM block %d: %w", len(keys)+1, err)
		}
		keys = append(keys, k)
	}
	if bytes.Contains(data, pemBegin) || len(keys) == 0 {
		return nil, errors.New("a PEM block that can't be decoded: was it cut, or pasted with other line ends?")
	}
	return keys, nil
}

func parseBlock(block *pem.Block) (Key, error) {
	parse, known := pemTypes[block.Type]
	if !known || block.Headers["Proc-Type"] != "" {
		return Key{}, errors.New("it is encrypted, or no key: want PUBLIC KEY, PRIVATE KEY, RSA PUBLIC KEY, RSA PRIVATE KEY or EC PRIVATE KEY")
	}
	key, err := parse(block.Bytes)
	if err != nil {
		return Key{}, errors.New("what it holds is no such key")
	}
	return NewKey(key)
}

var pemTypes = map[string]func([]byte) (any, error){
	"PUBLIC KEY":      x509.ParsePKIXPublicKey,
	"PRIVATE KEY":     x509.ParsePKCS8PrivateKey,
	"RSA PUBLIC KEY":  func(b []byte) (any, error) { return x509.ParsePKCS1PublicKey(b) },
	"RSA PRIVATE KEY": func(b []byte) (any, error) { return x509.ParsePKCS1PrivateKey(b) },
	"EC PRIVATE KEY":  func(b []byte) (any, error) { return x509.ParseECPrivateKey(b) },
}

var byteOrderMark = []byte("\xef\xbb\xbf")

// isJSON tells JSON from a secret that happens to begin like it: few random
// bytes are text.
func isJSON(data []byte) bool {
	start := bytes.TrimLeft(bytes.TrimPrefix(data, byteOrderMark), " \t\r\n")
	return len(start) > 0 && (start[0] == '{' || start[0] == '[') && utf8.Valid(data)
}

// isPublic tells what must not be taken for a secret: a key or certificate in
// PEM, in DER or in the base64 between the lines of a PEM, in JSON, or as
// OpenSSH writes it.
func isPublic(data []byte) bool {
	if bytes.Contains(data, pemBegin) || isJSON(data) || isDER(data) {
		return true
	}
	for _, start := range []string{"ssh-", "ecdsa-sha2-", "sk-ssh-", "sk-ecdsa-"} {
		if bytes.HasPrefix(data, []byte(start)) {
			return true
		}
	}
	der, err := base64.StdEncoding.DecodeString(string(bytes.Join(bytes.Fields(data), nil)))
	return err == nil && isDER(der)
}

func isDER(data []byte) bool {
	for _, parse := range pemTypes {
		if _, err := parse(data); err == nil {
			return true
		}
	}
	_, err := x509.ParseCertificate(data)
	return err == nil
}
