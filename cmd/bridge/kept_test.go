package main

import (
	"bufio"
	"crypto/tls"
	"io"
	"net/http"
	"strings"
	"testing"
)

// A connection that is kept alive does not outlive the authorities by which
// its client was admitted.
func TestRevokedWhileKeptAlive(t *testing.T) {
	for name, auth := range map[string]string{
		"required": "certificates: true", "not required": "certificates: true, header: {name: X-User, from: 192.0.2.1}", "no principal": "",
	} {
		t.Run(name, func(t *testing.T) {
			ca, other := newTestCA(t, "one"), newTestCA(t, "two")
			cert, key := ca.server(t)
			clients := newFile(t, "clients", ca.pem)
			file := newConfigFile(t, "listen: 127.0.0.1:0",
				"tls: {cert: "+newFile(t, "cert", cert)+", key: "+newFile(t, "key", key)+", clientCA: "+clients+"}",
				"auth: {"+auth+"}",
				"targets: {lab: {address: 'tcp://127.0.0.1:1'}}")
			b := startServe(t, "--config", file)
			c, err := tls.Dial("tcp", strings.TrimPrefix(b.base, "https://"), ca.trust(ca.client(t, "alice")))
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			in := bufio.NewReader(c)
			ask := func() string {
				t.Helper()
				_, _ = io.WriteString(c, "GET /nbd/lab HTTP/1.1\r\nHost: "+strings.TrimPrefix(b.base, "https://")+"\r\n\r\n")
				answer, err := http.ReadResponse(in, nil)
				if err != nil {
					t.Fatal(err)
				}
				_, _ = io.Copy(io.Discard, answer.Body)
				return answer.Status
			}
			if got := ask(); !strings.HasPrefix(got, "426") {
				t.Fatal(got)
			}
			overwrite(t, clients, other.pem)
			b.hangUp(t, "msg=reloaded")
			if got := ask(); !strings.HasPrefix(got, "403") {
				t.Error(got)
			}
		})
	}
}
