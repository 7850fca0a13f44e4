package ticket_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"nbdbridge/bridge/ticket"
)

func request(headers http.Header) *http.Request {
	r := httptest.NewRequest(http.MethodGet, "/nbd/lab", nil)
	r.Header = headers
	return r
}

const protocol, authorization = "Sec-Websocket-Protocol", "Authorization"

func TestFromRequest(t *testing.T) {
	for name, c := range map[string]struct {
		headers http.Header
		want    string
	}{
		"nothing":          {http.Header{}, ""},
		"nbd alone":        {http.Header{protocol: {"nbd"}}, ""},
		"a subprotocol":    {http.Header{protocol: {"nbd, bearer.a.b-_.c"}}, "a.b-_.c"},
		"in front":         {http.Header{protocol: {"bearer.a.b.c,nbd"}}, "a.b.c"},
		"on another line":  {http.Header{protocol: {"nbd", "\tbearer.a.b.c "}}, "a.b.c"},
		"a header":         {http.Header{authorization: {"Bearer a.b.c"}}, "a.b.c"},
		"in lower case":    {http.Header{authorization: {"bearer  a.b.c "}}, "a.b.c"},
		"another scheme":   {http.Header{authorization: {"Basic a.b.c"}}, ""},
		"besides":          {http.Header{authorization: {"Basic x"}, protocol: {"bearer.a.b.c"}}, "a.b.c"},
		"another prefix":   {http.Header{protocol: {"Bearer.a.b.c, xbearer.a.b.c, bearer"}}, ""},
		"in a cookie":      {http.Header{"Cookie": {"bearer=a.b.c"}}, ""},
		"a header nothing": {http.Header{authorization: {""}}, ""},
	} {
		if got, err := ticket.FromRequest(request(c.headers)); got != c.want || err != nil {
			t.Errorf("%s: %q, %v, want %q", name, got, err, c.want)
		}
	}
	r := request(http.Header{})
	r.URL.RawQuery = "token=a.b.c&bearer=a.b.c"
	if got, err := ticket.FromRequest(r); got != "" || err != nil {
		t.Errorf("from a query: %q, %v", got, err)
	}
}

func TestFromRequestRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		headers http.Header
		want    string
	}{
		"two":                 {http.Header{protocol: {"bearer.SECRET.b.c, bearer.a.b.c"}}, "more than one"},
		"the same twice":      {http.Header{protocol: {"bearer.SECRET.b.c", "bearer.SECRET.b.c"}}, "more than one"},
		"one of each":         {http.Header{protocol: {"bearer.SECRET.b.c"}, authorization: {"Bearer SECRET.b.c"}}, "more than one"},
		"two headers":         {http.Header{authorization: {"Bearer SECRET.b.c", "Bearer SECRET.b.c"}}, "more than one"},
		"an empty one":        {http.Header{protocol: {"bearer."}}, "is no JWT"},
		"an empty header":     {http.Header{authorization: {"Bearer"}}, "is no JWT"},
		"other letters":       {http.Header{protocol: {"bearer.SECRET.b.c!"}}, "is no JWT"},
		"padding":             {http.Header{authorization: {"Bearer SECRET.b.c=="}}, "is no JWT"},
		"two words":           {http.Header{authorization: {"Bearer SECRET.b.c d"}}, "is no JWT"},
		"an opaque token":     {http.Header{protocol: {"bearer.SECRET"}}, "is no JWT"},
		"more than a ticket":  {http.Header{protocol: {"bearer." + strings.Repeat("A", ticket.MaxLength+1)}}, "8193 bytes"},
		"more than a ticket2": {http.Header{authorization: {"Bearer " + strings.Repeat("A", 1<<20)}}, "1048576 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := ticket.FromRequest(request(c.headers))
			if wantRefusal(t, err, "SECRET", c.want); got != "" {
				t.Errorf("%q was returned", got)
			}
		})
	}
}

func TestAdmit(t *testing.T) {
	v := verifier(t, secret)
	v.Once = new(ticket.Once)
	headers := http.Header{protocol: {"nbd, " + ticket.Prefix + mint(t, "1", time.Minute)}}
	if _, err := v.Admit(request(headers), "other"); !errors.Is(err, ticket.ErrTarget) {
		t.Errorf("for another target: %v", err)
	}
	if c, err := v.Admit(request(headers), "lab"); err != nil || c.ID != "1" {
		t.Errorf("%+v, %v", c, err)
	}
	if _, err := v.Admit(request(headers), "lab"); err == nil {
		t.Error("it was taken twice")
	}
	if _, err := v.Admit(request(http.Header{}), "lab"); !errors.Is(err, ticket.ErrMissing) {
		t.Errorf("without a ticket: %v", err)
	}
	if _, err := v.Admit(request(http.Header{protocol: {"bearer.x"}}), "lab"); err == nil || errors.Is(err, ticket.ErrMissing) {
		t.Errorf("with a bad one: %v", err)
	}
}
