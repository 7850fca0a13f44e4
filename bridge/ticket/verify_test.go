package ticket_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"maps"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"nbdbridge/bridge/ticket"
)

const audience = "https://bridge.example"

var secret = []byte("0123456789abcdef0123456789abcdef")

// pairs are a key of each kind, private and public; nil stands for the same.
var pairs = sync.OnceValue(func() map[string][2]any {
	_, ed, _ := ed25519.GenerateKey(rand.Reader)
	ec, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	rs, _ := rsa.GenerateKey(rand.Reader, 2048)
	return map[string][2]any{
		"HS256": {secret, secret}, "EdDSA": {ed, ed.Public()}, "ES256": {ec, &ec.PublicKey}, "RS256": {rs, &rs.PublicKey},
	}
})

func newKey(t testing.TB, key any) ticket.Key {
	t.Helper()
	k, err := ticket.NewKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func verifier(t testing.TB, keys ...any) *ticket.Verifier {
	t.Helper()
	var set ticket.KeySet
	for _, k := range keys {
		set = append(set, newKey(t, k))
	}
	return &ticket.Verifier{Keys: set, Audience: audience}
}

func soon() int64 { return time.Now().Add(time.Minute).Unix() }

// good are the claims of a ticket for lab, with changes; nil takes one out.
func good(changes map[string]any) jwt.MapClaims {
	claims := jwt.MapClaims{"aud": audience, "exp": soon(), "targets": []string{"lab"}}
	maps.Copy(claims, changes)
	maps.DeleteFunc(claims, func(_ string, v any) bool { return v == nil })
	return claims
}

// sign makes a token of anything, as an issuer who errs could.
func sign(t testing.TB, method jwt.SigningMethod, key any, header map[string]any, claims jwt.Claims) string {
	t.Helper()
	token := jwt.NewWithClaims(method, claims)
	maps.Copy(token.Header, header)
	maps.DeleteFunc(token.Header, func(_ string, v any) bool { return v == "absent" })
	s, err := token.SignedString(key)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// signed is a token with a good signature by the secret.
func signed(t testing.TB, header map[string]any, claims jwt.Claims) string {
	return sign(t, jwt.SigningMethodHS256, secret, header, claims)
}

// wantRefusal checks what an error says, and that it holds nothing of the token.
func wantRefusal(t *testing.T, err error, token string, text string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), text) {
		t.Errorf("error %v, want something about %q", err, text)
		return
	}
	for part := range strings.SplitSeq(token, ".") {
		plain, _ := base64.RawURLEncoding.DecodeString(part)
		if len(part) > 8 && strings.Contains(err.Error(), part) || len(plain) > 8 && strings.Contains(err.Error(), string(plain)) {
			t.Errorf("the error repeats a part of the ticket: %v", err)
		}
	}
	if strings.Contains(err.Error(), "SECRET") {
		t.Errorf("the error repeats what the ticket says: %v", err)
	}
}

func TestRoundTrip(t *testing.T) {
	want := ticket.Claims{
		Principal: "alice", Audience: audience, Targets: []string{"lab", "lab7"}, ID: "1",
		Expires: time.Unix(soon(), 0), MaxAge: 90 * time.Second,
	}
	for algorithm, pair := range pairs() {
		private := newKey(t, pair[0])
		private.ID = "k1"
		if private.Algorithm() != algorithm {
			t.Errorf("%s: a key for %s", algorithm, private.Algorithm())
		}
		token, err := ticket.Mint(private, want)
		if err != nil {
			t.Errorf("%s: %v", algorithm, err)
			continue
		}
		got, err := verifier(t, pair[1]).Verify(t.Context(), token, "lab7")
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %+v, %v, want %+v", algorithm, got, err, want)
		}
	}
}

