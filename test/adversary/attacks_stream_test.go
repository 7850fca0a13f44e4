package adversary

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"nbdbridge/nbd"
)

// requestLimit is the users' bound for a request where a bridge may stall.
const requestLimit = 30 * time.Second

// streamAttacks are done to the bytes once TLS has begun.
var streamAttacks = []attack{
	{"A11_truncation", []play{
		{name: "between_records", do: eachRecord(func(b *bridge, m message) []byte { b.cut(); return nil }, foundOutAtOnce)},
		{name: "inside_records", do: eachRecord(func(b *bridge, m message) []byte {
			to := b.client
			if m.up {
				to = b.server
			}
			_, _ = to.Write(m.data[:len(m.data)/2])
			b.cut()
			return nil
		}, foundOutAtOnce)},
	}},
	{"A12_altered_records", []play{
		{name: "body", do: eachRecord(flip(func(n int) int { return n / 2 }), foundOut)},
		{name: "last_byte", do: eachRecord(flip(func(n int) int { return n - 1 }), foundOut)},
		{name: "type", do: eachRecord(flip(func(int) int { return 0 }), foundOut)},
		{name: "each_byte_of_a_reply", do: eachVersion(eachByte)},
		{name: "duplicated", do: eachRecord(func(_ *bridge, m message) []byte { return cat(m.data, m.data) }, foundOut)},
		{name: "dropped", do: eachRecord(func(*bridge, message) []byte { return nil }, foundOut)},
		{name: "reordered", do: reordered},
	}},
	{"A15_renegotiation", []play{
		{name: "HelloRequest_in_clear", do: eachVersion(inject(false, record(recordHandshake, []byte{0, 0, 0, 0})))},
		{name: "ClientHello_in_clear", do: eachVersion(inject(true, record(recordHandshake, []byte{1, 0, 0, 0})))},
	}},
	{"A16_record_flood", []play{
		{name: "empty_records_in_clear", do: eachVersion(inject(false, flood(record(recordData, nil))))},
		{name: "empty_records_to_the_server", do: eachVersion(inject(true, flood(record(recordData, nil))))},
		{name: "ChangeCipherSpec", do: eachVersion(inject(false, flood(record(recordCCS, []byte{1}))))},
		{name: "ChangeCipherSpec_to_the_server", do: eachVersion(inject(true, flood(record(recordCCS, []byte{1}))))},
		{name: "alert_in_clear", do: eachVersion(inject(false, record(recordAlert, []byte{1, 0})))},
	}},
	{"A21_stall", []play{
		{name: "each_message", do: stallAnywhere},
		{name: "drip", scene: scene{alter: drip}, want: timedOut},
		{name: "drip_in_transmission", do: dripInTransmission},
	}},
	{"A26_close_after_write", []play{
		{name: "outcome_unknown", do: closeAfterWrite},
	}},
}

// eachRecord does something to each TLS record of a session, one session for
// each, in both directions and both versions of TLS.
func eachRecord(do func(b *bridge, m message) []byte, want verdict) func(t *testing.T) {
	return func(t *testing.T) {
		eachVersion(func(t *testing.T, version uint16) {
			for _, up := range []bool{true, false} {
				for nth := 0; ; nth++ {
					o, done := doTo(t, version, up, nth, do)
					if !done {
						if nth < 4 {
							t.Errorf("only %d records were attacked", nth)
						}
						break
					}
					if wrong := want(o); wrong != "" {
						t.Errorf("record %d, up %v: %s: %v (the server: %v)", nth, up, wrong, o.err, o.served)
					}
				}
			}
		})(t)
	}
}

// doTo does something to one record, unless the user's first requests were
// answered by then. In TLS 1.3 ChangeCipherSpec means nothing: such a record
// is let through.
func doTo(t *testing.T, version uint16, up bool, nth int, do func(b *bridge, m message) []byte) (o outcome, done bool) {
	var over, did, meaningless atomic.Bool
	cfg := requiring()
	cfg.RequestTimeout = requestLimit
	o = scene{cfg: cfg, server: servingVersion(version), use: twice(&over), alter: on(up, kindRecord, func(b *bridge, m message) []byte {
		if m.nth != nth || over.Load() {
			return m.data
		}
		did.Store(true)
		if version == tls.VersionTLS13 && m.typ == recordCCS {
			meaningless.Store(true)
			return m.data
		}
		return do(b, m)
	})}.play(t)
	if meaningless.Load() && o.err == nil {
		o.err = errMeaningless
	}
	return o, did.Load()
}

var errMeaningless = errors.New("a ChangeCipherSpec that means nothing")

// twice does its requests twice, so that what was done to the end of the first
// has an effect.
func twice(over *atomic.Bool) func(ctx context.Context, c net.Conn, cfg *nbd.Config) error {
	return func(ctx context.Context, c net.Conn, cfg *nbd.Config) error {
		client, err := nbd.NewClient(ctx, c, cfg)
		if err != nil {
			return err
		}
		disk, err := client.Open(ctx, "vda")
		if err != nil {
			return err
		}
		defer disk.Close()
		if err := exchange(ctx, disk); err != nil {
			c.Close()
			return err
		}
		over.Store(true)
		return exchange(ctx, disk)
	}
}

// foundOut: the user gets an error, and no byte that was not the disk's.
func foundOut(o outcome) string {
	if o.err == nil {
		return "nobody noticed"
	}
	if errors.Is(o.err, errTouched) {
		return "the buffer was touched"
	}
	return ""
}

func foundOutAtOnce(o outcome) string {
	if o.took != 0 {
		return fmt.Sprintf("it took %v", o.took)
	}
	return foundOut(o)
}

