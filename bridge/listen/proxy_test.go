package listen_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"nbdbridge/bridge/listen"
)

// patience bounds what must happen soon; nothing waits for it when all is well.
const patience = 30 * time.Second

var loopback = listen.Proxies{Networks: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}, Unix: true}

// echo answers with the client's address and the immediate peer.
var echo = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
	fmt.Fprintf(w, "%s via %s", r.RemoteAddr, listen.Peer(r))
})

// serve answers requests at a listener until the test's end.
func serve(t *testing.T, l net.Listener, h http.Handler) {
	t.Helper()
	server := &http.Server{Handler: h, ConnContext: listen.ConnContext}
	var serving sync.WaitGroup
	serving.Go(func() { _ = server.Serve(l) })
	t.Cleanup(func() { server.Close(); serving.Wait() })
}

// connect dials a listener, from another loopback address if given.
func connect(t *testing.T, l net.Listener, from string) net.Conn {
	t.Helper()
	d := net.Dialer{Timeout: patience}
	if from != "" {
		d.LocalAddr = &net.TCPAddr{IP: net.ParseIP(from)}
	}
	c, err := d.Dial(l.Addr().Network(), l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	_ = c.SetDeadline(time.Now().Add(patience))
	t.Cleanup(func() { c.Close() })
	return c
}

const request = "GET / HTTP/1.1\r\nHost: bridge.example\r\nConnection: close\r\n\r\n"

// ask sends bytes at once and returns everything that comes back.
func ask(t *testing.T, c net.Conn, bytes string) string {
	t.Helper()
	if _, err := io.WriteString(c, bytes); err != nil {
		t.Fatal(err)
	}
	answer, err := io.ReadAll(c)
	if err != nil && !errors.Is(err, syscall.ECONNRESET) { // input that nobody read
		t.Fatal(err)
	}
	return string(answer)
}

// v2 is a header of version 2 (PROXY protocol, 2.2).
func v2(command, family byte, addresses ...byte) string {
	header := []byte("\r\n\r\n\x00\r\nQUIT\n")
	header = append(header, 0x20|command, family)
	header = binary.BigEndian.AppendUint16(header, uint16(len(addresses)))
	return string(append(header, addresses...))
}

var v2IPv4 = v2(1, 0x11, 192, 0, 2, 7, 192, 0, 2, 1, 0x30, 0x39, 0, 80)

func TestProxyProtocol(t *testing.T) {
	mapped := append(netip.MustParseAddr("::ffff:192.0.2.7").AsSlice(), make([]byte, 20)...)
	for _, c := range []struct{ name, header, want string }{
		{"1, IPv4", "PROXY TCP4 192.0.2.7 192.0.2.1 12345 80\r\n", "192.0.2.7:12345 via "},
		{"1, IPv6", "PROXY TCP6 2001:db8::7 2001:db8::1 12345 80\r\n", "[2001:db8::7]:12345 via "},
		{"1, unknown", "PROXY UNKNOWN\r\n", "PEER via PEER"},
		{"2, IPv4", v2IPv4, "192.0.2.7:12345 via PEER"},
		{"2, IPv4 in IPv6", v2(1, 0x21, mapped...), "192.0.2.7:0 via PEER"},
		{"2, with more after the addresses", v2(1, 0x11, 192, 0, 2, 7, 192, 0, 2, 1, 0x30, 0x39, 0, 80, 4, 0, 1, 0), "192.0.2.7:12345 via PEER"},
		{"2, Unix", v2(1, 0x31, make([]byte, 216)...), "unix via PEER"},
		{"2, local", v2(0, 0), "PEER via PEER"},
		{"2, local with addresses", v2(0, 0x11, 192, 0, 2, 7, 192, 0, 2, 1, 0x30, 0x39, 0, 80), "PEER via PEER"},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := open(t, "127.0.0.1:0", listen.Options{ProxyProtocol: loopback})
			serve(t, l, listen.Forwarded(listen.Proxies{}, echo))
			conn := connect(t, l, "")
			answer := ask(t, conn, c.header+request)
			if want := strings.ReplaceAll(c.want, "PEER", conn.LocalAddr().String()); !strings.Contains(answer, want) {
				t.Errorf("answer %q, want %q", answer, want)
			}
		})
	}
}

