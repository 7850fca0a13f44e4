package ticket_test

import (
	"bytes"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"maps"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"nbdbridge/bridge/ticket"
)

func block(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

func pkix(t testing.TB, public any) []byte {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func pkcs8(t testing.TB, private any) []byte {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func sec1(t testing.TB, private *ecdsa.PrivateKey) []byte {
	t.Helper()
	der, err := x509.MarshalECPrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// with is a JWK with changes; nil takes a member out.
func with(jwk map[string]any, changes map[string]any) string {
	jwk = maps.Clone(jwk)
	maps.Copy(jwk, changes)
	maps.DeleteFunc(jwk, func(_ string, v any) bool { return v == nil })
	b, _ := json.Marshal(jwk)
	return string(b)
}

// jwks are the pairs' private keys as JWKs.
func jwks(t testing.TB) (ed, ec, rs, oct map[string]any) {
	t.Helper()
	e, c, r := pairs()["EdDSA"][0].(ed25519.PrivateKey), pairs()["ES256"][0].(*ecdsa.PrivateKey), pairs()["RS256"][0].(*rsa.PrivateKey)
	point, err := c.PublicKey.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	d, err := c.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	ed, oct = okp("a"), map[string]any{"kty": "oct", "k": b64(secret)}
	ed["d"] = b64(e.Seed())
	ec = map[string]any{"kty": "EC", "crv": "P-256", "x": b64(point[1:33]), "y": b64(point[33:]), "d": b64(d)}
	rs = map[string]any{"kty": "RSA", "n": b64(r.N.Bytes()), "e": "AQAB", "d": b64(r.D.Bytes()), "p": b64(r.Primes[0].Bytes()), "q": b64(r.Primes[1].Bytes())}
	return ed, ec, rs, oct
}

// keyFiles are good files and the algorithms of their keys, an s behind those
// that sign.
func keyFiles(t testing.TB) map[string]struct{ data, want string } {
	p := pairs()
	ed, ec, rs, oct := jwks(t)
	public := map[string]any{"d": nil, "p": nil, "q": nil}
	rsaPrivate, ecPrivate := p["RS256"][0].(*rsa.PrivateKey), p["ES256"][0].(*ecdsa.PrivateKey)
	spki := block("PUBLIC KEY", pkix(t, p["EdDSA"][1]))
	return map[string]struct{ data, want string }{
		"SPKI Ed25519":        {spki, "EdDSA"},
		"SPKI P-256":          {block("PUBLIC KEY", pkix(t, p["ES256"][1])), "ES256"},
		"SPKI RSA":            {block("PUBLIC KEY", pkix(t, p["RS256"][1])), "RS256"},
		"PKCS8 Ed25519":       {block("PRIVATE KEY", pkcs8(t, p["EdDSA"][0])), "EdDSAs"},
		"PKCS8 P-256":         {block("PRIVATE KEY", pkcs8(t, p["ES256"][0])), "ES256s"},
		"PKCS8 RSA":           {block("PRIVATE KEY", pkcs8(t, p["RS256"][0])), "RS256s"},
		"PKCS1 private":       {block("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(rsaPrivate)), "RS256s"},
		"PKCS1 public":        {block("RSA PUBLIC KEY", x509.MarshalPKCS1PublicKey(&rsaPrivate.PublicKey)), "RS256"},
		"SEC1":                {block("EC PARAMETERS", []byte("\x06\x08*\x86H\xce=\x03\x01\x07")) + block("EC PRIVATE KEY", sec1(t, ecPrivate)), "ES256s"},
		"several":             {"comment\n" + spki + "\n\n" + block("PRIVATE KEY", pkcs8(t, p["ES256"][0])) + spki, "EdDSA ES256s EdDSA"},
		"other line ends":     {strings.ReplaceAll(spki, "\n", "\r\n"), "EdDSA"},
		"JWK Ed25519":         {with(ed, nil), "EdDSAs"},
		"JWK P-256":           {with(ec, nil), "ES256s"},
		"JWK RSA":             {with(rs, nil), "RS256s"},
		"JWK oct":             {with(oct, nil), "HS256s"},
		"JWK public":          {with(ec, public), "ES256"},
		"JWK public RSA":      {with(rs, public), "RS256"},
		"JWK for signatures":  {with(ed, map[string]any{"use": "sig", "alg": "EdDSA", "key_ops": []string{"sign"}}), "EdDSAs"},
		"JWK with white":      {"\xef\xbb\xbf \n" + with(ed, nil) + "\n", "EdDSAs"},
		"JWK set":             {`{"keys": [` + with(ed, nil) + "," + with(ec, public) + `, {"kty": "?"}]}`, "EdDSAs ES256"},
		"a secret":            {string(secret), "HS256s"},
		"a secret with a end": {string(secret) + "\r\n", "HS256s"},
		"a secret of base64":  {base64.StdEncoding.EncodeToString(secret) + "\n", "HS256s"},
		"a secret like JSON":  {"{\xff" + string(secret), "HS256s"},
	}
}

func TestLoadKeys(t *testing.T) {
	for name, c := range keyFiles(t) {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "keys")
			if err := os.WriteFile(file, []byte(c.data), 0o600); err != nil {
				t.Fatal(err)
			}
			keys, err := ticket.LoadKeys(file)
			if err != nil {
				t.Fatal(err)
			}
			if got := strings.Join(describe(t, keys), " "); got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
}

// describe tries what each key can do.
func describe(t *testing.T, keys ticket.KeySet) (kinds []string) {
	t.Helper()
	for _, k := range keys {
		private := newKey(t, pairs()[k.Algorithm()][0])
		kind := k.Algorithm()
		if _, err := (ticket.KeySet{k}).Signer(); err == nil {
			private, kind = k, kind+"s"
		}
		token, err := ticket.Mint(private, ticket.Claims{Audience: audience, Targets: []string{"lab"}, Expires: time.Now().Add(time.Minute)})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := (&ticket.Verifier{Keys: ticket.KeySet{k}, Audience: audience}).Verify(t.Context(), token, "lab"); err != nil {
			t.Errorf("%s: %v", kind, err)
		}
		kinds = append(kinds, kind)
	}
	return kinds
}

func TestSecretsEnd(t *testing.T) {
	for data, want := range map[string]string{
		string(secret): string(secret), string(secret) + "\n": string(secret), string(secret) + "\r\n": string(secret),
		string(secret) + "\n\n": string(secret) + "\n", " " + string(secret): " " + string(secret), string(secret) + "\r": string(secret) + "\r",
	} {
		keys, err := ticket.ParseKeys([]byte(data))
		if err != nil {
			t.Fatal(err)
		}
		token := sign(t, jwt.SigningMethodHS256, []byte(want), nil, good(nil))
		if _, err := (&ticket.Verifier{Keys: keys, Audience: audience}).Verify(t.Context(), token, "lab"); err != nil {
			t.Errorf("%q: %v", data, err)
		}
	}
}

func TestLoadKeysRefuses(t *testing.T) {
	p := pairs()
	ed, ec, rs, oct := jwks(t)
	small, _ := rsa.GenerateKey(rand.Reader, 1024)
	p384, _ := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	x25519, _ := ecdh.X25519().GenerateKey(rand.Reader)
	spki := pkix(t, p["EdDSA"][1])
	template := &x509.Certificate{SerialNumber: big.NewInt(1)}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, p["EdDSA"][1], p["EdDSA"][0])
	if err != nil {
		t.Fatal(err)
	}
	other, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	otherD, _ := other.Bytes()
	for name, c := range map[string]struct{ data, want string }{
		"nothing":              {"", "at least 32"},
		"a short secret":       {strings.Repeat("x", 31) + "\n", "31 bytes"},
		"too much":             {strings.Repeat("x", 256<<10+1), "more than 256 KiB"},
		"65 keys":              {strings.Repeat(block("PUBLIC KEY", spki), 65), "65 keys"},
		"65 JWKs":              {`{"keys": [` + strings.Repeat("{},", 64) + "{}]}", "65 keys"},
		"a PEM that was cut":   {block("PUBLIC KEY", spki)[:60], "can't be decoded"},
		"one good, one cut":    {block("PUBLIC KEY", spki) + block("PUBLIC KEY", spki)[:60], "can't be decoded"},
		"one cut, one good":    {block("PUBLIC KEY", spki)[:60] + block("PUBLIC KEY", spki), "can't be decoded"},
		"PEM of nothing":       {block("PUBLIC KEY", nil), "PEM block 1: what it holds"},
		"PEM of another":       {block("PRIVATE KEY", spki), "PEM block 1: what it holds"},
		"a certificate":        {block("CERTIFICATE", certificate), "no key: want PUBLIC KEY"},
		"an encrypted key":     {block("ENCRYPTED PRIVATE KEY", spki), "encrypted"},
		"an old encrypted key": {"-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\nAAAA\n-----END RSA PRIVATE KEY-----\n", "encrypted"},
		"parameters alone":     {block("EC PARAMETERS", []byte("x")), "can't be decoded"},
		"RSA of 1024 bits":     {block("PUBLIC KEY", pkix(t, &small.PublicKey)), "RSA key of 1024 bits"},
		"P-384":                {block("PUBLIC KEY", pkix(t, &p384.PublicKey)), "another curve than P-256"},
		"P-384 private":        {block("EC PRIVATE KEY", sec1(t, p384)), "another curve than P-256"},
		"X25519":               {block("PUBLIC KEY", pkix(t, x25519.PublicKey())), "signs no tickets"},
		"DER":                  {string(pkix(t, p["RS256"][1])), "no secret"},
		"DER of a private key": {string(pkcs8(t, p["RS256"][0])), "no secret"},
		"DER of a certificate": {string(certificate), "no secret"},
		"a PEM without frame":  {base64.StdEncoding.EncodeToString(pkix(t, p["ES256"][1])), "no secret"},
		"an OpenSSH key":       {"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDV2 somebody", "no secret"},
		"a list of JWKs":       {"[" + with(ed, nil) + "]", "no JWK set"},
		"JSON that was cut":    {with(ed, nil)[:60], "no JWK set"},
		"JSON twice":           {with(ed, nil) + with(ed, nil), "no JWK set"},
		"an empty object":      {`{                                 }`, "another kind"},
		"an empty set":         {`{"keys": []                          }`, "without a key"},
		"a set of no use":      {`{"keys": [{"kty": "oct", "k": "AAAA"}]}`, "key 1: a secret of 3 bytes"},
		"keys of a text":       {`{"keys": "0123456789abcdef0123456789abcdef"}`, "no JWK set"},

		"kty in lower case": {with(ec, map[string]any{"kty": "ec"}), "another kind"},
		"kty of a number":   {with(ec, map[string]any{"kty": 7}), "no JWK"},
		"no x":              {with(ed, map[string]any{"x": nil}), "members are missing"},
		"x of a number":     {with(ed, map[string]any{"x": 7}), "can't be decoded"},
		"x with padding":    {with(ed, map[string]any{"x": ed["x"].(string) + "="}), "can't be decoded"},
		"x too short":       {with(ed, map[string]any{"x": "AAAA"}), "wrong length"},
		"d too short":       {with(ed, map[string]any{"d": "AAAA"}), "wrong length"},
		"d of another key":  {with(ed, map[string]any{"d": b64(secret)}), "do not belong together"},
		"Ed448":             {with(ed, map[string]any{"crv": "Ed448"}), "another kind"},
		"no point":          {with(ec, map[string]any{"y": ec["x"]}), "no point of P-256"},
		"y too short":       {with(ec, map[string]any{"y": "AAAA"}), "wrong length"},
		"d too long":        {with(ec, map[string]any{"d": b64(make([]byte, 33))}), "wrong length"},
		"d zero":            {with(ec, map[string]any{"d": b64(make([]byte, 32))}), "wrong length"},
		"another P-256's d": {with(ec, map[string]any{"d": b64(otherD)}), "do not belong together"},
		"JWK P-384":         {with(ec, map[string]any{"crv": "P-384"}), "another kind"},
		"secp256k1":         {with(ec, map[string]any{"crv": "secp256k1"}), "another kind"},
		"no n":              {with(rs, map[string]any{"n": nil}), "members are missing"},
		"n too short":       {with(rs, map[string]any{"n": b64(small.N.Bytes())}), "1024 bits"},
		"n too long":        {with(rs, map[string]any{"n": b64(bytes.Repeat([]byte{255}, 2048))}), "wrong length"},
		"e of nothing":      {with(rs, map[string]any{"e": nil}), "an exponent"},
		"e even":            {with(rs, map[string]any{"e": "Ag"}), "an exponent"},
		"e of one":          {with(rs, map[string]any{"e": "AQ"}), "an exponent"},
		"e too long":        {with(rs, map[string]any{"e": "AQAAAAE"}), "wrong length"},
		"no primes":         {with(rs, map[string]any{"p": nil}), "members are missing"},
		"another d":         {with(rs, map[string]any{"d": "AQAB"}), "do not belong together"},
		"primes of one":     {with(rs, map[string]any{"p": "AQ", "q": rs["n"]}), "do not belong together"},
		"no k":              {with(oct, map[string]any{"k": nil}), "another kind"},
		"k null":            {with(oct, map[string]any{"k": json.RawMessage("null")}), "another kind"},
		"k too short":       {with(oct, map[string]any{"k": "AAAA"}), "secret of 3 bytes"},
		"k of a public key": {with(oct, map[string]any{"k": b64([]byte(block("PUBLIC KEY", spki)))}), "no secret"},
		"for encryption":    {with(ed, map[string]any{"use": "enc"}), "use is not sig"},
		"to wrap keys":      {with(ed, map[string]any{"key_ops": []string{"wrapKey"}}), "key_ops"},
		"another alg":       {with(rs, map[string]any{"alg": "PS256"}), "alg is not RS256"},
		"HS256 with EC":     {with(ec, map[string]any{"alg": "HS256"}), "alg is not ES256"},
		"a kid too long":    {with(ed, map[string]any{"kid": strings.Repeat("x", 257)}), "kid has more"},
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "keys")
			if err := os.WriteFile(file, []byte(c.data), 0o600); err != nil {
				t.Fatal(err)
			}
			keys, err := ticket.LoadKeys(file)
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), file) || keys != nil {
				t.Fatalf("%d keys, %v, want something about %q", len(keys), err, c.want)
			}
			for line := range strings.Lines(c.data) {
				if line = strings.TrimSpace(line); len(line) > 12 && strings.Contains(err.Error(), line) {
					t.Errorf("the error repeats the file: %v", err)
				}
			}
		})
	}
}

