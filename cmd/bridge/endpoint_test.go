package main

import (
	"net"
	"testing"
)

// What nbd.ParseURI refuses is a mistake in how the command was called.
func TestParseEndpoint(t *testing.T) {
	const url = "nbds://Host/a%2Fb"
	if e := endpointOf(t, url); e.url != url || e.Address != "Host:10809" || e.Export != "a/b" {
		t.Errorf("got %+v", e)
	}
	_, err := parseEndpoint("host:10809")
	wantError(t, err, true, "host:10809", "nbd://HOST[:PORT]/EXPORT")
}

func TestDialEndpoint(t *testing.T) {
	address := newTarget(t, echo)
	for _, url := range []string{
		"nbd://" + address, newBridge(t, map[string]string{"lab": address}) + "lab", "nbd+unix:///?socket=" + unixEcho(t),
	} {
		e, err := parseEndpoint(url)
		if err != nil {
			t.Fatal(err)
		}
		c, err := e.dial(t.Context())
		if err != nil {
			t.Errorf("%s: %v", url, err)
			continue
		}
		b := []byte("x")
		_, _ = c.Write(b)
		if n, err := c.Read(b); n != 1 {
			t.Errorf("%s: no echo: %v", url, err)
		}
		c.Close()
	}
}

func unixEcho(t *testing.T) (path string) {
	t.Helper()
	path = t.TempDir() + "/s"
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		if c, err := l.Accept(); err == nil {
			echo(c)
			c.Close()
		}
	}()
	t.Cleanup(func() {
		l.Close()
		<-done
	})
	return path
}