// Nothing is answered without a header that is good and whole.
func TestProxyProtocolIsDemanded(t *testing.T) {
	for name, header := range map[string]string{
		"none":             "",
		"bad address":      "PROXY TCP4 192.0.2.777 192.0.2.1 12345 80\r\n",
		"no line":          "PROXY TCP4 192.0.2.7 192.0.2.1 12345 80" + strings.Repeat(" ", 100),
		"other family":     v2(1, 0x51, make([]byte, 12)...),
		"other command":    v2(7, 0x11, make([]byte, 12)...),
		"addresses short":  v2(1, 0x11, make([]byte, 11)...),
		"much too long":    v2(1, 0x11, make([]byte, 65535)...),
		"second signature": "QUIT\n" + v2IPv4,
	} {
		t.Run(name, func(t *testing.T) {
			l := open(t, "127.0.0.1:0", listen.Options{ProxyProtocol: loopback})
			serve(t, l, echo)
			if answer := ask(t, connect(t, l, ""), header+request); answer != "" {
				t.Errorf("answered %q", answer)
			}
		})
	}
}

// A peer that is not to send a header can't make up an address.
func TestProxyProtocolFromOthers(t *testing.T) {
	l := open(t, "127.0.0.1:0", listen.Options{ProxyProtocol: loopback})
	serve(t, l, echo)
	for _, header := range []string{"PROXY TCP4 192.0.2.7 192.0.2.1 12345 80\r\n", v2IPv4} {
		if answer := ask(t, connect(t, l, "127.0.0.2"), header+request); !strings.HasPrefix(answer, "HTTP/1.1 400") {
			t.Errorf("a header from an unlisted peer: %q", answer)
		}
	}
	c := connect(t, l, "127.0.0.2")
	if answer, want := ask(t, c, request), c.LocalAddr().String()+" via 127.0.0.2:"; !strings.Contains(answer, want) {
		t.Errorf("answer %q, want %q", answer, want)
	}
}

// Others are served while a proxy says nothing, and it is not waited for
// longer than it has.
func TestSilentProxy(t *testing.T) {
	for _, secure := range []bool{false, true} {
		l := open(t, "127.0.0.1:0", listen.Options{ProxyProtocol: loopback, HeaderTimeout: time.Hour})
		inner := l
		if secure {
			inner = tls.NewListener(l, certificate(t))
		}
		serve(t, inner, echo)
		silent := connect(t, l, "")
		late := connect(t, l, "")
		_, _ = io.WriteString(late, "PROXY")
		for range 3 {
			c := connect(t, l, "")
			_, _ = io.WriteString(c, v2IPv4)
			if secure {
				c = tls.Client(c, &tls.Config{InsecureSkipVerify: true})
			}
			if answer := ask(t, c, request); !strings.Contains(answer, "192.0.2.7:12345 via 127.0.0.1:") {
				t.Errorf("behind a silent one: %q", answer)
			}
		}
		silent.Close()
	}
}

func certificate(t *testing.T) *tls.Config {
	t.Helper()
	server := httptest.NewUnstartedServer(nil)
	server.StartTLS()
	defer server.Close()
	return &tls.Config{Certificates: server.TLS.Certificates}
}

func TestHeaderTimeout(t *testing.T) {
	for _, begin := range []string{"", "P", v2IPv4[:20]} {
		l := open(t, "127.0.0.1:0", listen.Options{ProxyProtocol: loopback, HeaderTimeout: 20 * time.Millisecond})
		serve(t, l, echo)
		start := time.Now()
		if answer := ask(t, connect(t, l, ""), begin); answer != "" {
			t.Errorf("after %q: %q", begin, answer)
		}
		if took := time.Since(start); took > 4*time.Second { // the default is 5 s
			t.Errorf("after %q: cut after %s", begin, took)
		}
	}
}

