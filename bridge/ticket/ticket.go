// Package ticket makes and checks the short-lived tokens that admit a client to
// targets of a bridge.
//
// A ticket is a JWT (RFC 7519). A browser offers it as a WebSocket subprotocol,
// bearer.TOKEN, because it can set no other header; it never stands in a URL.
package ticket

import (
	"errors"
	"net/http"
	"time"
)

// Prefix stands before a ticket in the list of subprotocols.
const Prefix = "bearer."

// Claims are what a ticket says.
type Claims struct {
	Principal string        // sub: whom it admits, for logs and limits; may be ""
	Audience  string        // aud: the bridge that it is for
	Targets   []string      // targets: the names of the targets that it opens
	Expires   time.Time     // exp: no session may begin after it
	ID        string        // jti: names the ticket, so that it can be used once
	MaxAge    time.Duration // max_session_age, in whole seconds: how long a session may last; 0 is no bound
}

// A KeySource finds the key for a ticket.
type KeySource interface {
	// Keys are the candidates for a kid, which may be "".
	Keys(kid string) ([]Key, error)
}

// A Key checks tickets, and mints them if it is private or symmetric. Its
// algorithm is fixed by what kind of key it is, never by a ticket's header.
type Key struct{}

// LoadKeys reads a file: PEM (public or private keys), a JWK, a JWK set, or the
// raw bytes of a secret of at least 32 bytes for HS256.
func LoadKeys(path string) (KeySource, error) { return nil, errors.New("not yet") }

// A Verifier checks tickets for one bridge.
type Verifier struct {
	Keys     KeySource
	Audience string // required
	// Once, if not nil, refuses a ticket that was used before, or has no ID.
	Once *Once
}

// Once remembers the IDs of tickets until they expire. It outlives a Verifier,
// so that a changed configuration forgets nothing. The zero value is ready.
type Once struct{}

// ErrTarget is a good ticket that is not for this target.
var ErrTarget = errors.New("the ticket is not for this target")

// Verify checks a ticket for a target. A ticket for other targets is ErrTarget,
// and not used up.
func (v *Verifier) Verify(token, target string) (Claims, error) {
	return Claims{}, errors.New("not yet")
}

// FromRequest is the ticket that a request carries: the subprotocol
// bearer.TOKEN or the header "Authorization: Bearer TOKEN", which native clients
// can send. No ticket is "" and no error; two are an error.
func FromRequest(r *http.Request) (string, error) { return "", errors.New("not yet") }

// Mint signs a ticket.
func Mint(k Key, c Claims) (string, error) { return "", errors.New("not yet") }
