package main

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
)

// Connections that send nothing are bounded, before their first request and
// after an answer; those whose request is answered don't count, and neither do
// those that are gone.
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
	q := &silence{most: 1, log: log, silent: map[net.Conn]bool{}}
	begun, goOn := make(chan bool), make(chan bool)
	server := httptest.NewUnstartedServer(q.broken(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
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
