package main

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"sync"
)

// A silence knows the connections from which the headers of a request are
// awaited, of the first one or of the next: those cost a descriptor and memory,
// and no other limit counts them.
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

// state is for http.Server.
func (q *silence) state(c net.Conn, state http.ConnState) {
	switch state {
	case http.StateNew, http.StateIdle:
		q.enter(c)
	case http.StateClosed, http.StateHijacked:
		q.leave(c)
	}
}

// enter cuts another connection if there are too many, whichever: under attack
// that is most likely one of the attacker's, and a client that speaks at once
// is hardly ever hit.
func (q *silence) enter(c net.Conn) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.silent) < q.most {
		q.full = false
	} else if !q.full {
		q.full = true
		q.log.Warn("too many connections that send no request: some are cut", "limit", q.most)
	}
	for victim := range q.silent {
		if len(q.silent) < q.most {
			break
		}
		delete(q.silent, victim)
		cut(victim)
	}
	q.silent[c] = true
}

// cut closes the socket below TLS, which would want to say goodbye.
func cut(c net.Conn) {
	if secure, ok := c.(interface{ NetConn() net.Conn }); ok {
		c = secure.NetConn()
	}
	c.Close()
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
