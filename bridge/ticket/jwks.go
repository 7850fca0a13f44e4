package ticket

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"
)

const (
	// JWKSMaxAge is how old a set of keys may be before it is fetched again, in
	// the background.
	JWKSMaxAge = 15 * time.Minute
	// JWKSInterval is the least time between two fetches, whatever tickets come
	// and whether the source answers or not. Refetch does not wait for it.
	JWKSInterval = 30 * time.Second
	// JWKSTimeout bounds one fetch.
	JWKSTimeout = 10 * time.Second

	maxRedirects = 3
)

// JWKS are the keys that an issuer publishes as a JWK set (RFC 7517 section 5).
type JWKS struct {
	url    *url.URL
	client *http.Client

	mu      sync.Mutex
	closed  bool
	keys    KeySet        // the last good set; nil before
	err     error         // why the last fetch failed
	fetched time.Time     // when keys came
	tried   time.Time     // when the last fetch began
	flight  chan struct{} // closed when the fetch that is under way has ended; nil if none is
	cancel  context.CancelFunc
}

// NewJWKS reads keys from an https URL; http does for loopback addresses alone.
// They are fetched when the first ticket comes, kept for JWKSMaxAge and beyond
// it while the source is down, and fetched anew when a ticket has an unknown
// kid, at most once in JWKSInterval. Secret keys in the set are passed over.
func NewJWKS(location string) (*JWKS, error) {
	u, err := url.Parse(location)
	if err != nil || u.Host == "" || u.Fragment != "" {
		return nil, errors.New("the address of a JWK set: want https://HOST/PATH")
	}
	if u.User != nil {
		return nil, errors.New("the address of a JWK set: user and password have no place in it")
	}
	if u.Scheme != "https" && (u.Scheme != "http" || !isLoopback(u.Hostname())) {
		return nil, fmt.Errorf("the JWK set at %s: want https, since whoever could change it on the way could issue tickets; http is for loopback addresses", shown(u))
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.DisableKeepAlives = true
	transport.MaxResponseHeaderBytes = 64 << 10
	return &JWKS{url: u, client: &http.Client{Transport: transport, CheckRedirect: sameHost}}, nil
}

func isLoopback(host string) bool {
	return host == "localhost" || net.ParseIP(host).IsLoopback()
}

// sameHost keeps keys from coming from elsewhere.
func sameHost(r *http.Request, via []*http.Request) error {
	if from := via[0].URL; r.URL.Scheme != from.Scheme || r.URL.Host != from.Host {
		return errors.New("it redirects to another host, which is not followed: give the address that it redirects to")
	}
	if len(via) > maxRedirects {
		return fmt.Errorf("it redirects more than %d times", maxRedirects)
	}
	return nil
}

// shown is a URL as errors may name it: a query may hold a secret.
func shown(u *url.URL) string { return u.Scheme + "://" + u.Host + u.Path }

// Keys waits for a fetch only where it has no key for the kid.
func (j *JWKS) Keys(ctx context.Context, kid string) ([]Key, error) {
	keys, flight, err := j.look(ctx, kid)
	if flight == nil {
		return keys, err
	}
	select {
	case <-flight:
		keys, _, err = j.look(ctx, kid)
		return keys, err
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// look finds keys, and starts what must be fetched. With a flight to wait for,
// there are none.
func (j *JWKS) look(ctx context.Context, kid string) (keys []Key, flight chan struct{}, err error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.closed {
		return nil, nil, errors.New("the source of keys is closed")
	}
	keys, _ = j.keys.Keys(ctx, kid)
	if len(keys) == 0 || time.Since(j.fetched) >= JWKSMaxAge {
		j.refresh()
	}
	switch {
	case len(keys) > 0:
		return keys, nil, nil
	case j.flight != nil:
		return nil, j.flight, nil
	}
	return nil, nil, j.err // the last fetch failed, or there is no such key
}

// refresh begins a fetch, unless one is under way or was just made. j.mu is held.
func (j *JWKS) refresh() {
	if j.flight != nil || !j.tried.IsZero() && time.Since(j.tried) < JWKSInterval {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), JWKSTimeout)
	j.tried, j.flight, j.cancel = time.Now(), make(chan struct{}), cancel
	go j.fly(ctx)
}

// Refetch fetches the keys now, in the background, for who knows that they have
// changed. Until new ones come the old ones stay.
func (j *JWKS) Refetch() {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.closed {
		return
	}
	j.tried = time.Time{}
	j.refresh()
}

// fly makes one fetch; Close cancels it and waits for it.
func (j *JWKS) fly(ctx context.Context) {
	keys, err := j.fetch(ctx)
	j.mu.Lock()
	defer j.mu.Unlock()
	j.cancel()
	if j.err = err; err == nil {
		j.keys, j.fetched = keys, time.Now()
	}
	close(j.flight)
	j.flight = nil
}

func (j *JWKS) fetch(ctx context.Context) (KeySet, error) {
	keys, err := j.get(ctx)
	if failed := (*url.Error)(nil); errors.As(err, &failed) {
		err = failed.Err // its text has the query
	}
	if err != nil {
		return nil, fmt.Errorf("the JWK set at %s: %w", shown(j.url), err)
	}
	return keys, nil
}

func (j *JWKS) get(ctx context.Context) (KeySet, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, j.url.String(), nil)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Accept", "application/jwk-set+json, application/json")
	answer, err := j.client.Do(request)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("it answered with status %d", answer.StatusCode)
	}
	data, err := io.ReadAll(io.LimitReader(answer.Body, maxKeyBytes+1))
	if err != nil {
		return nil, err
	}
	if len(data) > maxKeyBytes {
		return nil, fmt.Errorf("it has more than %d KiB", maxKeyBytes>>10)
	}
	return parseJWKs(data, false)
}

// Close ends a fetch that is under way. Keys fails from then on.
func (j *JWKS) Close() {
	j.mu.Lock()
	j.closed = true
	flight := j.flight
	if flight != nil {
		j.cancel()
	}
	j.mu.Unlock()
	if flight != nil {
		<-flight
	}
}
