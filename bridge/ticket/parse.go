package ticket

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// CheckForm tells whether a text can be a ticket at all, which is not whether it
// is a good one: at most MaxLength bytes, in three parts of base64url. So it can
// stand in a header.
func CheckForm(token string) error {
	if len(token) > MaxLength {
		return fmt.Errorf("the ticket has %d bytes, and at most %d are accepted", len(token), MaxLength)
	}
	if strings.ContainsFunc(token, notInToken) || strings.Count(token, ".") != 2 {
		return errors.New("the ticket is no JWT: want three parts of base64url, parted by dots")
	}
	return nil
}

func notInToken(r rune) bool {
	digit, letter := '0' <= r && r <= '9', 'a' <= r|0x20 && r|0x20 <= 'z'
	return !digit && !letter && !strings.ContainsRune("-_.", r)
}

// parse checks all but the target and the one use.
func (v *Verifier) parse(ctx context.Context, token string) (Claims, error) {
	var p payload
	var refused error // in our words, where it is known
	_, err := v.parser().ParseWithClaims(token, &p, func(t *jwt.Token) (any, error) {
		var keys jwt.VerificationKeySet
		keys, refused = v.candidates(ctx, t)
		return keys, refused
	})
	if refused != nil {
		return Claims{}, refused
	}
	if err != nil {
		return Claims{}, reword(err, p)
	}
	return p.claims(v.Audience)
}

func (v *Verifier) parser() *jwt.Parser {
	return jwt.NewParser(jwt.WithValidMethods(algorithms), jwt.WithStrictDecoding(), jwt.WithLeeway(Leeway),
		jwt.WithExpirationRequired(), jwt.WithIssuedAt(), jwt.WithAudience(v.Audience))
}

// candidates are the keys of the header's kid whose own algorithm is the
// header's: no key is ever tried with another.
func (v *Verifier) candidates(ctx context.Context, t *jwt.Token) (set jwt.VerificationKeySet, err error) {
	kid, err := checkHeader(t.Header)
	if err != nil {
		return set, err
	}
	keys, err := v.Keys.Keys(ctx, kid)
	if err != nil {
		return set, fmt.Errorf("the keys for tickets can't be had: %w", err)
	}
	if len(keys) == 0 {
		return set, errors.New("there is no key for the ticket's kid: it is of another issuer, or the key file is out of date")
	}
	for _, k := range keys {
		if k.method == t.Method {
			set.Keys = append(set.Keys, k.public)
		}
	}
	if len(set.Keys) == 0 {
		return set, errors.New("the ticket's alg is not that of the key: the issuer must sign with the kind of key that the bridge has")
	}
	return set, nil
}

// checkHeader refuses a header that asks for more than a signature (RFC 7515
// section 4.1.11, RFC 8725 section 3.11) and returns its kid.
func checkHeader(header map[string]any) (kid string, err error) {
	if _, there := header["crit"]; there {
		return "", errors.New("the ticket's header has crit: it demands extensions, and none are known here")
	}
	if _, there := header["cty"]; there {
		return "", errors.New("the ticket's header has cty: one token inside another is not accepted")
	}
	if typ, there := header["typ"]; there {
		if s, ok := typ.(string); !ok || !strings.EqualFold(s, "JWT") {
			return "", errors.New("the ticket's typ is not JWT: it is a token for something else")
		}
	}
	if v, there := header["kid"]; there {
		s, ok := v.(string)
		if !ok || len(s) > MaxText {
			return "", fmt.Errorf("the ticket's kid is no text of at most %d bytes", MaxText)
		}
		kid = s
	}
	return kid, nil
}

// reword says what the library found, without the pieces of the ticket that
// its errors may hold.
func reword(err error, p payload) error {
	var claim *claimError
	switch {
	case errors.As(err, &claim):
		return claim
	case errors.Is(err, jwt.ErrTokenMalformed):
		return errors.New("the ticket is no JWT: its header or its claims can't be decoded")
	case errors.Is(err, jwt.ErrTokenUnverifiable):
		return errUnknownAlgorithm
	case errors.Is(err, jwt.ErrTokenSignatureInvalid):
		return rewordSignature(err)
	case errors.Is(err, jwt.ErrTokenRequiredClaimMissing):
		return errors.New("the ticket lacks exp or aud: both are required")
	case errors.Is(err, jwt.ErrTokenExpired):
		exp, _ := p.GetExpirationTime()
		return fmt.Errorf("the ticket expired %v ago: the client must get a fresh one", time.Since(exp.Time).Round(time.Second))
	case errors.Is(err, jwt.ErrTokenNotValidYet), errors.Is(err, jwt.ErrTokenUsedBeforeIssued):
		return errors.New("the ticket is not valid yet: compare the clocks of its issuer and of the bridge")
	case errors.Is(err, jwt.ErrTokenInvalidAudience):
		return errors.New("the ticket is for another bridge: its aud does not name the audience of this one")
	}
	return errors.New("the ticket is not accepted")
}

var errUnknownAlgorithm = fmt.Errorf("the ticket's alg is none of %s", strings.Join(algorithms, ", "))

func rewordSignature(err error) error {
	for _, failed := range []error{jwt.ErrSignatureInvalid, jwt.ErrEd25519Verification, jwt.ErrECDSAVerification, errRSA} {
		if errors.Is(err, failed) {
			return errors.New("the ticket's signature is wrong: it was altered, or signed with another key")
		}
	}
	return errUnknownAlgorithm
}
