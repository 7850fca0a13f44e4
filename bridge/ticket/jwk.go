package ticket

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"slices"
)

// A jwk is a JSON Web Key (RFC 7517 section 4, RFC 7518 section 6, RFC 8037
// section 2).
type jwk struct {
	Type       string   `json:"kty"`
	ID         string   `json:"kid"`
	Algorithm  string   `json:"alg"`
	Use        string   `json:"use"`
	Operations []string `json:"key_ops"`

	Curve string  `json:"crv"`
	X     octets  `json:"x"`
	Y     octets  `json:"y"`
	N     octets  `json:"n"`
	E     octets  `json:"e"`
	P     octets  `json:"p"`
	Q     octets  `json:"q"`
	D     *octets `json:"d"`
	K     *octets `json:"k"`
}

// octets are bytes in base64url without padding (RFC 7515 section 2).
type octets []byte

func (o *octets) UnmarshalJSON(data []byte) error {
	var s string
	if err := json.Unmarshal(data, &s); err != nil {
		return errors.New("want text")
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(s)
	*o = b
	return err
}

// parseJWKs reads a JWK or a JWK set. In a set, keys for other things are
// passed over, as RFC 7517 section 5 asks, and so are those that were never to
// be published, unless secrets are allowed.
func parseJWKs(data []byte, secrets bool) (KeySet, error) {
	data = bytes.TrimPrefix(data, byteOrderMark)
	var set struct {
		Keys []json.RawMessage `json:"keys"`
		Type string            `json:"kty"`
	}
	if err := json.Unmarshal(data, &set); err != nil {
		return nil, errors.New("JSON, but no JWK and no JWK set")
	}
	if set.Keys == nil {
		k, err := parseJWK(data, secrets)
		return KeySet{k}, err
	}
	if len(set.Keys) > maxKeys {
		return nil, fmt.Errorf("a JWK set of %d keys, and at most %d are tried", len(set.Keys), maxKeys)
	}
	var keys KeySet
	var passedOver []error
	for i, raw := range set.Keys {
		k, err := parseJWK(raw, secrets)
		if err != nil {
			passedOver = append(passedOver, fmt.Errorf("key %d: %w", i+1, err))
			continue
		}
		keys = append(keys, k)
	}
	if len(keys) == 0 {
		return nil, errors.Join(append([]error{errors.New("a JWK set without a key that is of use here")}, passedOver...)...)
	}
	return keys, nil
}

func parseJWK(data []byte, secrets bool) (Key, error) {
	var j jwk
	if err := json.Unmarshal(data, &j); err != nil {
		return Key{}, errors.New("no JWK, or one with a member that can't be decoded")
	}
	if (j.D != nil || j.K != nil) && !secrets {
		return Key{}, errors.New("a JWK that is secret was published: replace it")
	}
	if err := j.checkPurpose(); err != nil {
		return Key{}, err
	}
	raw, err := j.key()
	if err != nil {
		return Key{}, err
	}
	k, err := NewKey(raw)
	if err == nil && j.Algorithm != "" && j.Algorithm != k.Algorithm() {
		err = fmt.Errorf("a JWK whose alg is not %s, which is all that this kind of key is for here", k.Algorithm())
	}
	k.ID = j.ID
	return k, err
}

func (j *jwk) checkPurpose() error {
	signs := func(op string) bool { return op == "verify" || op == "sign" }
	switch {
	case j.Use != "" && j.Use != "sig":
		return errors.New("a JWK whose use is not sig")
	case j.Operations != nil && !slices.ContainsFunc(j.Operations, signs):
		return errors.New("a JWK whose key_ops are neither verify nor sign")
	case len(j.ID) > MaxText:
		return fmt.Errorf("a JWK whose kid has more than %d bytes", MaxText)
	}
	return nil
}

// key makes the key that NewKey takes.
func (j *jwk) key() (any, error) {
	switch {
	case j.Type == "oct" && j.K != nil:
		return []byte(*j.K), nil
	case j.Type == "OKP" && j.Curve == "Ed25519":
		return j.ed25519()
	case j.Type == "EC" && j.Curve == "P-256":
		return j.p256()
	case j.Type == "RSA":
		return j.rsa()
	}
	return nil, errors.New("a JWK of another kind than OKP with Ed25519, EC with P-256, RSA and oct")
}

var (
	errMembers = errors.New("a JWK whose members are missing, or of a wrong length")
	errHalves  = errors.New("a JWK whose private and public parts do not belong together")
)

func (j *jwk) ed25519() (any, error) {
	if len(j.X) != ed25519.PublicKeySize || j.D != nil && len(*j.D) != ed25519.SeedSize {
		return nil, errMembers
	}
	if j.D == nil {
		return ed25519.PublicKey(j.X), nil
	}
	private := ed25519.NewKeyFromSeed(*j.D)
	if !bytes.Equal(private.Public().(ed25519.PublicKey), j.X) {
		return nil, errHalves
	}
	return private, nil
}

func (j *jwk) p256() (any, error) {
	if len(j.X) != 32 || len(j.Y) != 32 {
		return nil, errMembers
	}
	public, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), slices.Concat([]byte{4}, j.X, j.Y))
	if err != nil {
		return nil, errors.New("a JWK whose x and y are no point of P-256")
	}
	if j.D == nil {
		return public, nil
	}
	private, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), *j.D)
	if err != nil {
		return nil, errMembers
	}
	if !private.PublicKey.Equal(public) {
		return nil, errHalves
	}
	return private, nil
}

func (j *jwk) rsa() (any, error) {
	e := new(big.Int).SetBytes(j.E)
	if len(j.N) == 0 || len(j.N) > maxRSA/8 || e.BitLen() > 31 {
		return nil, errMembers
	}
	public := rsa.PublicKey{N: new(big.Int).SetBytes(j.N), E: int(e.Int64())}
	if err := checkRSA(&public); err != nil || j.D == nil {
		return &public, err
	}
	if len(j.P) == 0 || len(j.Q) == 0 || len(*j.D) > len(j.N) || len(j.P) > len(j.N) || len(j.Q) > len(j.N) {
		return nil, errMembers
	}
	private := &rsa.PrivateKey{PublicKey: public, D: new(big.Int).SetBytes(*j.D), Primes: []*big.Int{new(big.Int).SetBytes(j.P), new(big.Int).SetBytes(j.Q)}}
	if err := private.Validate(); err != nil {
		return nil, errHalves
	}
	private.Precompute()
	return private, nil
}
