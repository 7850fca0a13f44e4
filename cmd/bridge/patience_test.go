package main

import (
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"nbdbridge/bridge/config"
)

// knock sends the beginning of a request, and returns what comes up to the end
// of the connection.
func knock(t *testing.T, base, request string) string {
	t.Helper()
	address := base[strings.LastIndex(base, "/")+1:]
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(patience))
	fmt.Fprintf(c, request, address)
	answer, err := io.ReadAll(c)
	if err != nil {
		t.Errorf("%q: %v", request, err)
	}
	return string(answer)
}

// Whoever does not finish a request is cut, whichever part of it is missing. A
// session is none.
func TestRequestsThatNeverEnd(t *testing.T) {
	b := startServe(t, "--listen", "127.0.0.1:0", "--target", "a=tcp://"+newTarget(t, echo), "--header-timeout", "100ms", "--drain", "0")
	session, err := visitor{}.visit(t, b.base, "a")
	if err != nil {
		t.Fatal(err)
	}
	for _, request := range []string{
		"GET / HTTP/1.1\r\nHost: %s",
		"GET / HTTP/1.1\r\nHost: %s\r\nContent-Length: 10\r\n\r\n",
		"GET /nbd/a HTTP/1.1\r\nHost: %s\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n",
	} {
		knock(t, b.base, request)
	}
	if err := echoes(t.Context(), session); err != nil {
		t.Errorf("the session, which is older than the time limit: %v", err)
	}
}

// No state of a connection is without an end.
func TestServerHasTimeouts(t *testing.T) {
	server := (&site{config: &config.Config{}, log: slog.New(slog.DiscardHandler)}).server()
	for name, d := range map[string]time.Duration{
		"header": server.ReadHeaderTimeout, "request": server.ReadTimeout, "answer": server.WriteTimeout, "idle": server.IdleTimeout,
	} {
		if d <= 0 || d > 5*time.Minute {
			t.Errorf("%s: %v", name, d)
		}
	}
}

// What any client can cause does not fill a disk.
func TestServersLogIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, book := newLog()
		said := (&site{config: &config.Config{}, log: log}).server().ErrorLog
		for range 200 {
			said.Print("http: TLS handshake error from 192.0.2.1:1: EOF")
		}
		if n := strings.Count(book.rest(), "level=WARN"); n != 10 {
			t.Errorf("%d lines", n)
		}
		time.Sleep(time.Second)
		said.Print("once more")
		said.Print("and again")
		if got := book.rest(); missing(got, "once more", "omitted=190", "and again") != "" || strings.Count(got, "omitted") != 1 {
			t.Error(got)
		}
	})
}
