package ticket_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"nbdbridge/bridge/ticket"
)

const jwksURL = "https://issuer.example/keys?secret=SECRET"

// An issuer answers requests for keys without a network.
type issuer struct {
	mu       sync.Mutex
	requests int
	answer   func(*http.Request) (status int, body string, err error)
}

func (i *issuer) RoundTrip(r *http.Request) (*http.Response, error) {
	i.mu.Lock()
	i.requests++
	answer := i.answer
	i.mu.Unlock()
	status, body, err := answer(r)
	if err != nil {
		return nil, err
	}
	return &http.Response{StatusCode: status, Body: io.NopCloser(strings.NewReader(body)), Header: http.Header{}, Request: r}, nil
}

func (i *issuer) publish(answer func(*http.Request) (int, string, error)) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.answer = answer
}

func (i *issuer) asked() int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.requests
}

func serving(keys ...map[string]any) func(*http.Request) (int, string, error) {
	return func(*http.Request) (int, string, error) { return http.StatusOK, setOf(keys...), nil }
}

func down(*http.Request) (int, string, error) { return 0, "", errors.New("connection refused") }

func setOf(keys ...map[string]any) string {
	b, _ := json.Marshal(map[string]any{"keys": keys})
	return string(b)
}

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

// okp is the JWK of the pairs' Ed25519 key under a kid.
func okp(kid string) map[string]any {
	return map[string]any{"kty": "OKP", "crv": "Ed25519", "kid": kid, "x": b64(pairs()["EdDSA"][1].(ed25519.PublicKey))}
}

func newJWKS(t *testing.T, i *issuer) *ticket.JWKS {
	t.Helper()
	j, err := ticket.NewJWKS(jwksURL)
	if err != nil {
		t.Fatal(err)
	}
	j.SetTransport(i)
	return j
}

func wantKeys(t *testing.T, j ticket.KeySource, kid string, n int) {
	t.Helper()
	keys, err := j.Keys(t.Context(), kid)
	if err != nil || len(keys) != n {
		t.Errorf("kid %q: %d keys, %v, want %d", kid, len(keys), err, n)
	}
}

func wantNoKeys(t *testing.T, j ticket.KeySource, kid, text string) {
	t.Helper()
	keys, err := j.Keys(t.Context(), kid)
	if err == nil || len(keys) > 0 || !strings.Contains(err.Error(), text) || strings.Contains(err.Error(), "SECRET") {
		t.Errorf("kid %q: %d keys, %v, want something about %q", kid, len(keys), err, text)
	}
}

func wantAsked(t *testing.T, i *issuer, n int) {
	t.Helper()
	synctest.Wait()
	if got := i.asked(); got != n {
		t.Errorf("the issuer was asked %d times, want %d", got, n)
	}
}

func TestJWKSIsFetchedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i := &issuer{answer: serving(okp("a"), okp("b"))}
		j := newJWKS(t, i)
		defer j.Close()
		wantAsked(t, i, 0)
		for range 3 {
			wantKeys(t, j, "a", 1)
			wantKeys(t, j, "", 2)
		}
		wantAsked(t, i, 1)
	})
}

// Whoever makes up kids makes the bridge ask the issuer no more often.
func TestJWKSUnknownKid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i := &issuer{answer: serving(okp("a"))}
		j := newJWKS(t, i)
		defer j.Close()
		wantKeys(t, j, "a", 1)
		i.publish(serving(okp("b")))
		wantKeys(t, j, "b", 0)
		time.Sleep(ticket.JWKSInterval - time.Nanosecond)
		wantKeys(t, j, "b", 0)
		wantAsked(t, i, 1)
		time.Sleep(time.Nanosecond)
		wantKeys(t, j, "a", 1) // known keys need no fetch
		wantAsked(t, i, 1)
		wantKeys(t, j, "b", 1)
		wantKeys(t, j, "c", 0)
		wantKeys(t, j, "a", 0) // it was taken back
		wantAsked(t, i, 2)
	})
}

func TestJWKSSingleFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		i := &issuer{answer: func(*http.Request) (int, string, error) {
			<-release
			return http.StatusOK, setOf(okp("a")), nil
		}}
		j := newJWKS(t, i)
		defer j.Close()
		var waiting sync.WaitGroup
		for range 10 {
			waiting.Go(func() { wantKeys(t, j, "a", 1) })
		}
		wantAsked(t, i, 1)
		close(release)
		waiting.Wait()
		wantAsked(t, i, 1)
	})
}

func TestJWKSGrowsOld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i := &issuer{answer: serving(okp("a"))}
		j := newJWKS(t, i)
		defer j.Close()
		wantKeys(t, j, "a", 1)
		time.Sleep(ticket.JWKSMaxAge)
		i.publish(serving(okp("b")))
		wantKeys(t, j, "a", 1) // nobody waits for the new ones
		wantAsked(t, i, 2)
		wantKeys(t, j, "a", 0)
	})
}

func TestJWKSOutlivesItsSource(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i := &issuer{answer: serving(okp("a"))}
		j := newJWKS(t, i)
		defer j.Close()
		wantKeys(t, j, "a", 1)
		i.publish(down)
		for n := range 3 {
			time.Sleep(ticket.JWKSMaxAge)
			wantKeys(t, j, "a", 1)
			wantAsked(t, i, 2+n)
		}
		wantNoKeys(t, j, "b", "connection refused")
	})
}

func TestJWKSDownAtFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i := &issuer{answer: down}
		j := newJWKS(t, i)
		defer j.Close()
		for range 3 {
			wantNoKeys(t, j, "a", "https://issuer.example/keys: connection refused")
		}
		wantAsked(t, i, 1)
		i.publish(serving(okp("a")))
		time.Sleep(ticket.JWKSInterval)
		wantKeys(t, j, "a", 1)
	})
}

func hang(r *http.Request) (int, string, error) {
	<-r.Context().Done()
	return 0, "", r.Context().Err()
}

func TestJWKSTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := newJWKS(t, &issuer{answer: hang})
		defer j.Close()
		begun := time.Now()
		wantNoKeys(t, j, "a", "deadline exceeded")
		if waited := time.Since(begun); waited != ticket.JWKSTimeout {
			t.Errorf("it took %v", waited)
		}
	})
}

// A caller that gives up leaves the fetch to the others.
func TestJWKSCallerGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i := &issuer{answer: func(*http.Request) (int, string, error) {
			time.Sleep(5 * time.Second)
			return http.StatusOK, setOf(okp("a")), nil
		}}
		j := newJWKS(t, i)
		defer j.Close()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := j.Keys(ctx, "a"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error %v", err)
		}
		wantKeys(t, j, "a", 1)
		wantAsked(t, i, 1)
	})
}

func TestJWKSClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i := &issuer{answer: hang}
		j := newJWKS(t, i)
		var waiting sync.WaitGroup
		waiting.Go(func() { wantNoKeys(t, j, "a", "is closed") })
		wantAsked(t, i, 1)
		begun := time.Now()
		j.Close()
		waiting.Wait()
		if waited := time.Since(begun); waited != 0 {
			t.Errorf("Close took %v", waited)
		}
		wantNoKeys(t, j, "a", "is closed")
		j.Close()
		wantAsked(t, i, 1)
	})
}

