package nbd_test

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"nbdbridge/nbd"
)

// Too many clients are closed without a word, and room is made by those who leave.
func TestMaxConnections(t *testing.T) {
	var lines bytes.Buffer
	srv := testServer(nil)
	srv.MaxConnections = 2
	srv.Log = slog.New(slog.NewTextHandler(&lines, nil))
	first, leave := serve(t, srv)
	expect(t, first, greeting(3))
	second, _ := serve(t, srv)
	expect(t, second, greeting(3))
	for range 3 {
		c, verdict := serve(t, srv)
		ended(t, c)
		if err := verdict(); !errors.Is(err, nbd.ErrTooManyConnections) {
			t.Errorf("the third: %v", err)
		}
	}
	first.Close()
	_ = leave()
	third, _ := serve(t, srv)
	expect(t, third, greeting(3))
	if log := lines.String(); strings.Count(log, "nbd client refused") != 3 {
		t.Errorf("the log says:\n%s", log)
	}
}

// A transmission may rest for as long as it likes between requests, and not
// for more than a minute amid one: neither in the header nor in a payload,
// not in one that is drained either, nor by not reading a reply.
func TestStalledClients(t *testing.T) {
	for name, play := range map[string]struct {
		m     manner
		begin []byte
		ends  bool
	}{
		"resting":                   {simpleReplies, nil, false},
		"a byte of a header":        {simpleReplies, request(0, cmdRead, 1, 0, 1)[:1], true},
		"most of a header":          {extendedHeaders, extendedHeaders.request(0, cmdRead, 1, 0, 1)[:31], true},
		"no payload":                {simpleReplies, request(0, cmdWrite, 1, 0, 9), true},
		"a part of a payload":       {extendedHeaders, extendedHeaders.request(0, cmdWrite, 1, 0, 9, make([]byte, 9)...)[:36], true},
		"a payload that is drained": {extendedHeaders, extendedHeaders.request(0, 99, 1, 0, 9, make([]byte, 9)...)[:36], true},
		"a write that is refused":   {simpleReplies, cat(request(0, cmdWrite, 1, 1<<40, 9), make([]byte, 5)), true},
		"a reply that is not read":  {structuredReplies, request(0, cmdRead, 1, 0, 50), true},
		"a part of a reply":         {simpleReplies, nil, true},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, wait func()) {
				c, verdict := begun(t, testServer(pattern(1000)), "vda", play.m)
				time.Sleep(100 * time.Hour) // rested
				if len(play.begin) > 0 {
					send(t, c, play.begin)
				}
				if name == "a part of a reply" {
					send(t, c, request(0, cmdRead, 1, 0, 50))
					expect(t, c, simple(0, 1)[:7])
				}
				begin := time.Now()
				if !play.ends {
					time.Sleep(100 * time.Hour)
					send(t, c, request(0, cmdRead, 7, 0, 1))
					expect(t, c, simple(0, 7, 0))
					return
				}
				if err := verdict(); err == nil {
					t.Error("the server is content")
				}
				if d := time.Since(begin); d != time.Minute {
					t.Errorf("it took %v", d)
				}
			})
		})
	}
}

// A slow client that makes progress is served: what counts is each piece.
func TestSlowClient(t *testing.T) {
	inBubble(t, func(t *testing.T, wait func()) {
		const piece, pieces = 64 << 10, 5
		disk := make([]byte, piece*pieces)
		c, _ := begun(t, testServer(disk), "vda", simpleReplies)
		send(t, c, request(0, cmdWrite, 7, 0, piece*pieces))
		for i := range pieces {
			time.Sleep(50 * time.Second)
			send(t, c, bytes.Repeat([]byte{byte(i + 1)}, piece))
		}
		expect(t, c, simple(0, 7))
		for i := range pieces {
			if disk[i*piece] != byte(i+1) || disk[(i+1)*piece-1] != byte(i+1) {
				t.Errorf("piece %d is wrong", i)
			}
		}
	})
}

// A client that sends a byte now and then does not hold a request for ever.
func TestDripFedPayload(t *testing.T) {
	inBubble(t, func(t *testing.T, wait func()) {
		c, verdict := begun(t, testServer(make([]byte, 1<<20)), "vda", simpleReplies)
		send(t, c, request(0, cmdWrite, 7, 0, 1<<20))
		begin := time.Now()
		for {
			if _, err := c.Write([]byte{0}); err != nil {
				break
			}
			time.Sleep(time.Second)
		}
		if d := time.Since(begin); d > 62*time.Second || verdict() == nil {
			t.Errorf("it took %v", d)
		}
	})
}

// An option that drips in has the time of the whole negotiation and no more,
// and other clients do not notice.
func TestDripFedOption(t *testing.T) {
	inBubble(t, func(t *testing.T, wait func()) {
		srv := testServer(pattern(100))
		slow, verdict := serve(t, srv)
		expect(t, slow, greeting(3))
		begin := time.Now()
		send(t, slow, u32(3), []byte("IHAVEOPT"), u32(99), u32(16<<20))
		for {
			if _, err := slow.Write([]byte{0}); err != nil {
				break
			}
			c, _ := serve(t, srv)
			expect(t, c, greeting(3))
			c.Close()
			time.Sleep(time.Second)
		}
		if d := time.Since(begin); d > 31*time.Second || verdict() == nil {
			t.Errorf("it took %v", d)
		}
	})
}

