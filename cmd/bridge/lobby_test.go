package main

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
)

// Connections that send nothing are bounded, before their first request and
// after an answer; those whose request is answered don't count, and neither do
// those that are gone.
func TestSilence(t *testing.T) {
	log, book := newLog()
	q := newLobby(2, log)
	server := httptest.NewUnstartedServer(q.heard(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})))
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
			q.silent.mu.Lock()
			defer q.silent.mu.Unlock()
			return len(q.silent.members) == want
		})
	}
	first, second := dial(), dial()
	count(2)
	third := dial() // takes the place of one of them
	book.await(t, "level=WARN", "send no request", "limit=2")
	cut, left := first, second
	if served(first) {
		cut, left = second, first
	} else if !served(second) {
		t.Error("both were cut")
	}
	if n, err := cut.Read(make([]byte, 1)); n != 0 || err == nil {
		t.Error("one too many is kept")
	}
	if !served(third) {
		t.Error("the newcomer is not served")
	}
	count(2) // both wait for their next request
	left.Close()
	count(1)
	fourth := dial()
	count(2)
	fourth.Close()
	count(1)
	_, fifth := dial(), dial() // idle connections make room too
	count(2)
	if !served(fifth) {
		t.Error("the newcomer is not served beside idle connections")
	}
}

// A request under way is not cut, however many connections are silent.
func TestSilenceSparesRequests(t *testing.T) {
	log, _ := newLog()
	q := newLobby(1, log)
	begun, goOn := make(chan bool), make(chan bool)
	server := httptest.NewUnstartedServer(q.heard(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		begun <- true
		<-goOn
	})))
	server.Config.ConnState, server.Config.ConnContext = q.state, q.context
	server.Start()
	defer server.Close()
	address := server.Listener.Addr().String()
	answered := make(chan error, 1)
	go func() {
		answer, err := http.Get("http://" + address)
		if err == nil {
			answer.Body.Close()
		}
		answered <- err
	}()
	receive(t, begun)
	for range 3 {
		c, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
	}
	goOn <- true
	if err := receive(t, answered); err != nil {
		t.Error(err)
	}
}

// Answers that nobody takes are bounded too. An answer that was taken, and a
// session, take no place.
func TestLobbyBoundsAnswers(t *testing.T) {
	log, book := newLog()
	q := newLobby(2, log)
	begun, goOn := make(chan bool), make(chan bool)
	server := httptest.NewUnstartedServer(q.heard(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/session" {
			c, _, err := http.NewResponseController(w).Hijack()
			if err == nil {
				t.Cleanup(func() { c.Close() })
			}
			return
		}
		if r.URL.Path == "/stalls" {
			begun <- true
			<-goOn
		}
	})))
	server.Config.ConnState, server.Config.ConnContext = q.state, q.context
	server.Start()
	defer server.Close()
	answer := sync.OnceFunc(func() { close(goOn) })
	defer answer()
	ask := func(path string) net.Conn {
		t.Helper()
		c, err := net.Dial("tcp", server.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		_, _ = io.WriteString(c, "GET "+path+" HTTP/1.1\r\nHost: x\r\n\r\n")
		return c
	}
	count := func(want int) {
		t.Helper()
		await(t, func() bool {
			q.busy.mu.Lock()
			defer q.busy.mu.Unlock()
			return len(q.busy.members) == want
		})
	}
	ask("/session")
	_, _ = ask("/").Read(make([]byte, 1))
	count(0)
	for i := range 5 {
		ask("/stalls")
		receive(t, begun)
		count(min(i+1, 2))
	}
	book.await(t, "level=WARN", "don't take an answer", "limit=2")
	answer()
	count(0)
}
