package nbd_test

import (
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"testing"

	"nbdbridge/nbd"
)

// A double is an honest server with block sizes of its own, which rejects
// what they forbid, answers out of order, and counts what it owes.
type double struct {
	disk       []byte
	flags      uint16
	minimum    uint32
	maximum    uint32
	structured bool
	hold       chan struct{} // nil: answer at once; else answer when it is closed

	mu         sync.Mutex
	calls      []call   // all requests, in their order
	violations []string // of the block sizes
	owed, most atomic.Int64
}

// serve plays the double on its end of a pipe and returns the other.
func (d *double) serve(t testing.TB) net.Conn {
	client, server := net.Pipe()
	l := &liar{conn: server}
	var work sync.WaitGroup
	work.Go(func() {
		defer server.Close()
		defer func() {
			if r := recover(); r != nil && r != any(gone{}) {
				t.Errorf("the double: %v", r)
			}
		}()
		l.greet()
		l.open(offer{size: uint64(len(d.disk)), flags: d.flags, block: infoBlock(d.minimum, max(d.minimum, 512), d.maximum), structured: d.structured})
		d.answerAll(l, &work)
	})
	t.Cleanup(func() {
		client.Close()
		work.Wait()
	})
	return client
}

func (d *double) answerAll(l *liar, work *sync.WaitGroup) {
	var sending sync.Mutex
	for {
		c := l.request()
		d.note(c)
		if c.cmd == cmdDisc {
			return
		}
		owed := d.owed.Add(int64(c.length))
		for most := d.most.Load(); owed > most && !d.most.CompareAndSwap(most, owed); most = d.most.Load() {
		}
		work.Go(func() {
			defer func() { _ = recover() }() // the client has gone
			if d.hold != nil {
				<-d.hold
			}
			reply := d.carryOut(c)
			sending.Lock()
			defer sending.Unlock()
			d.owed.Add(-int64(c.length)) // before the client can know
			l.send(reply)
		})
	}
}

func (d *double) note(c call) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.calls = append(d.calls, call{flags: c.flags, cmd: c.cmd, cookie: c.cookie, offset: c.offset, length: c.length})
	data := c.cmd == cmdRead || c.cmd == cmdWrite
	effect := c.cmd == cmdTrim || c.cmd == cmdWriteZeroes
	if effect && (c.offset%uint64(d.minimum) != 0 || c.length%d.minimum != 0 || c.length == 0 || c.offset+uint64(c.length) > uint64(len(d.disk))) {
		d.violations = append(d.violations, fmt.Sprintf("command %d, %d bytes at %d", c.cmd, c.length, c.offset))
	}
	if data && (c.offset%uint64(d.minimum) != 0 || c.length%d.minimum != 0 || c.length == 0 || c.length > d.maximum || c.offset+uint64(c.length) > uint64(len(d.disk))) {
		d.violations = append(d.violations, fmt.Sprintf("command %d, %d bytes at %d", c.cmd, c.length, c.offset))
	}
}

func (d *double) carryOut(c call) []byte {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case len(d.violations) > 0:
		return simple(22, c.cookie)
	case c.cmd == cmdWrite:
		copy(d.disk[c.offset:], c.payload)
		return simple(0, c.cookie)
	case c.cmd == cmdWriteZeroes:
		clear(d.disk[c.offset:][:c.length])
		return simple(0, c.cookie)
	case c.cmd == cmdRead && d.structured:
		return d.chunks(c)
	case c.cmd == cmdRead:
		return simple(0, c.cookie, d.disk[c.offset:c.offset+uint64(c.length)]...)
	}
	return simple(0, c.cookie)
}

// chunks answers a read in up to three pieces, the last one first.
func (d *double) chunks(c call) (reply []byte) {
	end := c.offset + uint64(c.length)
	for range rand.IntN(3) {
		if end-c.offset < 2 {
			break
		}
		at := end - 1 - rand.Uint64N(end-c.offset-1)
		reply = append(reply, dataChunk(0, c.cookie, at, d.disk[at:end]...)...)
		end = at
	}
	return append(reply, dataChunk(done, c.cookie, c.offset, d.disk[c.offset:end]...)...)
}

// of returns the calls of one command.
func (d *double) of(cmd uint16) (calls []call) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, c := range d.calls {
		if c.cmd == cmd {
			calls = append(calls, c)
		}
	}
	return calls
}

// hadNothing sends one read, and fails the test if it is not the first request.
func (d *double) hadNothing(t *testing.T, disk *nbd.Disk) {
	t.Helper()
	err := disk.Read(t.Context(), make([]byte, 512), 0)
	d.mu.Lock()
	defer d.mu.Unlock()
	if err != nil || len(d.calls) != 1 {
		t.Errorf("%d requests were sent before: %v", len(d.calls)-1, err)
	}
}

func (d *double) check(t *testing.T) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.violations) > 0 {
		t.Errorf("%d requests against the block sizes, first %s", len(d.violations), d.violations[0])
	}
}
