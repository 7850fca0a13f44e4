package adversary

import (
	"context"
	"io"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"nbdbridge/nbd"
)

// oddOptions are what a client may ask for in any order.
var oddOptions = map[string][]byte{
	"LIST":              option(optList, nil),
	"INFO":              option(6, exportRequest("vda")),
	"INFO of another":   option(6, exportRequest("nope")),
	"GO of another":     option(optGo, exportRequest("nope")),
	"STARTTLS":          option(optStartTLS, nil),
	"STRUCTURED_REPLY":  option(optStructured, nil),
	"EXTENDED_HEADERS":  option(optExtended, nil),
	"LIST_META_CONTEXT": option(9, metaRequest("vda", "base:")),
	"SET_META_CONTEXT":  option(optSetMeta, metaRequest("vda", "base:allocation")),
	"malformed":         option(optGo, []byte{1}),
}

// Options in every order of three: each has its answer, the server stays in
// step, and the disk can be opened afterwards.
func TestOptionOrders(t *testing.T) {
	for a := range oddOptions {
		for b := range oddOptions {
			for c := range oddOptions {
				orders(t, a, b, c)
			}
		}
	}
}

func orders(t *testing.T, names ...string) {
	inMemory(t, func(t *testing.T, c net.Conn) {
		_, _ = c.Write(u32(3))
		in := &taker{from: c}
		in.take(18)
		for _, name := range names {
			_, _ = c.Write(oddOptions[name])
			finalReply(in)
		}
		_, _ = c.Write(option(optGo, exportRequest("vda")))
		if typ := finalReply(in); in.err != nil || typ != repAck {
			t.Errorf("GO after %q: %#x, %v", names, typ, in.err)
		}
	}, func(t *testing.T, c net.Conn) {
		_ = plainBehind().ServeConn(context.Background(), c)
	})
}

// finalReply reads the replies to an option and returns the type of the last.
func finalReply(in *taker) uint32 {
	for {
		typ := number(in.rest(in.take(20), 16, 4), 12)
		if in.err != nil || typ == repAck || typ&(1<<31) != 0 {
			return typ
		}
	}
}

// A client that sends a byte a second is left alone until the negotiation's
// limit, and no longer, in clear and inside TLS.
func TestDripToTheServer(t *testing.T) {
	for name, secure := range map[string]bool{"clear": false, "TLS": true} {
		t.Run(name, func(t *testing.T) {
			begin := make(chan time.Time, 1)
			inMemory(t, func(t *testing.T, c net.Conn) {
				out, words := io.Writer(c), cat(u32(3), option(99, make([]byte, 1000)))
				if secure {
					out, words = enter(t, c), words[4:]
				}
				begin <- time.Now()
				for _, v := range words {
					time.Sleep(time.Second)
					if _, err := out.Write([]byte{v}); err != nil {
						return
					}
				}
				t.Error("the server listened to it all")
			}, func(t *testing.T, c net.Conn) {
				err := forced().ServeConn(context.Background(), c)
				if took := time.Since(<-begin); err == nil || took > 31*time.Second {
					t.Errorf("after %v: %v", took, err)
				}
			})
		})
	}
}

// TLS records of one byte each, in both directions, carry a session.
func TestRecordsOfOneByte(t *testing.T) {
	inMemory(t, func(t *testing.T, c net.Conn) {
		if err := readTwice(t.Context(), c); err != nil {
			t.Error(err)
		}
	}, func(t *testing.T, c net.Conn) {
		if f := accept(t, c, serverTLS(serverCert())); f != nil {
			f.small = true
			answerReads(f, func() {})
		}
	})
	inMemory(t, func(t *testing.T, c net.Conn) {
		f := dial(t, c)
		f.small = true
		_, _ = f.Write(readRequest(1, 0, 64))
		in := &taker{from: f}
		if in.take(16 + 64); in.err != nil {
			t.Error(in.err)
		}
	}, func(t *testing.T, c net.Conn) {
		_ = forced().ServeConn(context.Background(), c)
	})
}

// counted is a device that counts who touches it.
type counted struct {
	nbd.Device
	calls atomic.Int64
}

func (d *counted) ReadAt(p []byte, off int64) (int, error) {
	d.calls.Add(1)
	return d.Device.ReadAt(p, off)
}

func (d *counted) WriteAt(p []byte, off int64) (int, error) {
	d.calls.Add(1)
	return d.Device.WriteAt(p, off)
}

// No device works for a client that is not admitted.
func TestDeviceRestsUntilAdmitted(t *testing.T) {
	for name, as := range map[string]func() *nbd.Config{"plain": nobody, "none": anybody, "forged": impostor} {
		srv := forcedMutual()
		device := &counted{Device: srv.Exports[0].Device}
		srv.Exports[0].Device = device
		if o := (scene{cfg: as(), server: srv}).play(t); o.err == nil || device.calls.Load() > 1 { // the scene itself looks once
			t.Errorf("%s: %v; %d calls", name, o.err, device.calls.Load())
		}
	}
}
