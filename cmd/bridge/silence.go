package main

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"sync"
)

// A silence knows the connections that have not sent the headers of a first
// request: those cost a descriptor and memory, and no other limit counts them.
type silence struct {
	most int
	log  *slog.Logger

	mu     sync.Mutex
	silent map[net.Conn]bool
	full   bool // said so already
}

type silentKey struct{}

func (q *silence) context(ctx context.Context, c net.Conn) context.Context {
	return context.WithValue(ctx, silentKey{}, c)
}

// state is for http.Server. It closes a newcomer beyond the limit.
func (q *silence) state(c net.Conn, state http.ConnState) {
	switch state {
	case http.StateNew:
		if !q.enter(c) {
			c.Close()
		}
	case http.StateClosed, http.StateHijacked:
		q.leave(c)
	}
}

func (q *silence) enter(c net.Conn) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.silent) < q.most {
		q.silent[c] = true
		q.full = false
		return true
	}
	if !q.full {
		q.full = true
		q.log.Warn("too many connections that send no request: newcomers are cut", "limit", q.most)
	}
	return false
}

func (q *silence) leave(c net.Conn) {
	q.mu.Lock()
	defer q.mu.Unlock()
	delete(q.silent, c)
}

// broken is told of the headers of each request.
func (q *silence) broken(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if c, ok := r.Context().Value(silentKey{}).(net.Conn); ok {
			q.leave(c)
		}
		next.ServeHTTP(w, r)
	})
}
