package nbd_test

import (
	"bytes"
	"io"
	"math"
	"net"
	"sync"
	"testing"
	"time"

	"nbdbridge/nbd"
	"nbdbridge/nbd/device"
)

// opened negotiates raw, up to the transmission phase.
func opened(t testing.TB, srv *nbd.Server, export string, structured bool) (c net.Conn, verdict func() error) {
	t.Helper()
	c, verdict = serve(t, srv)
	expect(t, c, greeting(3))
	send(t, c, u32(3))
	if structured {
		if got, _ := ask(t, c, optStructured, nil); got != repAck {
			t.Fatalf("STRUCTURED_REPLY: %#x", got)
		}
	}
	if got, _ := ask(t, c, optGo, exportRequest(export)); got != repAck {
		t.Fatalf("GO: %#x", got)
	}
	return c, verdict
}

// Each bad request gets its error, and the stream stays in step.
func TestBadRequests(t *testing.T) {
	const size = 50_000
	for _, q := range []struct {
		name       string
		export     string
		flags, cmd uint16
		offset     uint64
		length     uint32
		payload    []byte
		want       uint32
	}{
		{"read past the end", "vda", 0, cmdRead, size, 1, nil, 22},
		{"read across the end", "vda", 0, cmdRead, size - 1, 2, nil, 22},
		{"read at 2^64-1", "vda", 0, cmdRead, math.MaxUint64, 2, nil, 22},
		{"read that wraps", "vda", 0, cmdRead, math.MaxUint64 - 1, 4, nil, 22},
		{"read at 2^63", "vda", 0, cmdRead, 1 << 63, 1, nil, 22},
		{"read of 32 MiB past the end", "vda", 0, cmdRead, 0, 32 << 20, nil, 22},
		{"read of 32 MiB + 1", "vda", 0, cmdRead, 0, 32<<20 + 1, nil, 75},
		{"read of 4 GiB", "vda", 0, cmdRead, 0, math.MaxUint32, nil, 75},
		{"read with unknown flags", "vda", 1 << 7, cmdRead, 0, 1, nil, 22},
		{"read with REQ_ONE", "vda", 1 << 3, cmdRead, 0, 1, nil, 22},
		{"read with PAYLOAD_LEN", "vda", 1 << 5, cmdRead, 0, 1, nil, 22},
		{"write past the end", "vda", 0, cmdWrite, size, 4, []byte("abcd"), 28},
		{"write across the end", "vda", 1, cmdWrite, size - 3, 4, []byte("abcd"), 28},
		{"write at 2^64-1", "vda", 0, cmdWrite, math.MaxUint64, 4, []byte("abcd"), 28},
		{"write with unknown flags", "vda", 0xfffe, cmdWrite, 0, 4, []byte("abcd"), 22},
		{"write to a read-only export", "iso", 0, cmdWrite, 0, 4, []byte("abcd"), 1},
		{"write past a read-only export", "iso", 0, cmdWrite, 1 << 40, 4, []byte("abcd"), 1},
		{"flush with an offset", "vda", 0, cmdFlush, 1, 0, nil, 22},
		{"flush with a length", "vda", 0, cmdFlush, 0, 1, nil, 22},
		{"trim, not offered", "vda", 0, 4, 0, 512, nil, 22},
		{"cache, not offered", "vda", 0, 5, 0, 512, nil, 22},
		{"write zeroes past the end", "vda", 0, 6, 0, math.MaxUint32, nil, 28},
		{"write zeroes with FAST_ZERO, not offered", "vda", 1 << 4, 6, 0, 512, nil, 22},
		{"write zeroes to a read-only export", "iso", 0, 6, 0, 512, nil, 1},
		{"trim of a read-only export", "iso", 0, 4, 0, 512, nil, 1},
		{"block status, not negotiated", "vda", 0, 7, 0, 512, nil, 22},
		{"resize", "vda", 0, 8, 1 << 40, 0, nil, 22},
		{"unknown command with a length", "vda", 0, 0xffff, 0, math.MaxUint32, nil, 22},
	} {
		for _, structured := range []bool{false, true} {
			disk := pattern(size)
			srv := testServer(disk)
			srv.Exports[0].Device = bare{srv.Exports[0].Device}
			c, verdict := opened(t, srv, q.export, structured)
			send(t, c, request(q.flags, q.cmd, 9, q.offset, q.length), q.payload)
			data := simple(0, 10, pattern(7)[5:]...)
			if structured {
				data = dataChunk(done, 10, 5, pattern(7)[5:]...)
			}
			m := map[bool]manner{false: simpleReplies, true: structuredReplies}[structured]
			if h := hear(t, c, m, 0); h.errno != q.want || h.cookie != 9 || structured && h.text == "" {
				t.Errorf("%s: %+v", q.name, h)
			}
			send(t, c, request(0, cmdRead, 10, 5, 2))
			expect(t, c, data)
			send(t, c, request(0, cmdDisc, 11, 0, 0))
			ended(t, c)
			if err := verdict(); err != nil || !bytes.Equal(disk, pattern(size)) {
				t.Errorf("%s: the disk was changed, or %v", q.name, err)
			}
		}
	}
}

