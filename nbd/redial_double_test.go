package nbd_test

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"nbdbridge/nbd"
)

// A volatile is a server that may crash: what was written since the last flush
// is lost then, any part of it. It serves one connection at a time, each only
// after the requests of the one before have ended. Offers may change between
// connections.
type volatile struct {
	t      *testing.T
	offer  offer
	greet  func(l *liar)            // what comes before the options; nil for the honest greeting
	fuse   func() int               // how many bytes the next connection lives; nil for ever
	onDial func(n int) error        // n is 1 at the first
	answer func(c call) (errno int) // of a request; nil for 0. See the constants.

	chunks bool // reads are answered in chunks

	mu      sync.Mutex
	lose    func() bool // at a crash: whether an unflushed write is lost
	current []byte
	durable []byte
	stamp   []int // of the write whose byte is durable
	pending []pendingWrite
	writes  int
	calls   []call

	dials  int
	conn   net.Conn // the server's end
	served chan struct{}
	events []nbd.Event
	times  []time.Time // of the events
}

type pendingWrite struct {
	off, stamp int
	data       []byte
}

// What answer can say beside an error value.
const (
	hangUp    = -1 // without carrying out the request
	hangAfter = -2 // having carried it out
	silence   = -3 // carried out, never answered
	ignore    = -4 // neither
)

const allFlags = hasFlags | sendFlush | sendFUA | sendTrim | sendZeroes

const (
	sendTrim   = 1 << 5
	sendZeroes = 1 << 6
)

func newVolatile(t *testing.T, size int) *volatile {
	v := &volatile{t: t, lose: func() bool { return true }, current: make([]byte, size), durable: make([]byte, size), stamp: make([]int, size)}
	v.offer = offer{size: uint64(size), flags: allFlags, block: infoBlock(512, 4096, 1<<20)}
	v.served = make(chan struct{})
	close(v.served)
	t.Cleanup(v.cut)
	return v
}

func (v *volatile) config() *nbd.RedialConfig {
	cfg := &nbd.RedialConfig{Config: *plain()}
	cfg.Events = func(e nbd.Event) {
		v.mu.Lock()
		defer v.mu.Unlock()
		v.events, v.times = append(v.events, e), append(v.times, time.Now())
	}
	return cfg
}

func (v *volatile) open(cfg *nbd.RedialConfig) *nbd.LastingDisk {
	v.t.Helper()
	disk, err := nbd.Redial(v.t.Context(), v.dial, cfg, "x")
	if err != nil {
		v.t.Fatalf("Redial: %v", err)
	}
	v.t.Cleanup(func() { disk.Close() })
	return disk
}

func (v *volatile) dial(ctx context.Context) (net.Conn, error) {
	v.mu.Lock()
	v.dials++
	n, served, onDial, fuse := v.dials, v.served, v.onDial, v.fuse
	v.mu.Unlock()
	if onDial != nil {
		if err := onDial(n); err != nil {
			return nil, err
		}
	}
	<-served
	client, server := net.Pipe()
	done := make(chan struct{})
	v.mu.Lock()
	v.conn, v.served = server, done
	v.mu.Unlock()
	go func() {
		defer close(done)
		v.serve(server)
	}()
	if fuse != nil {
		return &fused{Conn: client, left: fuse()}, nil
	}
	return client, nil
}

// cut ends the connection and waits for the server to be done with it.
func (v *volatile) cut() {
	v.mu.Lock()
	conn, served := v.conn, v.served
	v.mu.Unlock()
	if conn != nil {
		conn.Close()
	}
	<-served
}

// crash is a cut, and the loss of what was not flushed.
func (v *volatile) crash() {
	v.cut()
	v.forget()
}

func (v *volatile) forget() {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, w := range v.pending {
		if !v.lose() {
			v.persist(w)
		}
	}
	v.pending = nil
	copy(v.current, v.durable)
}

