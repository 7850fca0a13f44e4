package ticket

import (
	"net/http"
	"time"
)

// SetTransport takes the network's place.
func (j *JWKS) SetTransport(t http.RoundTripper) { j.client.Transport = t }

// Use is what Verify does with a good ticket.
func (o *Once) Use(id string, expires time.Time) error {
	return o.use(Claims{ID: id, Expires: expires})
}

// Len is how many are remembered.
func (o *Once) Len() int { return len(o.ids) }
