package main

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"sync"
)

// A lobby knows the connections that are no session: those cost a descriptor
// and memory, and no other limit counts them.
type lobby struct {
	silent crowd // the headers of a request are awaited, of the first or the next
	busy   crowd // a request is being answered
}

func newLobby(most int, log *slog.Logger) *lobby {
	return &lobby{
		silent: crowd{what: "send no request", most: most, log: log, members: map[net.Conn]bool{}},
		busy:   crowd{what: "don't take an answer", most: most, log: log, members: map[net.Conn]bool{}},
	}
}

type lobbyKey struct{}

func (l *lobby) context(ctx context.Context, c net.Conn) context.Context {
	return context.WithValue(ctx, lobbyKey{}, c)
}

// state is for http.Server.
func (l *lobby) state(c net.Conn, state http.ConnState) {
	switch state {
	case http.StateNew, http.StateIdle:
		l.busy.leave(c)
		l.silent.enter(c)
	case http.StateClosed, http.StateHijacked:
		l.busy.leave(c)
		l.silent.leave(c)
	}
}

// heard is told of the headers of each request.
func (l *lobby) heard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if c, ok := r.Context().Value(lobbyKey{}).(net.Conn); ok {
			l.silent.leave(c)
			l.busy.enter(c)
		}
		next.ServeHTTP(w, r)
	})
}

// A crowd is some connections, up to a number.
type crowd struct {
	what string // they do, for the log
	most int
	log  *slog.Logger

	mu      sync.Mutex
	members map[net.Conn]bool
	full    bool // said so already
}

// enter cuts another connection if there are too many, whichever: under attack
// that is most likely one of the attacker's, and a client that speaks at once
// is hardly ever hit.
func (q *crowd) enter(c net.Conn) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.members) < q.most {
		q.full = false
	} else if !q.full {
		q.full = true
		q.log.Warn("too many connections that "+q.what+": some are cut", "limit", q.most)
	}
	for victim := range q.members {
		if len(q.members) < q.most {
			break
		}
		delete(q.members, victim)
		cut(victim)
	}
	q.members[c] = true
}

// cut closes the socket below TLS, which would want to say goodbye.
func cut(c net.Conn) {
	if secure, ok := c.(interface{ NetConn() net.Conn }); ok {
		c = secure.NetConn()
	}
	c.Close()
}

func (q *crowd) leave(c net.Conn) {
	q.mu.Lock()
	defer q.mu.Unlock()
	delete(q.members, c)
}