func (v *volatile) persist(w pendingWrite) {
	for i, b := range w.data {
		if at := w.off + i; v.stamp[at] < w.stamp {
			v.durable[at], v.stamp[at] = b, w.stamp
		}
	}
}

func (v *volatile) serve(server net.Conn) {
	defer server.Close()
	defer func() {
		if r := recover(); r != nil && r != any(gone{}) {
			v.t.Errorf("the server: %v", r)
		}
	}()
	l := &liar{conn: server, raw: &recorder{Conn: server}}
	if v.greet != nil {
		v.greet(l)
	} else {
		l.greet()
	}
	l.open(v.offer)
	for {
		c := l.request()
		if c.cmd == cmdDisc {
			return
		}
		reply, more := v.carryOut(c)
		l.send(reply)
		if !more {
			return
		}
	}
}

func (v *volatile) carryOut(c call) (reply []byte, more bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.calls = append(v.calls, c)
	errno := 0
	if v.answer != nil {
		errno = v.answer(c)
	}
	switch {
	case errno == hangUp:
		return nil, false
	case errno == ignore:
		return nil, true
	case errno > 0:
		return simple(uint32(errno), c.cookie), true
	}
	data := v.change(c)
	switch errno {
	case hangAfter:
		return nil, false
	case silence:
		return nil, true
	}
	if v.chunks && c.cmd == cmdRead {
		return dataChunk(done, c.cookie, c.offset, data...), true
	}
	if c.cmd == cmdBlockStatus { // a hole that reads as zeroes
		return chunk(done, 5, c.cookie, u32(1), u32(c.length), u32(3)), true
	}
	return simple(0, c.cookie, data...), true
}

const trimmed = 0xee

func (v *volatile) change(c call) (data []byte) {
	at := int(c.offset)
	switch c.cmd {
	case cmdRead:
		return append(data, v.current[at:at+int(c.length)]...)
	case cmdFlush:
		for _, w := range v.pending {
			v.persist(w)
		}
		v.pending = nil
		return nil
	case cmdWrite:
		data = c.payload
	case cmdTrim:
		data = make([]byte, c.length)
		for i := range data {
			data[i] = trimmed
		}
	case cmdWriteZeroes:
		data = make([]byte, c.length)
	}
	v.writes++
	w := pendingWrite{off: at, stamp: v.writes, data: data}
	copy(v.current[at:], data)
	if v.pending = append(v.pending, w); c.flags&1 != 0 {
		v.persist(w)
	}
	return nil
}

// kinds are the events so far, by kind.
func (v *volatile) kinds() (kinds []nbd.EventKind) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, e := range v.events {
		kinds = append(kinds, e.Kind)
	}
	return kinds
}

// of are the calls of one command so far.
func (v *volatile) of(cmd uint16) (calls []call) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, c := range v.calls {
		if c.cmd == cmd {
			calls = append(calls, c)
		}
	}
	return calls
}

// A fused connection ends after so many bytes, in whatever direction, in the
// middle of a message if it comes so.
type fused struct {
	net.Conn
	mu   sync.Mutex
	left int
}

func (f *fused) Read(p []byte) (int, error) {
	n, err := f.Conn.Read(p)
	if left := f.burn(n); left < n {
		return left, io.ErrUnexpectedEOF
	}
	return n, err
}

func (f *fused) Write(p []byte) (int, error) {
	if left := f.burn(len(p)); left < len(p) {
		n, _ := f.Conn.Write(p[:left])
		f.Conn.Close()
		return n, io.ErrClosedPipe
	}
	return f.Conn.Write(p)
}

// burn returns how many of n bytes were left.
func (f *fused) burn(n int) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	n = min(n, f.left)
	if f.left -= n; f.left == 0 {
		f.Conn.SetDeadline(time.Now())
	}
	return n
}

// lasting runs a test with a server that may crash, on a clock of its own.
func lasting(t *testing.T, size int, run func(t *testing.T, ctx context.Context, v *volatile)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { run(t, t.Context(), newVolatile(t, size)) })
}

var errDial = errors.New("nobody is there")
