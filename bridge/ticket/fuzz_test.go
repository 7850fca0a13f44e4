package ticket_test

import (
	"net/http"
	"slices"
	"testing"

	"nbdbridge/bridge/ticket"
)

// FuzzVerify looks for a token that is accepted and was not signed as it is,
// for claims beyond the limits, and for panics.
func FuzzVerify(f *testing.F) {
	v := verifier(f, secret, pairs()["EdDSA"][1], pairs()["ES256"][1], pairs()["RS256"][1])
	issued := []string{signed(f, nil, good(nil)), signed(f, map[string]any{"kid": "k"}, good(map[string]any{"sub": "alice", "jti": "1", "max_session_age": 60}))}
	for _, token := range append(issued,
		"..", "a.b.c", "eyJhbGciOiJub25lIn0.e30.", signed(f, map[string]any{"crit": []string{"x"}}, good(nil)),
		signed(f, nil, good(map[string]any{"exp": 1e300, "aud": []any{nil}, "targets": []any{1}}))) {
		f.Add(token, "lab")
	}
	f.Fuzz(func(t *testing.T, token, target string) {
		c, err := v.Verify(t.Context(), token, target)
		if err != nil {
			return
		}
		if !slices.Contains(issued, token) || c.Audience != audience || !slices.Contains(c.Targets, target) || len(c.Targets) > ticket.MaxTargets {
			t.Errorf("%q for %q was accepted as %+v", token, target, c)
		}
	})
}

// FuzzParseKeys looks for keys that are of no algorithm, and for panics.
func FuzzParseKeys(f *testing.F) {
	for _, c := range keyFiles(f) {
		if c.want != "RS256s" { // whose primes take a second to check under the fuzzer
			f.Add([]byte(c.data))
		}
	}
	f.Add([]byte("-----BEGIN PUBLIC KEY-----\n-----END PUBLIC KEY-----\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		keys, err := ticket.ParseKeys(data)
		if (err == nil) != (len(keys) > 0) || len(keys) > 64 {
			t.Errorf("%d keys, %v", len(keys), err)
		}
		for _, k := range keys {
			if !slices.Contains([]string{"HS256", "EdDSA", "ES256", "RS256"}, k.Algorithm()) {
				t.Errorf("a key for %q", k.Algorithm())
			}
		}
	})
}

// FuzzFromRequest looks for a ticket of letters that no ticket has.
func FuzzFromRequest(f *testing.F) {
	f.Add("nbd, bearer.a.b.c", "Basic x")
	f.Add("", "bearer a.b.c")
	f.Fuzz(func(t *testing.T, protocols, authorisation string) {
		token, err := ticket.FromRequest(request(http.Header{protocol: {protocols}, authorization: {authorisation}}))
		if err != nil && token != "" || len(token) > ticket.MaxLength {
			t.Errorf("%q, %v", token, err)
		}
	})
}
