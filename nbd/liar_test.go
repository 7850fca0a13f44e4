package nbd_test

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"nbdbridge/nbd"
)

// A liar is a server whose every byte a test decides. Its methods are for the
// goroutine that plays; one that can't go on ends the play.
type liar struct {
	conn     net.Conn // raw, or TLS over it
	raw      *recorder
	extended bool // headers, from GO on
}

type gone struct{}

func (l *liar) send(parts ...[]byte) {
	b := cat(parts...)
	if len(b) == 0 { // a pipe hands over nothing too, and waits for it to be taken
		return
	}
	if _, err := l.conn.Write(b); err != nil {
		panic(gone{})
	}
}

func (l *liar) recv(n int) []byte {
	b := make([]byte, n)
	if _, err := io.ReadFull(l.conn, b); err != nil {
		panic(gone{})
	}
	return b
}

// greet goes through the greeting of an honest server.
func (l *liar) greet() {
	l.send(greeting(3))
	l.recv(4)
}

func (l *liar) option() (opt uint32, data []byte) {
	h := l.recv(16)
	return binary.BigEndian.Uint32(h[8:]), l.recv(int(binary.BigEndian.Uint32(h[12:])))
}

// startTLS answers STARTTLS honestly.
func (l *liar) startTLS(cfg *tls.Config) {
	opt, _ := l.option()
	if opt != optStartTLS {
		panic(fmt.Sprintf("option %d before STARTTLS", opt))
	}
	l.send(optionReply(optStartTLS, repAck, nil))
	l.conn = tls.Server(l.raw, cfg)
}

// An offer is what a liar says honestly about its export.
type offer struct {
	size       uint64
	flags      uint16
	block      []byte // an information reply; nil for none
	structured bool
	extended   bool // headers
}

// open answers options until GO, which it acknowledges.
func (l *liar) open(o offer) {
	for {
		switch opt, _ := l.option(); {
		case opt == optStructured && o.structured:
			l.send(optionReply(opt, repAck, nil))
		case opt == optExtended && o.extended:
			l.extended = true
			l.send(optionReply(opt, repAck, nil))
		case opt == optSetMeta:
			l.send(metaContexts(opt, "base:allocation", "x-lab:seven"), optionReply(opt, repAck, nil))
		case opt == optGo:
			l.send(optionReply(opt, repInfo, infoExport(o.size, o.flags)))
			if o.block != nil {
				l.send(optionReply(opt, repInfo, o.block))
			}
			l.send(optionReply(opt, repAck, nil))
			return
		default:
			l.send(optionReply(opt, errUnsup, nil))
		}
	}
}

// A call is a request as the liar got it.
type call struct {
	flags, cmd     uint16
	cookie, offset uint64
	length         uint32
	payload        []byte
}

func (l *liar) request() (c call) {
	if l.extended {
		return l.extendedRequest()
	}
	h := l.recv(28)
	c = call{
		flags: binary.BigEndian.Uint16(h[4:]), cmd: binary.BigEndian.Uint16(h[6:]),
		cookie: binary.BigEndian.Uint64(h[8:]), offset: binary.BigEndian.Uint64(h[16:]), length: binary.BigEndian.Uint32(h[24:]),
	}
	if c.cmd == cmdWrite {
		c.payload = l.recv(int(c.length))
	}
	return c
}

// extendedRequest takes lengths that fit into 32 bits.
func (l *liar) extendedRequest() (c call) {
	h := l.recv(32)
	c = call{
		flags: binary.BigEndian.Uint16(h[4:]), cmd: binary.BigEndian.Uint16(h[6:]),
		cookie: binary.BigEndian.Uint64(h[8:]), offset: binary.BigEndian.Uint64(h[16:]), length: binary.BigEndian.Uint32(h[28:]),
	}
	if c.flags&(1<<5) != 0 {
		c.payload = l.recv(int(c.length))
	}
	return c
}

// against lets use talk to a server that plays. When the play is over the
// server stays and listens, so that leaving is the client's doing; a client
// that hangs, or leaks a goroutine, fails in the bubble. It returns the raw
// bytes that the client sent.
func against(t *testing.T, play func(*liar), use func(t *testing.T, ctx context.Context, c net.Conn)) (sent []byte) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		client, server := net.Pipe()
		l := &liar{raw: &recorder{Conn: server}}
		l.conn = l.raw
		over := make(chan struct{})
		go func() {
			defer close(over)
			defer server.Close()
			defer func() {
				if r := recover(); r != nil && r != any(gone{}) {
					t.Errorf("the play: %v", r)
				}
			}()
			play(l)
			_, _ = io.Copy(io.Discard, l.conn)
		}()
		use(t, t.Context(), client)
		client.Close()
		<-over
		l.raw.mu.Lock()
		defer l.raw.mu.Unlock()
		sent = l.raw.gotten
	})
	return sent
}

// promptly fails a test in which time passed: the verdict has to come from
// what the server said and not from a time limit.
func promptly(t *testing.T) func() {
	begin := time.Now()
	return func() {
		if d := time.Since(begin); d != 0 {
			t.Errorf("it took %v of waiting", d)
		}
	}
}

// negotiate goes through every option, and returns the first error.
func negotiate(ctx context.Context, c net.Conn, cfg *nbd.Config) error {
	client, err := nbd.NewClient(ctx, c, cfg)
	if err != nil {
		return err
	}
	if _, err := client.List(ctx); err != nil {
		return err
	}
	if _, err := client.Info(ctx, "x"); err != nil {
		return err
	}
	disk, err := client.Open(ctx, "x")
	if err != nil {
		return err
	}
	return disk.Close()
}
