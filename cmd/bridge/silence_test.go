package main

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
)

// Connections that send nothing are bounded; those that have sent a request
// don't count, and neither do those that are gone.
func TestSilence(t *testing.T) {
	log, book := newLog()
	q := &silence{most: 2, log: log, silent: map[net.Conn]bool{}}
	server := httptest.NewUnstartedServer(q.broken(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})))
	server.Config.ConnState, server.Config.ConnContext = q.state, q.context
	server.Start()
	defer server.Close()
	dial := func() net.Conn {
		t.Helper()
		c, err := net.Dial("tcp", server.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		return c
	}
	served := func(c net.Conn) bool {
		_, _ = io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
		n, _ := c.Read(make([]byte, 1))
		return n == 1
	}
	count := func(want int) {
		t.Helper()
		await(t, func() bool {
			q.mu.Lock()
			defer q.mu.Unlock()
			return len(q.silent) == want
		})
	}
	first, second := dial(), dial()
	count(2)
	if served(dial()) {
		t.Error("one too many is served")
	}
	book.await(t, "level=WARN", "send no request", "limit=2")
	if !served(first) {
		t.Error("the first is not served")
	}
	count(1)
	third := dial()
	count(2)
	if served(dial()) {
		t.Error("one too many is served again")
	}
	second.Close()
	third.Close()
	count(0)
	if !served(first) || !served(dial()) {
		t.Error("there is room, but nobody is served")
	}
}