func flip(at func(n int) int) func(b *bridge, m message) []byte {
	return func(_ *bridge, m message) []byte {
		m.data[at(len(m.data))] ^= 1
		return m.data
	}
}

// eachByte alters each byte of the record that holds a read's reply.
func eachByte(t *testing.T, version uint16) {
	for at, size := 0, 1; at < size; at++ {
		var over atomic.Bool
		var replies int
		cfg := requiring()
		cfg.RequestTimeout = requestLimit // a length that was altered has us wait for more
		o := scene{cfg: cfg, server: servingVersion(version), use: twice(&over), alter: on(false, kindRecord, func(_ *bridge, m message) []byte {
			if over.Load() {
				replies++
			}
			if replies == 2 {
				size = len(m.data)
				m.data[at] ^= 0x10
			}
			return m.data
		})}.play(t)
		if wrong := foundOut(o); wrong != "" {
			t.Errorf("byte %d of %d: %s", at, size, wrong)
		}
	}
}

// reordered lets each record go after the one that follows it.
func reordered(t *testing.T) {
	for _, up := range []bool{true, false} {
		for nth := range 12 {
			var held []byte
			var over atomic.Bool
			cfg := requiring()
			cfg.RequestTimeout = requestLimit
			o := scene{cfg: cfg, server: servingVersion(tls.VersionTLS12), use: twice(&over), alter: on(up, kindRecord, func(_ *bridge, m message) []byte {
				switch {
				case m.nth == nth && !over.Load():
					held = m.data
					return nil
				case m.nth == nth+1 && held != nil:
					return cat(m.data, held)
				}
				return m.data
			})}.play(t)
			if wrong := foundOut(o); wrong != "" && held != nil {
				t.Errorf("record %d, up %v: %s", nth, up, wrong)
			}
		}
	}
}

// inject puts bytes before a record of the transmission.
func inject(up bool, data []byte) func(t *testing.T, version uint16) {
	return func(t *testing.T, version uint16) {
		var over, did atomic.Bool
		o := scene{server: servingVersion(version), use: twice(&over), alter: on(up, kindRecord, func(_ *bridge, m message) []byte {
			if over.Load() && !did.Swap(true) {
				return cat(data, m.data)
			}
			return m.data
		})}.play(t)
		if wrong := foundOutAtOnce(o); wrong != "" || o.served == nil {
			t.Errorf("%s: %v (the server: %v)", wrong, o.err, o.served)
		}
	}
}

func flood(record []byte) (all []byte) {
	for range 1000 {
		all = append(all, record...)
	}
	return all
}

// stallAnywhere holds back everything from one message of the server on, each
// of a session's in turn.
func stallAnywhere(t *testing.T) {
	for nth := 0; ; nth++ {
		o, did := stallAt(t, nth)
		if !did {
			if nth < 8 {
				t.Errorf("only %d messages were held back", nth)
			}
			return
		}
		negotiating := errors.Is(o.err, nbd.ErrHandshakeTimeout) && o.took == nbd.DefaultHandshakeTimeout
		asking := errors.Is(o.err, nbd.ErrRequestTimeout) && o.took == requestLimit
		if !negotiating && !asking {
			t.Errorf("message %d: after %v: %v", nth, o.took, o.err)
		}
	}
}

func stallAt(t *testing.T, nth int) (o outcome, did bool) {
	var over atomic.Bool
	seen := 0
	cfg := requiring()
	cfg.RequestTimeout = requestLimit
	o = scene{cfg: cfg, use: twice(&over), alter: func(_ *bridge, m message) []byte {
		if m.up {
			return m.data
		}
		seen++
		did = did || seen > nth && !over.Load()
		if did {
			return nil
		}
		return m.data
	}}.play(t)
	return o, did
}

// drip lets one byte a second through to the client.
func drip(b *bridge, m message) []byte {
	if m.up {
		return m.data
	}
	for _, v := range m.data {
		time.Sleep(time.Second)
		if _, err := b.client.Write([]byte{v}); err != nil {
			return nil
		}
	}
	return nil
}

func dripInTransmission(t *testing.T) {
	var over atomic.Bool
	cfg := requiring()
	cfg.RequestTimeout = requestLimit
	o := scene{cfg: cfg, use: twice(&over), alter: func(b *bridge, m message) []byte {
		if !over.Load() {
			return m.data
		}
		return drip(b, m)
	}}.play(t)
	if !errors.Is(o.err, nbd.ErrRequestTimeout) || o.took != requestLimit {
		t.Errorf("after %v: %v", o.took, o.err)
	}
}

// closeAfterWrite ends the connection when a write has been done and before
// the user knows.
func closeAfterWrite(t *testing.T) {
	var writing atomic.Bool
	o := scene{use: func(ctx context.Context, c net.Conn, cfg *nbd.Config) error {
		client, err := nbd.NewClient(ctx, c, cfg)
		if err != nil {
			return err
		}
		disk, err := client.Open(ctx, "vda")
		if err != nil {
			return err
		}
		defer disk.Close()
		writing.Store(true)
		return disk.Write(ctx, secret, 0, 0)
	}, alter: func(b *bridge, m message) []byte {
		if writing.Load() && !m.up {
			b.cut()
			return nil
		}
		return m.data
	}}.play(t)
	if !errors.Is(o.err, nbd.ErrUnknownOutcome) || o.took != 0 || string(o.disk) != string(secret) {
		t.Errorf("after %v: %v; on the disk: %q", o.took, o.err, o.disk)
	}
}