// What the header's reading took along is read through the connection, and
// what is written may go past it.
func TestRaw(t *testing.T) {
	for _, address := range []string{"127.0.0.1:0", "unix:" + filepath.Join(t.TempDir(), "socket")} {
		l := open(t, address, listen.Options{ProxyProtocol: loopback})
		client := connect(t, l, "")
		early := strings.Repeat("early ", 20)
		_, _ = io.WriteString(client, v2IPv4+early)
		c, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		_ = c.SetDeadline(time.Now().Add(patience))
		got := make([]byte, len(early))
		if _, err := io.ReadFull(c, got); err != nil || string(got) != early {
			t.Fatalf("read %q, %v", got, err)
		}
		raw := c.(interface{ Raw() net.Conn }).Raw()
		switch raw.(type) {
		case *net.TCPConn, *net.UnixConn:
		default:
			t.Fatalf("underneath is a %T", raw)
		}
		_, _ = io.WriteString(raw, "spliced")
		if err := c.(interface{ CloseWrite() error }).CloseWrite(); err != nil {
			t.Error(err)
		}
		if answer, err := io.ReadAll(client); err != nil || string(answer) != "spliced" {
			t.Errorf("the client read %q, %v", answer, err)
		}
		_, _ = io.WriteString(client, "after")
		if n, err := io.ReadFull(c, got[:5]); err != nil || string(got[:n]) != "after" {
			t.Errorf("after CloseWrite: %q, %v", got[:n], err)
		}
	}
}

func TestProxyProtocolOverUnix(t *testing.T) {
	l := open(t, "unix:"+filepath.Join(t.TempDir(), "socket"), listen.Options{ProxyProtocol: loopback})
	serve(t, l, listen.Forwarded(loopback, echo))
	for header, want := range map[string]string{v2IPv4: "192.0.2.7:12345 via @", v2(0, 0): "unix via @"} {
		if answer := ask(t, connect(t, l, ""), header+request); !strings.Contains(answer, want) {
			t.Errorf("answer %q, want %q", answer, want)
		}
	}
}

func TestRefusedHeaderIsLogged(t *testing.T) {
	var log bytes.Buffer
	l := open(t, "127.0.0.1:0", listen.Options{
		ProxyProtocol: loopback,
		Log:           slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	})
	client := connect(t, l, "")
	_, _ = io.WriteString(client, request)
	c, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for range 2 {
		if n, err := c.Read(make([]byte, 10)); err == nil || n > 0 {
			t.Errorf("read %d bytes, %v", n, err)
		}
	}
	if _, err := c.Write([]byte("x")); err == nil {
		t.Error("wrote to a peer without a header")
	}
	if n := strings.Count(log.String(), "\n"); n != 1 || !strings.Contains(log.String(), client.LocalAddr().String()) {
		t.Errorf("the log is %q", log.String())
	}
}

// ConnContext finds the immediate peer behind TLS too.
func TestPeer(t *testing.T) {
	r := httptest.NewRequest("GET", "/", nil)
	if peer := listen.Peer(r); peer != nil {
		t.Errorf("a peer %v from nowhere", peer)
	}
	here, there := net.Pipe()
	defer here.Close()
	defer there.Close()
	ctx := listen.ConnContext(context.Background(), here)
	if peer := listen.Peer(r.WithContext(ctx)); peer != here.RemoteAddr() {
		t.Errorf("peer %v", peer)
	}
}

// A request that came by PROXY protocol is from whom that told, so that the
// clients of a proxy of connections can't forge X-Forwarded-For.
func TestForwardedThroughProxyProtocol(t *testing.T) {
	l := open(t, "127.0.0.1:0", listen.Options{ProxyProtocol: loopback})
	forwarded := listen.Proxies{Networks: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32"), netip.MustParsePrefix("10.0.0.0/8")}, Unix: true}
	serve(t, l, listen.Forwarded(forwarded, echo))
	header := "PROXY TCP4 %s 192.0.2.1 12345 80\r\nGET / HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 198.51.100.1\r\n\r\n"
	for from, want := range map[string]string{"192.0.2.7": "192.0.2.7:12345 via", "10.1.2.3": "198.51.100.1:0 via"} {
		c := connect(t, l, "")
		if _, err := fmt.Fprintf(c, header, from); err != nil {
			t.Fatal(err)
		}
		answer, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(answer.Body)
		if !strings.HasPrefix(string(body), want) {
			t.Errorf("told %s: %q, want %q", from, body, want)
		}
	}
}