func TestAccepted(t *testing.T) {
	now := time.Now()
	for name, token := range map[string]string{
		"nothing but the required":  signed(t, nil, good(nil)),
		"no typ":                    signed(t, map[string]any{"typ": "absent"}, good(nil)),
		"typ in lower case":         signed(t, map[string]any{"typ": "jwt"}, good(nil)),
		"an unknown member":         signed(t, map[string]any{"jku": "https://evil.example/", "x5c": []string{"x"}}, good(nil)),
		"an unknown claim":          signed(t, nil, good(map[string]any{"iss": 7})),
		"a kid":                     signed(t, map[string]any{"kid": "any"}, good(nil)),
		"a list of audiences":       signed(t, nil, good(map[string]any{"aud": []string{"other", audience}})),
		"a fraction of a second":    signed(t, nil, good(map[string]any{"exp": float64(soon()) + 0.5})),
		"expired within the leeway": signed(t, nil, good(map[string]any{"exp": now.Add(-2 * time.Second).Unix()})),
		"begun within the leeway":   signed(t, nil, good(map[string]any{"nbf": now.Add(3 * time.Second).Unix(), "iat": now.Add(3 * time.Second).Unix()})),
		"64 targets":                signed(t, nil, good(map[string]any{"targets": append(make64("x"), "lab")[1:]})),
	} {
		if _, err := verifier(t, secret).Verify(t.Context(), token, "lab"); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func make64(s string) (texts []string) {
	for range ticket.MaxTargets {
		texts = append(texts, s)
	}
	return texts
}

func TestRefusedClaims(t *testing.T) {
	now := time.Now()
	long := strings.Repeat("x", ticket.MaxText+1)
	for name, c := range map[string]struct {
		changes map[string]any
		want    string
	}{
		"no exp":             {map[string]any{"exp": nil}, "lacks exp or aud"},
		"EXP":                {map[string]any{"exp": nil, "EXP": soon()}, "lacks exp or aud"},
		"expired":            {map[string]any{"exp": now.Add(-time.Hour).Unix()}, "expired 1h0m"},
		"exp of a text":      {map[string]any{"exp": "SECRET"}, "exp is wrong"},
		"exp null":           {map[string]any{"exp": json.RawMessage("null")}, "exp is wrong"},
		"exp too far":        {map[string]any{"exp": 1e300}, "exp is wrong"},
		"exp beyond floats":  {map[string]any{"exp": json.RawMessage("1e999")}, "exp is wrong"},
		"exp negative":       {map[string]any{"exp": -1}, "exp is wrong"},
		"nbf to come":        {map[string]any{"nbf": soon()}, "not valid yet"},
		"nbf of a text":      {map[string]any{"nbf": "now"}, "nbf is wrong"},
		"iat to come":        {map[string]any{"iat": soon()}, "not valid yet"},
		"iat of a list":      {map[string]any{"iat": []int{1}}, "iat is wrong"},
		"no aud":             {map[string]any{"aud": nil}, "lacks exp or aud"},
		"aud empty":          {map[string]any{"aud": []string{}}, "lacks exp or aud"},
		"another aud":        {map[string]any{"aud": "https://SECRET.example"}, "for another bridge"},
		"aud with a slash":   {map[string]any{"aud": audience + "/"}, "for another bridge"},
		"aud of a number":    {map[string]any{"aud": 7}, "aud is wrong"},
		"aud of lists":       {map[string]any{"aud": []any{[]string{audience}}}, "aud is wrong"},
		"no targets":         {map[string]any{"targets": nil}, "lacks targets"},
		"targets empty":      {map[string]any{"targets": []string{}}, "lacks targets"},
		"targets of a text":  {map[string]any{"targets": "lab"}, "targets is wrong"},
		"targets with null":  {map[string]any{"targets": []any{"lab", nil}}, "targets is wrong"},
		"a target without":   {map[string]any{"targets": []string{"lab", ""}}, "targets is wrong"},
		"a target too long":  {map[string]any{"targets": []string{"lab", long}}, "targets is wrong"},
		"65 targets":         {map[string]any{"targets": append(make64("x"), "lab")}, "names 65 targets"},
		"sub of a number":    {map[string]any{"sub": 7}, "sub is wrong"},
		"sub empty":          {map[string]any{"sub": ""}, "sub is wrong"},
		"sub of two lines":   {map[string]any{"sub": "a\nb"}, "sub is wrong"},
		"sub too long":       {map[string]any{"sub": long}, "sub is wrong"},
		"jti of a number":    {map[string]any{"jti": 7}, "jti is wrong"},
		"jti too long":       {map[string]any{"jti": long}, "jti is wrong"},
		"age of a text":      {map[string]any{"max_session_age": "60"}, "max_session_age is wrong"},
		"age of nothing":     {map[string]any{"max_session_age": 0}, "max_session_age is wrong"},
		"age null":           {map[string]any{"max_session_age": json.RawMessage("null")}, "max_session_age is wrong"},
		"age negative":       {map[string]any{"max_session_age": -60}, "max_session_age is wrong"},
		"age of half":        {map[string]any{"max_session_age": 0.5}, "max_session_age is wrong"},
		"age of an eternity": {map[string]any{"max_session_age": 1 << 62}, "max_session_age is wrong"},
	} {
		t.Run(name, func(t *testing.T) {
			token := signed(t, nil, good(c.changes))
			_, err := verifier(t, secret).Verify(t.Context(), token, "lab")
			wantRefusal(t, err, token, c.want)
		})
	}
}

func TestRefusedHeaders(t *testing.T) {
	for name, c := range map[string]struct {
		header map[string]any
		want   string
	}{
		"crit":              {map[string]any{"crit": []string{"exp"}}, "has crit"},
		"crit empty":        {map[string]any{"crit": []string{}}, "has crit"},
		"crit null":         {map[string]any{"crit": nil}, "has crit"},
		"cty":               {map[string]any{"cty": "JWT"}, "has cty"},
		"an access token":   {map[string]any{"typ": "at+jwt"}, "typ is not JWT"},
		"typ of a number":   {map[string]any{"typ": 7}, "typ is not JWT"},
		"typ null":          {map[string]any{"typ": nil}, "typ is not JWT"},
		"typ empty":         {map[string]any{"typ": ""}, "typ is not JWT"},
		"kid of a number":   {map[string]any{"kid": 7}, "kid is no text"},
		"kid too long":      {map[string]any{"kid": strings.Repeat("x", 257)}, "kid is no text"},
		"no alg":            {map[string]any{"alg": "absent"}, "alg is none of"},
		"alg of a number":   {map[string]any{"alg": 7}, "alg is none of"},
		"alg of nobody":     {map[string]any{"alg": "SECRET"}, "alg is none of"},
		"alg in lower case": {map[string]any{"alg": "hs256"}, "alg is none of"},
		"alg of others":     {map[string]any{"alg": "HS512"}, "alg is none of"},
		"alg none":          {map[string]any{"alg": "none"}, "alg is none of"},
		"alg of other keys": {map[string]any{"alg": "RS256"}, "alg is not that of the key"},
	} {
		t.Run(name, func(t *testing.T) {
			token := signed(t, c.header, good(nil))
			_, err := verifier(t, secret).Verify(t.Context(), token, "lab")
			wantRefusal(t, err, token, c.want)
		})
	}
}

// An algorithm is never what the ticket says, where the key is of another.
func TestAlgorithmIsTheKeys(t *testing.T) {
	rs, ed, ec := pairs()["RS256"], pairs()["EdDSA"], pairs()["ES256"]
	der, err := x509.MarshalPKIXPublicKey(rs[1])
	if err != nil {
		t.Fatal(err)
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	other, _ := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	bits, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	none := sign(t, jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, nil, good(nil))
	for name, c := range map[string]struct {
		key   any
		token string
		want  string
	}{
		"none":                    {rs[1], none, "alg is none of"},
		"the public key's PEM":    {rs[1], sign(t, jwt.SigningMethodHS256, text, nil, good(nil)), "alg is not that of the key"},
		"without its newline":     {rs[1], sign(t, jwt.SigningMethodHS256, text[:len(text)-1], nil, good(nil)), "alg is not that of the key"},
		"the public key's DER":    {rs[1], sign(t, jwt.SigningMethodHS256, der, nil, good(nil)), "alg is not that of the key"},
		"the public key's bytes":  {ed[1], sign(t, jwt.SigningMethodHS256, []byte(ed[1].(ed25519.PublicKey)), nil, good(nil)), "alg is not that of the key"},
		"PS256":                   {rs[1], sign(t, jwt.SigningMethodPS256, rs[0], nil, good(nil)), "alg is none of"},
		"RS512":                   {rs[1], sign(t, jwt.SigningMethodRS512, rs[0], nil, good(nil)), "alg is none of"},
		"ES384":                   {ec[1], sign(t, jwt.SigningMethodES384, other, nil, good(nil)), "alg is none of"},
		"EdDSA for ES256":         {ec[1], sign(t, jwt.SigningMethodEdDSA, ed[0], nil, good(nil)), "alg is not that of the key"},
		"another key of its kind": {ec[1], sign(t, jwt.SigningMethodES256, bits, nil, good(nil)), "signature is wrong"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := verifier(t, c.key).Verify(t.Context(), c.token, "lab")
			wantRefusal(t, err, c.token, c.want)
		})
	}
}

func TestWrongSignatures(t *testing.T) {
	for algorithm, pair := range pairs() {
		token, err := ticket.Mint(newKey(t, pair[0]), ticket.Claims{Audience: audience, Targets: []string{"lab"}, Expires: time.Now().Add(time.Minute)})
		if err != nil {
			t.Fatal(err)
		}
		parts := strings.Split(token, ".")
		foreign := base64.RawURLEncoding.EncodeToString([]byte(`{"aud":"` + audience + `","exp":99999999999,"targets":["lab"]}`))
		for _, forged := range []string{
			parts[0] + "." + foreign + "." + parts[2],
			parts[0] + "." + parts[1] + ".",
			parts[0] + "." + parts[1] + "." + parts[2][:8],
			parts[0] + "." + parts[1] + ".AAAA" + parts[2][4:],
		} {
			_, err := verifier(t, pair[1]).Verify(t.Context(), forged, "lab")
			t.Run(algorithm, func(t *testing.T) { wantRefusal(t, err, forged, "signature is wrong") })
		}
	}
}

func TestNoTickets(t *testing.T) {
	token := signed(t, nil, good(nil))
	parts := strings.Split(token, ".")
	encode := base64.RawURLEncoding.EncodeToString
	for name, c := range map[string]struct{ token, want string }{
		"nothing":             {"", "is no JWT"},
		"dots":                {"..", "is no JWT"},
		"two parts":           {parts[0] + "." + parts[1], "is no JWT"},
		"four parts":          {token + ".", "is no JWT"},
		"white space":         {token + " ", "is no JWT"},
		"padding":             {token + "=", "is no JWT"},
		"standard base64":     {parts[0] + ".+/+/." + parts[2], "is no JWT"},
		"beyond ASCII":        {token + "é", "is no JWT"},
		"loose bits":          {parts[0] + "." + parts[1] + "." + parts[2][:42] + "B", "is no JWT"},
		"header of no JSON":   {encode([]byte("SECRET SECRET")) + "." + parts[1] + "." + parts[2], "is no JWT"},
		"header of a list":    {encode([]byte("[1]")) + "." + parts[1] + "." + parts[2], "is no JWT"},
		"header null":         {encode([]byte("null")) + "." + parts[1] + "." + parts[2], "alg is none of"},
		"claims of no JSON":   {parts[0] + "." + encode([]byte("SECRET SECRET")) + "." + parts[2], "is no JWT"},
		"claims of two lists": {parts[0] + "." + encode([]byte("{}{}")) + "." + parts[2], "is no JWT"},
		"too long":            {strings.Repeat("A", ticket.MaxLength), ""},
		"longer":              {strings.Repeat("A", ticket.MaxLength+1), "8193 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := verifier(t, secret).Verify(t.Context(), c.token, "lab")
			wantRefusal(t, err, c.token, c.want)
		})
	}
	null := signed(t, nil, nullClaims{})
	_, err := verifier(t, secret).Verify(t.Context(), null, "lab")
	wantRefusal(t, err, null, "lacks exp or aud")
}

// nullClaims are JSON's null, well signed.
type nullClaims struct{ jwt.MapClaims }

func (nullClaims) MarshalJSON() ([]byte, error) { return []byte("null"), nil }

func TestVerifierLacks(t *testing.T) {
	token := signed(t, nil, good(map[string]any{"aud": ""}))
	for _, v := range []*ticket.Verifier{{}, {Audience: audience}, {Keys: ticket.KeySet{newKey(t, secret)}}} {
		if _, err := v.Verify(t.Context(), token, "lab"); err == nil || !strings.Contains(err.Error(), "verifier lacks") {
			t.Errorf("error %v", err)
		}
	}
}

// Keys without an ID are for every kid; others for their own.
func TestKeysByID(t *testing.T) {
	other := []byte(strings.Repeat("other", 8))
	a, b, each := newKey(t, secret), newKey(t, other), newKey(t, secret)
	a.ID, b.ID = "a", "b"
	for name, c := range map[string]struct {
		keys ticket.KeySet
		kid  any
		want string // "" is accepted
	}{
		"its kid":             {ticket.KeySet{b, a}, "a", ""},
		"no kid":              {ticket.KeySet{b, a}, "absent", ""},
		"another key's kid":   {ticket.KeySet{b, a}, "b", "signature is wrong"},
		"nobody's kid":        {ticket.KeySet{b, a}, "SECRET", "no key for the ticket's kid"},
		"a key for every kid": {ticket.KeySet{b, each}, "c", ""},
		"no keys":             {ticket.KeySet{}, "absent", "no key"},
	} {
		t.Run(name, func(t *testing.T) {
			token := signed(t, map[string]any{"kid": c.kid}, good(nil))
			_, err := (&ticket.Verifier{Keys: c.keys, Audience: audience}).Verify(t.Context(), token, "lab")
			if c.want != "" {
				wantRefusal(t, err, token, c.want)
			} else if err != nil {
				t.Error(err)
			}
		})
	}
}

type noSource struct{}

func (noSource) Keys(context.Context, string) ([]ticket.Key, error) {
	return nil, errors.New("the source is down")
}
func (noSource) Close() {}

func TestNoKeysToBeHad(t *testing.T) {
	token := signed(t, nil, good(nil))
	_, err := (&ticket.Verifier{Keys: noSource{}, Audience: audience}).Verify(t.Context(), token, "lab")
	wantRefusal(t, err, token, "the source is down")
}