// All the options of a negotiation together have a limit too.
func TestNegotiationBytes(t *testing.T) {
	c, verdict := serve(t, testServer(nil))
	expect(t, c, greeting(3))
	send(t, c, u32(3))
	n := 0
	for data := make([]byte, 16<<20); n < 100; n++ {
		if got, _ := ask(t, c, 99, data); got == hungUp {
			break
		}
	}
	if n != 4 || verdict() == nil {
		t.Errorf("%d options of 16 MiB were answered", n)
	}
}

// Lengths that broke other servers, in every length field of every option.
// The session is in step afterwards, or over; memory is not taken for it.
func TestLengthFields(t *testing.T) {
	before := allocated()
	for _, n := range []uint32{0, 1, 255, 256, 257, 4095, 4096, 4097, 65535, math.MaxInt32, 1 << 31, math.MaxUint32 - 1, math.MaxUint32} {
		some := make([]byte, min(n, 5000))
		for i := range some {
			some[i] = 'n'
		}
		for name, data := range map[string][]byte{
			"info name":    cat(u32(n), some, u16(0)),
			"info name, 2": cat(u32(n), u16(0)),
			"info count":   cat(u32(0), u16(uint16(n)), some),
			"meta name":    cat(u32(n), some, u32(0)),
			"meta count":   cat(u32(0), u32(n), some),
			"meta query":   cat(u32(0), u32(1), u32(n), some),
			"meta query 2": cat(u32(0), u32(2), u32(0), u32(n), some),
		} {
			for _, opt := range []uint32{optList, optInfo, optGo, optListMeta, optSetMeta, optStructured, optExtended, optStartTLS, 4, 99} {
				c, _ := serve(t, testServer(nil))
				expect(t, c, greeting(3))
				send(t, c, u32(3))
				if opt != optStructured {
					_, _ = ask(t, c, optStructured, nil)
				}
				got, text := ask(t, c, opt, data)
				if got == hungUp || len(text) > 4096 {
					t.Errorf("option %d, %s %d: %#x with %d bytes", opt, name, n, got, len(text))
				}
				if opt != optGo || got != repAck {
					if got, _ := ask(t, c, optList, nil); got != repAck {
						t.Errorf("option %d, %s %d: LIST afterwards: %#x", opt, name, n, got)
					}
				}
				c.Close()
			}
		}
		for _, opt := range []uint32{optExportName, optList, optInfo, optGo, optListMeta, optSetMeta, optStructured, optExtended, optStartTLS, optAbort, 99} {
			srv := testServer(nil)
			srv.Legacy = true
			c, _ := serve(t, srv)
			expect(t, c, greeting(3))
			send(t, c, u32(3), []byte("IHAVEOPT"), u32(opt), u32(n))
			if n > 16<<20 {
				ended(t, c)
			}
			c.Close()
		}
	}
	if used := allocated() - before; used > 1<<30 {
		t.Errorf("%d bytes were allocated", used)
	}
}

// Whatever the order of the options, each is answered and the stream in step.
func TestRandomOptionSequences(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 150 {
		srv := modeServer(nbd.SelectiveTLS, r.IntN(2) == 0)
		raw, _ := serve(t, srv)
		expect(t, raw, greeting(3))
		send(t, raw, u32(3))
		c := raw
		var history []uint32
		for range 1 + r.IntN(40) {
			row := modeTable[r.IntN(len(modeTable))]
			if row.opt == optExportName || row.opt == optAbort {
				continue
			}
			history = append(history, row.opt)
			got, _ := ask(t, c, row.opt, row.data)
			if got == hungUp {
				t.Fatalf("hung up after %v", history)
			}
			if got == repAck && row.opt == optStartTLS {
				c = inside(raw)
			}
			if got == repAck && row.opt == optGo {
				send(t, c, make([]byte, 4)) // no request, in any framing
				break
			}
		}
		raw.Close()
	}
}

// The end of the TLS session without ABORT or DISC ends the connection too.
func TestCloseNotify(t *testing.T) {
	for _, stage := range []string{"negotiation", "transmission"} {
		inBubble(t, func(t *testing.T, wait func()) {
			srv := testServer(pattern(100))
			srv.TLS = serverTLS(serverCert())
			far, verdict := serve(t, srv)
			raw := slack(t, far)
			knock(t, raw, optionRequest(optStartTLS, nil), optionReply(optStartTLS, repAck, nil))
			session := inside(raw)
			if stage == "transmission" {
				if got, _ := ask(t, session, optGo, exportRequest("vda")); got != repAck {
					t.Fatal(got)
				}
			}
			if err := session.CloseWrite(); err != nil && stage == "transmission" {
				t.Fatal(err)
			}
			if stage == "negotiation" { // the handshake is lazy
				_ = session.Handshake()
				_ = session.CloseWrite()
			}
			go func() { _, _ = io.Copy(io.Discard, raw) }()
			begin := time.Now()
			_ = verdict()
			if d := time.Since(begin); d > 5*time.Second {
				t.Errorf("%s: the session lived for %v", stage, d)
			}
		})
	}
}
