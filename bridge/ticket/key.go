package ticket

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"

	"github.com/golang-jwt/jwt/v5"
)

const (
	// minSecret is what RFC 7518 section 3.2 demands of a key for HS256, in bytes.
	minSecret = 32
	// minRSA is what RFC 7518 section 3.3 demands of a key for RS256, in bits;
	// maxRSA bounds what each ticket costs.
	minRSA, maxRSA = 2048, 8192
)

var algorithms = []string{"HS256", "EdDSA", "ES256", "RS256"}

// errRSA is what the library passes on for a wrong RS256 signature.
var errRSA = rsa.ErrVerification

// A KeySource finds the keys for a ticket. Any number of goroutines may use it.
type KeySource interface {
	// Keys are the candidates for a kid, which may be "". None at all is no error.
	Keys(ctx context.Context, kid string) ([]Key, error)
	// Close ends what it does in the background, and waits for it.
	Close()
}

// OpenKeys finds keys where a configuration says: in a file, see LoadKeys, or at
// the http or https URL of a JWK set, see NewJWKS. The caller closes the source.
func OpenKeys(location string) (KeySource, error) {
	if strings.HasPrefix(location, "https://") || strings.HasPrefix(location, "http://") {
		return NewJWKS(location)
	}
	return LoadKeys(location)
}

// A KeySet is a KeySource that never changes.
type KeySet []Key

// Keys are those of that ID and those without one; all, if the ticket names none.
func (s KeySet) Keys(_ context.Context, kid string) ([]Key, error) {
	if kid == "" {
		return s, nil
	}
	return slices.DeleteFunc(slices.Clone(s), func(k Key) bool { return k.ID != "" && k.ID != kid }), nil
}

// Close does nothing.
func (s KeySet) Close() {}

// Signer is the first key that can mint.
func (s KeySet) Signer() (Key, error) {
	i := slices.IndexFunc(s, func(k Key) bool { return k.private != nil })
	if i < 0 {
		return Key{}, errors.New("there are only public keys, which sign no tickets: give the private one, or a secret")
	}
	return s[i], nil
}

// A Key checks tickets, and mints them if it is private or symmetric. Its
// algorithm is fixed by what kind of key it is, never by a ticket's header.
type Key struct {
	ID string // kid: which tickets it is for; "" is all that its algorithm fits

	method          jwt.SigningMethod
	public, private any // what the library takes; private is nil if it only checks
}

// NewKey makes a key of one of crypto's: ed25519.PublicKey or PrivateKey
// (EdDSA), *ecdsa.PublicKey or PrivateKey on P-256 (ES256), *rsa.PublicKey or
// PrivateKey of 2048 to 8192 bits (RS256), or a secret of at least 32 bytes as
// []byte (HS256). It refuses a secret that is the text or the encoding of a
// public key: everybody could sign with it.
func NewKey(key any) (Key, error) {
	k, err := newKey(key)
	if err != nil {
		return Key{}, err
	}
	return k, nil
}

func newKey(key any) (Key, error) {
	switch k := key.(type) {
	case []byte:
		return newSecret(k)
	case ed25519.PublicKey, ed25519.PrivateKey:
		return newEd25519(k)
	case *ecdsa.PublicKey:
		return Key{method: jwt.SigningMethodES256, public: k}, checkCurve(k)
	case *ecdsa.PrivateKey:
		return Key{method: jwt.SigningMethodES256, public: &k.PublicKey, private: k}, checkCurve(&k.PublicKey)
	case *rsa.PublicKey:
		return Key{method: jwt.SigningMethodRS256, public: k}, checkRSA(k)
	case *rsa.PrivateKey:
		return Key{method: jwt.SigningMethodRS256, public: &k.PublicKey, private: k}, checkRSA(&k.PublicKey)
	}
	return Key{}, errors.New("a key of a kind that signs no tickets: want Ed25519, ECDSA on P-256, RSA or a secret")
}

// Algorithm is the alg of the tickets that the key is for (RFC 7518 section 3.1,
// RFC 8037 section 3.1).
func (k Key) Algorithm() string {
	if k.method == nil {
		return ""
	}
	return k.method.Alg()
}

func newSecret(secret []byte) (Key, error) {
	if len(secret) < minSecret {
		return Key{}, fmt.Errorf("a secret of %d bytes: HS256 needs at least %d, of a random source", len(secret), minSecret)
	}
	if isPublic(secret) {
		return Key{}, errors.New("this is a key or certificate, and no secret: everybody who knows it could sign; give it as PEM or JWK")
	}
	return Key{method: jwt.SigningMethodHS256, public: slices.Clone(secret), private: slices.Clone(secret)}, nil
}

func newEd25519(key any) (Key, error) {
	if k, ok := key.(ed25519.PrivateKey); ok && len(k) == ed25519.PrivateKeySize {
		return Key{method: jwt.SigningMethodEdDSA, public: k.Public().(ed25519.PublicKey), private: k}, nil
	}
	if k, ok := key.(ed25519.PublicKey); ok && len(k) == ed25519.PublicKeySize {
		return Key{method: jwt.SigningMethodEdDSA, public: k}, nil
	}
	return Key{}, errors.New("an Ed25519 key of a wrong length")
}

func checkCurve(k *ecdsa.PublicKey) error {
	if k.Curve != elliptic.P256() {
		return errors.New("an ECDSA key on another curve than P-256: ES256 has that one alone")
	}
	return nil
}

func bitLen(n *big.Int) int {
	if n == nil {
		return 0
	}
	return n.BitLen()
}

func checkRSA(k *rsa.PublicKey) error {
	if bits := bitLen(k.N); bits < minRSA || bits > maxRSA {
		return fmt.Errorf("an RSA key of %d bits: want %d to %d", bits, minRSA, maxRSA)
	}
	if k.E < 3 || k.E%2 == 0 {
		return errors.New("an RSA key with an exponent that is none: want an odd one, such as 65537")
	}
	return nil
}
