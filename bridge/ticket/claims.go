package ticket

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/golang-jwt/jwt/v5"
)

// maxSessionAge keeps max_session_age within a time.Duration.
const maxSessionAge = 10 * 365 * 24 * time.Hour

// maxDate is the end of the year 9999, in seconds.
const maxDate = 253402300799

// A payload is the claims as they came. Their names are compared exactly, which
// the fields of a struct are not.
type payload map[string]json.RawMessage

// A claimError is a claim that can't be meant.
type claimError struct{ name, want string }

func (e *claimError) Error() string { return "the ticket's " + e.name + " is wrong: want " + e.want }

func (p payload) text(name string) (string, error) {
	raw, there := p[name]
	if !there {
		return "", nil
	}
	var s *string
	if err := json.Unmarshal(raw, &s); err != nil || s == nil || !isName(*s) {
		return "", &claimError{name, fmt.Sprintf("a text of 1 to %d bytes that can be printed", MaxText)}
	}
	return *s, nil
}

func isName(s string) bool {
	return s != "" && len(s) <= MaxText && !strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) })
}

// date reads a NumericDate (RFC 7519 section 2); nil where there is none.
func (p payload) date(name string) (*jwt.NumericDate, error) {
	raw, there := p[name]
	if !there {
		return nil, nil
	}
	var seconds *float64
	if err := json.Unmarshal(raw, &seconds); err != nil || seconds == nil || *seconds < 0 || *seconds > maxDate {
		return nil, &claimError{name, "a number of seconds since 1970"}
	}
	whole, part := math.Modf(*seconds)
	return &jwt.NumericDate{Time: time.Unix(int64(whole), int64(part*1e9))}, nil
}

// texts reads a list; a claim that is not there is an empty one.
func (p payload) texts(name string) ([]string, error) {
	raw, there := p[name]
	if !there {
		return nil, nil
	}
	var list []*string
	if err := json.Unmarshal(raw, &list); err != nil || slices.Contains(list, nil) {
		return nil, &claimError{name, "a list of texts"}
	}
	texts := make([]string, len(list))
	for i, s := range list {
		texts[i] = *s
	}
	return texts, nil
}

// GetExpirationTime and the methods below are what the library judges.
func (p payload) GetExpirationTime() (*jwt.NumericDate, error) { return p.date("exp") }

// GetIssuedAt is iat.
func (p payload) GetIssuedAt() (*jwt.NumericDate, error) { return p.date("iat") }

// GetNotBefore is nbf.
func (p payload) GetNotBefore() (*jwt.NumericDate, error) { return p.date("nbf") }

// GetIssuer is nobody: whose keys are trusted says who may issue.
func (p payload) GetIssuer() (string, error) { return "", nil }

// GetSubject is sub.
func (p payload) GetSubject() (string, error) { return p.text("sub") }

// GetAudience is aud, which may be one text or a list (RFC 7519 section 4.1.3).
func (p payload) GetAudience() (jwt.ClaimStrings, error) {
	if len(p["aud"]) > 0 && p["aud"][0] == '[' {
		return p.texts("aud")
	}
	s, err := p.text("aud")
	return jwt.ClaimStrings{s}, err
}

// claims reads what the library did not, of a payload that it found good.
func (p payload) claims(audience string) (c Claims, err error) {
	exp, err := p.date("exp")
	if err != nil {
		return Claims{}, err
	}
	c.Audience, c.Expires = audience, exp.Time
	var errs [4]error
	c.Principal, errs[0] = p.text("sub")
	c.ID, errs[1] = p.text("jti")
	c.Targets, errs[2] = p.texts("targets")
	c.MaxAge, errs[3] = p.age()
	for _, err := range errs {
		if err != nil {
			return Claims{}, err
		}
	}
	if err := c.check(); err != nil {
		return Claims{}, err
	}
	return c, nil
}

func (p payload) age() (time.Duration, error) {
	raw, there := p["max_session_age"]
	if !there {
		return 0, nil
	}
	var seconds *int64
	if err := json.Unmarshal(raw, &seconds); err != nil || seconds == nil || *seconds < 1 || *seconds > int64(maxSessionAge/time.Second) {
		return 0, errAge
	}
	return time.Duration(*seconds) * time.Second, nil
}

var errAge = &claimError{"max_session_age", "a whole number of seconds, from 1 to ten years"}

// check holds for tickets that are minted and for tickets that are verified.
func (c *Claims) check() error {
	switch {
	case len(c.Targets) == 0:
		return errors.New("the ticket lacks targets: it opens none")
	case len(c.Targets) > MaxTargets:
		return fmt.Errorf("the ticket names %d targets, and at most %d are accepted", len(c.Targets), MaxTargets)
	case slices.ContainsFunc(c.Targets, func(s string) bool { return !isName(s) }):
		return &claimError{"targets", fmt.Sprintf("a list of names of 1 to %d bytes each", MaxText)}
	case c.MaxAge < 0 || c.MaxAge > maxSessionAge || c.MaxAge%time.Second != 0:
		return errAge
	}
	return nil
}
