package main

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"nbdbridge/bridge"
	"nbdbridge/bridge/config"
	"nbdbridge/bridge/listen"
	"nbdbridge/bridge/ticket"
)

// A method is one way to tell who a client is. present is false for a client
// that shows no credential of this kind; err refuses one that does.
type method func(r *http.Request, target string) (grant bridge.Grant, present bool, err error)

type authorizer func(*http.Request, string) (bridge.Grant, error)

var errNoCredential = errors.New("the client presents no credential")

// authorize composes the methods that are on; with none it is nil, which admits
// everyone. The keyring that is returned with it ends with it; it may be the one
// of before.
func authorize(c *config.Config, once *ticket.Once, before *keyring) (authorizer, *keyring, error) {
	a := c.Auth
	if a.Methods() == 0 {
		return nil, nil, nil
	}
	var methods []method
	var keys *keyring
	if a.Tickets != (config.Tickets{}) {
		var err error
		if keys, err = newKeyring(a.Tickets, before); err != nil {
			return nil, nil, c.At("auth.tickets.keys", err)
		}
		methods = append(methods, byTicket(newVerifier(a.Tickets, keys, once)))
	}
	if a.Certificates {
		methods = append(methods, byCertificate)
	}
	if a.Header.On() {
		methods = append(methods, byHeader(a.Header.Name, proxies(a.Header.From)))
	}
	if a.Need == config.NeedAll {
		return all(methods), keys, nil
	}
	return first(methods), keys, nil
}

// first lets the first credential that is presented decide. A bad one is never
// made good by another.
func first(methods []method) authorizer {
	return func(r *http.Request, target string) (bridge.Grant, error) {
		for _, judge := range methods {
			if grant, present, err := judge(r, target); present || err != nil {
				return grant, err
			}
		}
		return bridge.Grant{}, errNoCredential
	}
}

// all wants every credential, of one client. The ticket comes last: judging it
// uses it up.
func all(methods []method) authorizer {
	return func(r *http.Request, target string) (all bridge.Grant, err error) {
		for i := len(methods) - 1; i >= 0; i-- {
			grant, present, err := methods[i](r, target)
			if err == nil && !present {
				err = errNoCredential
			}
			if err == nil {
				all, err = both(all, grant)
			}
			if err != nil {
				return bridge.Grant{}, err
			}
		}
		return all, nil
	}
}

// both is what two grants of one client come to.
func both(a, b bridge.Grant) (bridge.Grant, error) {
	if a.Principal != "" && b.Principal != "" && a.Principal != b.Principal {
		return bridge.Grant{}, fmt.Errorf("one credential is of %q, another of %q", a.Principal, b.Principal)
	}
	if a.Principal == "" {
		a.Principal = b.Principal
	}
	a.MaxAge = shorter(a.MaxAge, b.MaxAge)
	return a, nil
}

// shorter takes 0 for no bound.
func shorter(a, b time.Duration) time.Duration {
	if a == 0 || b != 0 && b < a {
		return b
	}
	return a
}

func byTicket(v *ticket.Verifier) method {
	return func(r *http.Request, target string) (bridge.Grant, bool, error) {
		claims, err := v.Admit(r, target)
		switch {
		case errors.Is(err, ticket.ErrMissing):
			return bridge.Grant{}, false, nil
		case errors.Is(err, ticket.ErrTarget):
			return bridge.Grant{}, true, fmt.Errorf("%w: %w", bridge.ErrForbidden, err)
		}
		return bridge.Grant{Principal: claims.Principal, MaxAge: claims.MaxAge}, true, err
	}
}

func newVerifier(t config.Tickets, keys *keyring, once *ticket.Once) *ticket.Verifier {
	v := &ticket.Verifier{Keys: keys.source, Audience: t.Audience}
	if t.Once {
		v.Once = once
	}
	return v
}

// maxPrincipal bounds the name that a certificate or a header gives, in bytes.
const maxPrincipal = 256

// byCertificate believes what the TLS handshake has verified.
func byCertificate(r *http.Request, _ string) (bridge.Grant, bool, error) {
	if r.TLS == nil || len(r.TLS.VerifiedChains) == 0 {
		return bridge.Grant{}, false, nil
	}
	name := r.TLS.VerifiedChains[0][0].Subject.CommonName
	if name == "" || len(name) > maxPrincipal {
		return bridge.Grant{}, true, errors.New("the client certificate's subject has no common name, or one that is too long")
	}
	return bridge.Grant{Principal: name}, true, nil
}

// byHeader believes the immediate peer, not whom that peer or PROXY protocol
// tells of. From anyone else the header means nothing.
func byHeader(name string, from listen.Proxies) method {
	return func(r *http.Request, _ string) (bridge.Grant, bool, error) {
		values := r.Header.Values(name)
		if len(values) == 0 || !from.Trusts(listen.Peer(r)) {
			return bridge.Grant{}, false, nil
		}
		principal := strings.TrimSpace(values[0])
		if len(values) > 1 || principal == "" || len(principal) > maxPrincipal {
			return bridge.Grant{}, true, fmt.Errorf("%s must stand once in a request and hold a name of at most %d bytes", name, maxPrincipal)
		}
		return bridge.Grant{Principal: principal}, true, nil
	}
}
