package nbd_test

import (
	"bytes"
	"crypto/tls"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"testing"
	"time"
)

func spaced(p [32]byte) string { return fmt.Sprintf("% x", p[:]) }

// send writes b, or fails the test.
func send(t testing.TB, c net.Conn, parts ...[]byte) {
	t.Helper()
	if _, err := c.Write(cat(parts...)); err != nil {
		t.Fatalf("sending %.40x: %v", cat(parts...), err)
	}
}

// expect reads exactly the bytes of want.
func expect(t testing.TB, c net.Conn, want []byte) {
	t.Helper()
	got := make([]byte, len(want))
	if n, err := io.ReadFull(c, got); err != nil || !bytes.Equal(got, want) {
		t.Fatalf("\n got %x\nwant %x\n%v", got[:n], want, err)
	}
}

// knock greets the server, sends an option and expects the reply.
func knock(t testing.TB, c net.Conn, option, reply []byte) {
	t.Helper()
	expect(t, c, greeting(3))
	send(t, c, u32(3))
	send(t, c, option)
	expect(t, c, reply)
}

// A reaction is what a server does about an option: the type of the final
// reply, or hung up.
type reaction uint32

const hungUp reaction = 0

// ask sends an option and returns the reaction, reading past what precedes
// the final reply.
func ask(t testing.TB, c net.Conn, opt uint32, data []byte) (reaction, []byte) {
	t.Helper()
	if _, err := c.Write(optionRequest(opt, data)); err != nil {
		return hungUp, nil
	}
	for {
		var h [20]byte
		if _, err := io.ReadFull(c, h[:]); err != nil {
			return hungUp, nil
		}
		if !bytes.Equal(h[:12], claim(opt, 0, 0)[:12]) {
			t.Fatalf("the reply to option %d begins with %x", opt, h)
		}
		body := make([]byte, binary.BigEndian.Uint32(h[16:]))
		if len(body) > 1<<16 {
			t.Fatalf("a reply of %d bytes", len(body))
		}
		if _, err := io.ReadFull(c, body); err != nil {
			t.Fatalf("a reply cut short: %v", err)
		}
		if typ := binary.BigEndian.Uint32(h[12:]); typ == repAck || typ&(1<<31) != 0 {
			return reaction(typ), body
		}
	}
}

// intoTLS greets and goes through STARTTLS.
func intoTLS(t testing.TB, c net.Conn) net.Conn {
	t.Helper()
	knock(t, c, optionRequest(optStartTLS, nil), optionReply(optStartTLS, repAck, nil))
	session := tls.Client(c, &tls.Config{RootCAs: ours().pool(), ServerName: serverName})
	if err := session.Handshake(); err != nil {
		t.Fatal(err)
	}
	return session
}

// ended tells that the server hangs up, without a word more.
func ended(t testing.TB, c net.Conn) {
	t.Helper()
	_ = c.SetReadDeadline(time.Now().Add(10 * time.Second))
	if n, err := c.Read(make([]byte, 1)); n != 0 || !isEnd(err) {
		t.Errorf("the server did not hang up: %d bytes, %v", n, err)
	}
}
