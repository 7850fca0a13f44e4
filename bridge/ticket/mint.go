package ticket

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// Mint signs a ticket. The key must be private or symmetric; audience, targets
// and expiry are required. What Verify would refuse is not minted.
func Mint(k Key, c Claims) (string, error) {
	if k.private == nil {
		return "", errors.New("a public key signs no tickets: give the private one, or a secret")
	}
	p, err := c.payload()
	if err != nil {
		return "", err
	}
	t := jwt.NewWithClaims(k.method, p)
	if k.ID != "" {
		t.Header["kid"] = k.ID
	}
	token, err := t.SignedString(k.private)
	if err != nil {
		return "", fmt.Errorf("signing: %w", err)
	}
	if err := CheckForm(token); err != nil {
		return "", err
	}
	return token, nil
}

// payload refuses what can't be said.
func (c *Claims) payload() (payload, error) {
	for name, text := range map[string]string{"principal": c.Principal, "audience": c.Audience, "ID": c.ID} {
		if text != "" && !isName(text) {
			return nil, fmt.Errorf("the %s has %d bytes, or some that can't be printed: want at most %d", name, len(text), MaxText)
		}
	}
	if c.Audience == "" {
		return nil, errors.New("the audience is missing: name the bridge that the ticket is for")
	}
	if seconds := c.Expires.Unix(); c.Expires.IsZero() || seconds < 0 || seconds > maxDate {
		return nil, errors.New("the expiry is missing, or no date that a ticket can have")
	}
	if err := c.check(); err != nil {
		return nil, err
	}
	return c.encode()
}

func (c *Claims) encode() (payload, error) {
	p := payload{}
	for name, value := range map[string]any{
		"sub": c.Principal, "aud": c.Audience, "targets": c.Targets, "exp": c.Expires.Unix(), "jti": c.ID, "max_session_age": int64(c.MaxAge / time.Second),
	} {
		if value == "" || value == int64(0) {
			continue
		}
		raw, err := json.Marshal(value)
		if err != nil {
			return nil, err
		}
		p[name] = raw
	}
	return p, nil
}
