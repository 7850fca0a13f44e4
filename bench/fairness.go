package main

import (
	"bufio"
	"context"
	"encoding/binary"
	"net"
	"net/http"
	"sync/atomic"

	"nbdbridge/bridge"
)

// A fairness keeps the messages of both sides at one size: those of the raw
// target are cut to what the disk's were in the round before.
type fairness struct {
	raw    bridge.Target
	meters map[string]*meter // by the target's name
	limit  atomic.Int64      // bytes of a raw message
}

func newFairness(raw bridge.Target) *fairness {
	f := &fairness{raw: raw, meters: map[string]*meter{"raw": {}, "disk": {}}}
	f.limit.Store(rawWrite)
	return f
}

// lap ends a round on a target and returns the mean size of its messages, in
// bytes.
func (f *fairness) lap(target string) int64 {
	mean := f.meters[target].lap()
	if target == "disk" {
		f.limit.Store(mean)
	}
	return mean
}

// dial is the bridge's. One read is one message to the client.
func (f *fairness) dial(ctx context.Context, t bridge.Target) (net.Conn, error) {
	var d net.Dialer
	c, err := d.DialContext(ctx, t.Network, t.Address)
	if err == nil && t.Address == f.raw.Address {
		c = &limitedConn{c, &f.limit}
	}
	return c, err
}

type limitedConn struct {
	net.Conn
	limit *atomic.Int64
}

func (c *limitedConn) Read(p []byte) (int, error) {
	return c.Conn.Read(p[:min(int64(len(p)), c.limit.Load())])
}

// watch counts the messages to the clients of each target.
func (f *fairness) watch(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if m := f.meters[r.PathValue("target")]; m != nil {
			w = &meteredWriter{w, m}
		}
		next.ServeHTTP(w, r)
	})
}

// A meter counts messages.
type meter struct{ messages, bytes atomic.Int64 }

func (m *meter) lap() int64 { return m.bytes.Swap(0) / max(m.messages.Swap(0), 1) }

type meteredWriter struct {
	http.ResponseWriter
	meter *meter
}

func (w *meteredWriter) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, buffers, err := http.NewResponseController(w.ResponseWriter).Hijack()
	return &meteredConn{Conn: conn, meter: w.meter}, buffers, err
}

type meteredConn struct {
	net.Conn
	meter *meter
	left  int // bytes of the frame under way
}

// Write sees each header at the beginning of a write: the bridge writes it in
// front of the payload.
func (c *meteredConn) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	if c.left == 0 {
		c.left = frameLength(p)
		c.meter.messages.Add(1)
		c.meter.bytes.Add(int64(c.left))
	}
	c.left -= n
	return n, err
}

// frameLength is a frame's length with its header (RFC 6455, 5.2).
func frameLength(p []byte) int {
	switch p[1] {
	case 126:
		return 4 + int(binary.BigEndian.Uint16(p[2:]))
	case 127:
		return 10 + int(binary.BigEndian.Uint64(p[2:]))
	}
	return 2 + int(p[1])
}
