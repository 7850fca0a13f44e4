package ticket_test

import (
	"strings"
	"testing"
	"time"

	"nbdbridge/bridge/ticket"
)

func TestMintRefuses(t *testing.T) {
	base := ticket.Claims{Audience: audience, Targets: []string{"lab"}, Expires: time.Now().Add(time.Minute)}
	for want, change := range map[string]func(*ticket.Claims){
		"audience is missing":      func(c *ticket.Claims) { c.Audience = "" },
		"the principal has":        func(c *ticket.Claims) { c.Principal = "a\x00" },
		"the ID has 257 bytes":     func(c *ticket.Claims) { c.ID = strings.Repeat("x", 257) },
		"the expiry is missing":    func(c *ticket.Claims) { c.Expires = time.Time{} },
		"lacks targets":            func(c *ticket.Claims) { c.Targets = nil },
		"targets is wrong":         func(c *ticket.Claims) { c.Targets = []string{""} },
		"names 65 targets":         func(c *ticket.Claims) { c.Targets = append(make64("x"), "y") },
		"max_session_age is wrong": func(c *ticket.Claims) { c.MaxAge = time.Millisecond },
		"at most 8192 are":         func(c *ticket.Claims) { c.Targets = make64(strings.Repeat("x", ticket.MaxText)) },
	} {
		c := base
		change(&c)
		if token, err := ticket.Mint(newKey(t, secret), c); err == nil || !strings.Contains(err.Error(), want) || token != "" {
			t.Errorf("%s: %q, %v", want, token, err)
		}
	}
	for _, k := range []ticket.Key{{}, newKey(t, pairs()["EdDSA"][1])} {
		if _, err := ticket.Mint(k, base); err == nil || !strings.Contains(err.Error(), "public key signs no tickets") {
			t.Errorf("error %v", err)
		}
	}
}