func TestJWKSBadAnswers(t *testing.T) {
	private := okp("a")
	private["d"] = b64(pairs()["EdDSA"][0].(ed25519.PrivateKey).Seed())
	oct := map[string]any{"kty": "oct", "k": b64(secret)}
	for name, c := range map[string]struct {
		status     int
		body, want string
	}{
		"not found":        {404, "SECRET", "status 404"},
		"no content":       {204, "", "status 204"},
		"no JSON":          {200, "<html>", "no JWK set"},
		"no keys":          {200, `{"keys": []}`, "without a key"},
		"a secret":         {200, setOf(oct), "was published"},
		"a private key":    {200, setOf(private), "was published"},
		"too many":         {200, setOf(make([]map[string]any, 65)...), "65 keys"},
		"too large":        {200, strings.Repeat(" ", 256<<10) + setOf(okp("a")), "more than 256 KiB"},
		"a redirect alone": {302, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			j := newJWKS(t, &issuer{answer: func(*http.Request) (int, string, error) { return c.status, c.body, nil }})
			defer j.Close()
			wantNoKeys(t, j, "", c.want)
		})
	}
}

// Keys for other things and keys of the future spoil nothing.
func TestJWKSPassesOver(t *testing.T) {
	ec := pairs()["ES256"][1].(*ecdsa.PublicKey)
	point, err := ec.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	encryption := okp("enc")
	encryption["use"] = "enc"
	i := &issuer{answer: serving(
		map[string]any{"kty": "PQ", "kid": "x"}, map[string]any{"kty": "oct", "k": b64(secret), "kid": "x"}, nil, encryption,
		map[string]any{"kty": "EC", "crv": "P-256", "kid": "e", "x": b64(point[1:33]), "y": b64(point[33:])}, okp("a"),
	)}
	j := newJWKS(t, i)
	defer j.Close()
	wantKeys(t, j, "", 2)
	wantKeys(t, j, "e", 1)
	wantKeys(t, j, "x", 0)
}

func TestJWKSAddresses(t *testing.T) {
	for location, want := range map[string]string{
		"https://issuer.example/keys":                "",
		"http://127.0.0.1:1/keys":                    "",
		"http://[::1]/":                              "",
		"http://localhost/":                          "",
		"http://issuer.example/keys?SECRET":          "want https",
		"http://10.0.0.1/":                           "want https",
		"http://127.0.0.1.SECRET.example?SECRET":     "want https",
		"https://":                                   "want https://HOST",
		"https:///keys":                              "want https://HOST",
		"https://issuer.example/keys#SECRET":         "want https://HOST",
		"https://user:SECRET@issuer.example/":        "user and password",
		"https://issuer.example/%zz?SECRET":          "want https://HOST",
		"http://localhost.issuer.example/":           "want https",
		"http://user:SECRET@issuer.example/?SECRET#": "user and password",
	} {
		source, err := ticket.OpenKeys(location)
		if want == "" {
			if err != nil {
				t.Errorf("%s: %v", location, err)
				continue
			}
			source.Close()
			continue
		}
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(strings.ReplaceAll(err.Error(), ".SECRET.example", ""), "SECRET") {
			t.Errorf("%s: %v, want something about %q", location, err, want)
		}
	}
}

func TestJWKSRedirects(t *testing.T) {
	elsewhere := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		t.Error("the other host was asked")
		fmt.Fprint(w, setOf(okp("a")))
	}))
	defer elsewhere.Close()
	mux := http.NewServeMux()
	mux.Handle("/away", http.RedirectHandler(elsewhere.URL, http.StatusFound))
	mux.Handle("/near", http.RedirectHandler("/keys", http.StatusFound))
	mux.Handle("/round", http.RedirectHandler("/round?SECRET", http.StatusFound))
	mux.HandleFunc("/keys", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, setOf(okp("a"))) })
	server := httptest.NewServer(mux)
	defer server.Close()
	for path, want := range map[string]string{"/keys": "", "/near": "", "/away?SECRET": "another host", "/round?SECRET": "more than 3 times"} {
		j, err := ticket.NewJWKS(server.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		if want == "" {
			wantKeys(t, j, "a", 1)
		} else {
			wantNoKeys(t, j, "a", want)
		}
		j.Close()
	}
}

func TestJWKSOfAnImpostor(t *testing.T) {
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, setOf(okp("a"))) }))
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	defer server.Close()
	j, err := ticket.NewJWKS(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	wantNoKeys(t, j, "a", "certificate")
}