func TestLoadKeysOfNoFile(t *testing.T) {
	for _, file := range []string{filepath.Join(t.TempDir(), "nobody"), t.TempDir()} {
		if _, err := ticket.OpenKeys(file); err == nil || !strings.Contains(err.Error(), file) {
			t.Errorf("%s: %v", file, err)
		}
	}
}

func TestNewKeyRefuses(t *testing.T) {
	even := &rsa.PublicKey{N: pairs()["RS256"][1].(*rsa.PublicKey).N, E: 4}
	for _, key := range []any{nil, "text", 7, ed25519.PublicKey("x"), ed25519.PrivateKey("x"), ed25519.PrivateKey(nil), &ecdsa.PublicKey{}, &rsa.PublicKey{}, &rsa.PrivateKey{}, even, []byte(nil)} {
		if k, err := ticket.NewKey(key); err == nil || k.Algorithm() != "" {
			t.Errorf("%T: %v, %v", key, k, err)
		}
	}
}

func TestSigner(t *testing.T) {
	public, private := newKey(t, pairs()["EdDSA"][1]), newKey(t, pairs()["RS256"][0])
	if k, err := (ticket.KeySet{public, private}).Signer(); err != nil || k.Algorithm() != "RS256" {
		t.Errorf("%s, %v", k.Algorithm(), err)
	}
	if _, err := (ticket.KeySet{public}).Signer(); err == nil {
		t.Error("a public key signs")
	}
}

// Verifying changes no set, however many do so at once.
func TestKeySetIsNotChanged(t *testing.T) {
	a, b := newKey(t, secret), newKey(t, pairs()["EdDSA"][1])
	a.ID, b.ID = "a", "b"
	set := ticket.KeySet{a, b}
	_, _ = set.Keys(t.Context(), "b")
	if ids := []string{set[0].ID, set[1].ID}; !slices.Equal(ids, []string{"a", "b"}) {
		t.Errorf("now %v", ids)
	}
}
