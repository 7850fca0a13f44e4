package main

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/coder/websocket"

	"nbdbridge/bridge"
)

// A running bridge was started by a command line; log is its standard error.
type running struct {
	base  string
	admin string // address of the admin listener, if it is TCP
	log   logBook
	stop  func() int // gives the exit code; may be called again
}

// startServe runs `bridge serve` with arguments in this process.
func startServe(t *testing.T, args ...string) *running {
	t.Helper()
	return startServeWith(t, regexp.MustCompile(`msg=serving url=(\S+)`), args...)
}

// startServeWith knows how the log tells the URL.
func startServeWith(t *testing.T, told *regexp.Regexp, args ...string) *running {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	before := os.Stderr
	os.Stderr = w
	book, code := make(logBook, 1<<12), -1
	var reading sync.WaitGroup
	reading.Go(func() {
		for lines := bufio.NewScanner(r); lines.Scan(); {
			book <- lines.Text()
		}
	})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan int, 1)
	go func() { ended <- run(ctx, append([]string{"serve"}, args...)) }()
	stop := sync.OnceValue(func() int {
		cancel()
		code = receive(t, ended)
		os.Stderr = before
		w.Close()
		reading.Wait()
		r.Close()
		return code
	})
	t.Cleanup(func() { stop() })
	b := &running{log: book, stop: stop}
	for said := ""; b.base == ""; {
		select {
		case line := <-book:
			said += line + "\n"
			if m := told.FindStringSubmatch(line); m != nil {
				b.base = m[1]
			}
			if m := operatorsAddress.FindStringSubmatch(line); m != nil {
				b.admin = m[1]
			}
		case code := <-ended:
			ended <- code
			stop()
			t.Fatalf("it ended with code %d: %s", code, said+book.rest())
		}
	}
	return b
}

var operatorsAddress = regexp.MustCompile(`msg="serving the operator" listen=(\S+)`)

// hangUp tells this process to reload, and awaits what the log says then.
func (r *running) hangUp(t *testing.T, texts ...string) {
	t.Helper()
	r.signal(t)
	r.log.await(t, texts...)
}

func (r *running) signal(t *testing.T) {
	t.Helper()
	this, err := os.FindProcess(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	if err := this.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
}

// overwrite changes a file as editors do: the name stands for the old or the
// new content, never for half of it.
func overwrite(t *testing.T, file, content string) {
	t.Helper()
	fresh := filepath.Join(t.TempDir(), "fresh")
	if err := os.WriteFile(fresh, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(fresh, file); err != nil {
		t.Fatal(err)
	}
}

// A visitor is a client of a running bridge.
type visitor struct {
	header    http.Header
	ticket    string
	tls       *tls.Config
	transport *http.Transport // in place of one with tls
}

// visit opens a session, which was admitted if err is nil.
func (v visitor) visit(t *testing.T, base, target string) (*websocket.Conn, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	transport := v.transport
	if transport == nil {
		transport = &http.Transport{TLSClientConfig: v.tls}
	}
	transport.DisableKeepAlives = true
	protocols := []string{bridge.Subprotocol}
	if v.ticket != "" {
		protocols = append(protocols, "bearer."+v.ticket)
	}
	c, answer, err := websocket.Dial(ctx, base+"/nbd/"+target, &websocket.DialOptions{
		Subprotocols: protocols, HTTPHeader: v.header, HTTPClient: &http.Client{Transport: transport},
	})
	if err != nil {
		if answer != nil {
			err = fmt.Errorf("%s: %w", answer.Status, err)
		}
		return nil, err
	}
	t.Cleanup(func() { _ = c.CloseNow() })
	return c, echoes(ctx, c)
}

// echoes sends a byte, and wants it back.
func echoes(ctx context.Context, c *websocket.Conn) error {
	if err := c.Write(ctx, websocket.MessageBinary, []byte("x")); err != nil && websocket.CloseStatus(err) == -1 {
		_ = err // the close frame tells why
	}
	_, got, err := c.Read(ctx)
	if err == nil && string(got) != "x" {
		return fmt.Errorf("%q came back", got)
	}
	return err
}

// A testCA issues certificates.
type testCA struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pem  string
}

func newTestCA(t *testing.T, name string) *testCA {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	ca := demoTemplate(name)
	ca.IsCA, ca.BasicConstraintsValid, ca.KeyUsage = true, true, x509.KeyUsageCertSign
	der, err := x509.CreateCertificate(rand.Reader, ca, ca, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return &testCA{ca, key, pemText("CERTIFICATE", der)}
}

// server issues a certificate for localhost.
func (ca *testCA) server(t *testing.T) (cert, key string) {
	t.Helper()
	cert, key, err := issue(ca.cert, ca.key, "localhost", x509.ExtKeyUsageServerAuth)
	if err != nil {
		t.Fatal(err)
	}
	return cert, key
}

// client is who shows a certificate of this authority under a name.
func (ca *testCA) client(t *testing.T, name string) tls.Certificate {
	t.Helper()
	cert, key, err := issue(ca.cert, ca.key, name, x509.ExtKeyUsageClientAuth)
	if err != nil {
		t.Fatal(err)
	}
	pair, err := tls.X509KeyPair([]byte(cert), []byte(key))
	if err != nil {
		t.Fatal(err)
	}
	return pair
}

// trust believes servers of this authority, and shows certificates.
func (ca *testCA) trust(own ...tls.Certificate) *tls.Config {
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM([]byte(ca.pem))
	return &tls.Config{RootCAs: pool, ServerName: "localhost", Certificates: own}
}

// newConfigFile writes lines with tabs in place of their indentation.
func newConfigFile(t *testing.T, lines ...string) string {
	t.Helper()
	return newFile(t, "bridge.yaml", strings.Join(lines, "\n"))
}

// newTicks paces a condition that is asked for over and over.
func newTicks(t *testing.T) func() {
	t.Helper()
	end, ticker := time.Now().Add(patience), time.NewTicker(10*time.Millisecond)
	t.Cleanup(ticker.Stop)
	return func() {
		t.Helper()
		if <-ticker.C; time.Now().After(end) {
			t.Fatal("it never came to be")
		}
	}
}
