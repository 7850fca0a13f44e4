package ticket

import (
	"errors"
	"net/http"
	"strings"
)

// FromRequest is the ticket that a request carries: the subprotocol
// bearer.TOKEN or the header "Authorization: Bearer TOKEN" (RFC 6750 section
// 2.1), which native clients can send. No ticket is "" and no error; two are an
// error, and so is what can't be a ticket. Authorization by other schemes is
// none of its business.
func FromRequest(r *http.Request) (string, error) {
	tokens := append(fromSubprotocols(r.Header), fromAuthorization(r.Header)...)
	if len(tokens) == 0 {
		return "", nil
	}
	if len(tokens) > 1 {
		return "", errors.New("the request carries more than one ticket: want one, as a subprotocol or as Authorization")
	}
	if err := CheckForm(tokens[0]); err != nil {
		return "", err
	}
	return tokens[0], nil
}

func fromSubprotocols(h http.Header) (tokens []string) {
	for _, line := range h.Values("Sec-WebSocket-Protocol") {
		for name := range strings.SplitSeq(line, ",") {
			if token, ok := strings.CutPrefix(strings.Trim(name, " \t"), Prefix); ok {
				tokens = append(tokens, token)
			}
		}
	}
	return tokens
}

func fromAuthorization(h http.Header) (tokens []string) {
	for _, value := range h.Values("Authorization") {
		if scheme, token, _ := strings.Cut(value, " "); strings.EqualFold(scheme, "Bearer") {
			tokens = append(tokens, strings.Trim(token, " "))
		}
	}
	return tokens
}
