package main

import (
	"context"
	"fmt"
	"strings"
	"syscall/js"
)

// tickets are what a client shows to the bridge: the same one each time, none,
// or a fresh one for each connection from a function of the page's.
type tickets struct {
	fixed string
	ask   js.Value // returns a promise; undefined for the fixed one
}

// A TicketError is a function of the page's that gave no ticket.
type TicketError struct {
	Detail string
	Err    error // of the context, or nil
}

func (e *TicketError) Error() string { return "the function token " + e.Detail }

func (e *TicketError) Unwrap() error { return e.Err }

func (t tickets) renewed() bool { return t.ask.Type() == js.TypeFunction }

// next returns the ticket for one connection, or "". The context bounds it.
// What it returns is fit to be a part of a subprotocol's name.
func (t tickets) next(ctx context.Context) (string, error) {
	if !t.renewed() {
		return t.fixed, nil
	}
	v, err := awaitedUnder(ctx, func() js.Value { return t.ask.Invoke() })
	switch {
	case ctx.Err() != nil:
		return "", &TicketError{Detail: "gave none: " + context.Cause(ctx).Error(), Err: context.Cause(ctx)}
	case err != nil:
		return "", &TicketError{Detail: "failed: " + err.Error()}
	case v.Type() != js.TypeString:
		return "", &TicketError{Detail: fmt.Sprintf("gave no string but %v", v.Type())}
	case !isTicket(v.String()):
		return "", &TicketError{Detail: "gave a string that is no ticket: want letters, digits and . _ -"}
	}
	return v.String(), nil
}

// isTicket tells a string of letters, digits and . _ -, which is not empty.
func isTicket(s string) bool {
	return s != "" && strings.Trim(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-") == ""
}
