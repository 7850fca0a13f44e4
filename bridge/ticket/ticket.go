// Package ticket makes and checks the short-lived tokens that admit a client to
// targets of a bridge.
//
// A ticket is a JWT (RFC 7519) in the compact form of a JWS (RFC 7515). A
// browser offers it as a WebSocket subprotocol, bearer.TOKEN, because it can set
// no other header; it never stands in a URL. The errors of this package are for
// a log: they say what is wrong with a ticket, and never hold any of it.
package ticket

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"time"
)

// Prefix stands before a ticket in the list of subprotocols.
const Prefix = "bearer."

const (
	// MaxLength is what a ticket may have in bytes.
	MaxLength = 8 << 10
	// MaxTargets is how many targets one ticket may name.
	MaxTargets = 64
	// MaxText bounds each name in a ticket: principal, target and ID, in bytes.
	MaxText = 256
	// Leeway is how far the clocks of issuer and bridge may be apart.
	Leeway = 5 * time.Second
)

var (
	// ErrMissing is a request that carries no ticket at all.
	ErrMissing = errors.New("there is no ticket: the client must offer the subprotocol bearer.TOKEN, or send Authorization: Bearer TOKEN")
	// ErrTarget is a good ticket that is not for this target.
	ErrTarget = errors.New("the ticket is not for this target")
)

// Claims are what a ticket says (RFC 7519 section 4).
type Claims struct {
	Principal string        // sub: whom it admits, for logs and limits; may be ""
	Audience  string        // aud: the bridge that it is for
	Targets   []string      // targets: the names of the targets that it opens, at most MaxTargets
	Expires   time.Time     // exp: no session may begin after it, give or take Leeway
	ID        string        // jti: names the ticket, so that it can be used once; may be ""
	MaxAge    time.Duration // max_session_age, in whole seconds: how long a session may last; 0 is no bound
}

// A Verifier checks tickets for one bridge. Any number of goroutines may use it.
type Verifier struct {
	Keys     KeySource // required
	Audience string    // required: what aud must be, or hold, byte for byte
	// Once, if not nil, refuses a ticket that was used before, or has no ID.
	Once *Once
}

// Admit checks the ticket that a request carries for a target. A request
// without one is ErrMissing, a ticket for other targets ErrTarget. The context
// of the request bounds the wait for keys that must be fetched. Where a client
// is judged by more than its ticket, this belongs last: it uses the ticket up.
func (v *Verifier) Admit(r *http.Request, target string) (Claims, error) {
	token, err := FromRequest(r)
	if err != nil {
		return Claims{}, err
	}
	if token == "" {
		return Claims{}, ErrMissing
	}
	return v.Verify(r.Context(), token, target)
}

// Verify checks a ticket for a target, and uses it up if there is a Once. A
// ticket for other targets is ErrTarget, and not used up.
func (v *Verifier) Verify(ctx context.Context, token, target string) (Claims, error) {
	if v.Keys == nil || v.Audience == "" {
		return Claims{}, errors.New("tickets can't be checked: the verifier lacks its keys or its audience")
	}
	if err := CheckForm(token); err != nil {
		return Claims{}, err
	}
	claims, err := v.parse(ctx, token)
	if err != nil {
		return Claims{}, err
	}
	if !slices.Contains(claims.Targets, target) {
		return Claims{}, ErrTarget
	}
	if v.Once == nil {
		return claims, nil
	}
	if err := v.Once.use(claims); err != nil {
		return Claims{}, err
	}
	return claims, nil
}
