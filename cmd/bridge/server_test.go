package main

import (
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// What has not said who it is by a request is bounded in bytes and time.
func TestServerLimits(t *testing.T) {
	b := startServe(t, "--listen", "127.0.0.1:0", "--target", "a=tcp://"+newTarget(t, echo), "--drain", "0",
		"--header-bytes", "1KiB", "--header-timeout", "100ms")
	r, err := http.NewRequestWithContext(t.Context(), "GET", b.base+"/nbd/a", nil)
	if err != nil {
		t.Fatal(err)
	}
	for size, want := range map[int]int{100: http.StatusUpgradeRequired, 8 << 10: http.StatusRequestHeaderFieldsTooLarge} {
		r.Header.Set("X-Filler", strings.Repeat("x", size))
		answer, err := oneRequest.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		if answer.StatusCode != want {
			t.Errorf("%d bytes of headers: %s", size, answer.Status)
		}
	}
	c, err := net.Dial("tcp", strings.TrimPrefix(b.base, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(4 * time.Second)); err != nil { // below the default
		t.Fatal(err)
	}
	if n, err := c.Read(make([]byte, 1)); n != 0 || err == nil || isTimeout(err) {
		t.Errorf("a silent connection: %d bytes, error %v", n, err)
	}
}

func isTimeout(err error) bool {
	timeout, ok := err.(net.Error)
	return ok && timeout.Timeout()
}