func TestRequestsThatEndTheSession(t *testing.T) {
	for name, b := range map[string][]byte{
		"bad magic":             cat(u32(0x25609514), make([]byte, 24)),
		"reply magic":           cat(simple(0, 1), make([]byte, 12)),
		"extended request":      cat(u32(0x21e41c71), make([]byte, 28)),
		"write of 32 MiB + 1":   request(0, cmdWrite, 1, 0, 32<<20+1),
		"write of 4 GiB":        request(0, cmdWrite, 1, 0, math.MaxUint32),
		"option after GO":       cat(optionRequest(optList, nil), make([]byte, 12)),
		"nothing but a hang-up": nil,
	} {
		before := allocated()
		c, verdict := opened(t, testServer(nil), "vda", false)
		if b == nil {
			c.Close()
		} else {
			send(t, c, b[:28])
			ended(t, c)
		}
		if verdict() == nil {
			t.Errorf("%s is fine", name)
		}
		if used := allocated() - before; used > 8<<20 {
			t.Errorf("%s: %d bytes were allocated", name, used)
		}
	}
}

// slow is a device whose reads wait.
type slow struct {
	nbd.Device
	begun  chan struct{}
	resume chan struct{}
}

func (s *slow) ReadAt(p []byte, off int64) (int, error) {
	s.begun <- struct{}{}
	<-s.resume
	return s.Device.ReadAt(p, off)
}

// DISC lets the requests under way finish, and has no reply of its own.
func TestDiscWithRequestsInFlight(t *testing.T) {
	dev := &slow{device.NewMemory(pattern(100)), make(chan struct{}, 9), make(chan struct{})}
	c, verdict := opened(t, &nbd.Server{Exports: []nbd.Export{{Device: dev}}}, "", false)
	send(t, c, request(0, cmdRead, 1, 0, 4), request(0, cmdRead, 2, 0, 4))
	<-dev.begun
	<-dev.begun
	send(t, c, request(0, cmdDisc, 3, 0, 0))
	close(dev.resume)
	got := make([]byte, 2*20)
	if _, err := io.ReadFull(c, got); err != nil || !bytes.Contains(got, simple(0, 1, pattern(4)...)) || !bytes.Contains(got, simple(0, 2, pattern(4)...)) {
		t.Errorf("%x, %v", got, err)
	}
	ended(t, c)
	if err := verdict(); err != nil {
		t.Error(err)
	}
}

// A fast request overtakes a slow one.
func TestRepliesOutOfOrder(t *testing.T) {
	dev := &slow{device.NewMemory(pattern(100)), make(chan struct{}, 9), make(chan struct{})}
	c, _ := opened(t, &nbd.Server{Exports: []nbd.Export{{Device: dev}}}, "", true)
	send(t, c, request(0, cmdRead, 1, 0, 4))
	<-dev.begun
	send(t, c, request(0, cmdFlush, 2, 0, 0))
	expect(t, c, simple(0, 2))
	close(dev.resume)
	expect(t, c, dataChunk(done, 1, 0, pattern(4)...))
}

// A client that asks and never reads costs bounded memory, and is no reason
// to hang once it leaves or the server ends.
func TestClientThatNeverReads(t *testing.T) {
	const piece = 4 << 20
	dev := &counted{Device: device.NewMemory(make([]byte, piece))}
	c, verdict := opened(t, &nbd.Server{Exports: []nbd.Export{{Device: dev}}}, "", false)
	_ = c.SetWriteDeadline(time.Now().Add(500 * time.Millisecond)) // by then the server takes no more
	var err error
	for i := uint64(0); err == nil && i < 10_000; i++ {
		_, err = c.Write(request(0, cmdRead, i, 0, piece))
	}
	if n := dev.count(); err == nil || n == 0 || n*piece > 64<<20 {
		t.Errorf("%d reads of %d bytes were carried out for nobody; %v", n, piece, err)
	}
	c.Close()
	if verdict() == nil {
		t.Error("the server is content")
	}
}

type counted struct {
	nbd.Device
	mu    sync.Mutex
	reads int
}

func (c *counted) ReadAt(p []byte, off int64) (int, error) {
	c.mu.Lock()
	c.reads++
	c.mu.Unlock()
	return c.Device.ReadAt(p, off)
}

func (c *counted) count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.reads
}

// At DISC a client that does not read is waited for ten seconds and no more.
func TestDiscWithoutReading(t *testing.T) {
	inBubble(t, func(t *testing.T, wait func()) {
		c, verdict := opened(t, testServer(pattern(100)), "vda", false)
		send(t, c, request(0, cmdRead, 1, 0, 4), request(0, cmdDisc, 2, 0, 0))
		begin := time.Now()
		_ = verdict()
		if d := time.Since(begin); d > 10*time.Second {
			t.Errorf("it took %v", d)
		}
	})
}

// A device with less than it said is an error and not old memory.
func TestShortDevice(t *testing.T) {
	srv := &nbd.Server{Exports: []nbd.Export{{Device: device.ReadOnly(bytes.NewReader(pattern(10)), 100), ReadOnly: true}}}
	c, _ := opened(t, srv, "", true)
	send(t, c, request(0, cmdRead, 1, 0, 10))
	expect(t, c, dataChunk(done, 1, 0, pattern(10)...))
	send(t, c, request(0, cmdRead, 2, 5, 10))
	expect(t, c, errorChunk(done, 2, 5, "input/output error (EIO)"))
}
