package nbd_test

import (
	"context"
	"math"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"nbdbridge/nbd"
	"nbdbridge/nbd/device"
)

// slothful is a vast device that takes a second for every write, and breaks
// after an hour of them, so that a test of the server's patience ends.
type slothful struct {
	nbd.Device
	size   int64
	writes atomic.Int64
}

func newSlothful(size int64) *slothful {
	return &slothful{Device: bare{device.NewMemory(nil)}, size: size}
}

func (s *slothful) Size() int64 { return s.size }

func (s *slothful) WriteAt(p []byte, _ int64) (int, error) {
	time.Sleep(time.Second)
	if s.writes.Add(1) > 3600 {
		return 0, errBroken
	}
	return len(p), nil
}

// zeroing is a client with n requests for all of a device to be zeroes.
func zeroing(t *testing.T, c net.Conn, dev *slothful, n int) {
	expect(t, c, greeting(3))
	send(t, c, u32(3))
	for _, opt := range []struct {
		option uint32
		data   []byte
	}{{optExtended, nil}, {optGo, exportRequest("")}} {
		if got, _ := ask(t, c, opt.option, opt.data); got != repAck {
			t.Fatalf("option %d: %#x", opt.option, got)
		}
	}
	for i := range n {
		send(t, c, extendedHeaders.request(0, cmdWriteZeroes, uint64(i), 0, uint64(dev.size)))
	}
}

// A client that has said goodbye is not worth more than the farewell's time.
func TestZeroesAfterDisc(t *testing.T) {
	inBubble(t, func(t *testing.T, wait func()) {
		dev := newSlothful(math.MaxInt64)
		c, verdict := serve(t, ableServer(dev))
		zeroing(t, c, dev, 1)
		send(t, c, extendedHeaders.request(0, cmdDisc, 9, 0, 0))
		begin := time.Now()
		_ = verdict()
		if d := time.Since(begin); d > 12*time.Second {
			t.Errorf("it took %v", d)
		}
	})
}

// A server that ends does not wait for the work of a client that has filled
// every slot.
func TestServerEndsAmidZeroes(t *testing.T) {
	inBubble(t, func(t *testing.T, wait func()) {
		dev := newSlothful(math.MaxInt64)
		ctx, cancel := context.WithCancel(t.Context())
		l, ended := newPipes(), make(chan error)
		go func() { ended <- ableServer(dev).Serve(ctx, l) }()
		c := l.dial()
		defer c.Close()
		zeroing(t, c, dev, 17)
		wait()
		begin := time.Now()
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if d := time.Since(begin); d > 2*time.Second {
			t.Errorf("it took %v", d)
		}
	})
}

// Requests that wait behind those of a client that has left are dropped.
func TestZeroesOfAClientThatLeft(t *testing.T) {
	inBubble(t, func(t *testing.T, wait func()) {
		dev := newSlothful(5 << 20) // five writes
		c, verdict := serve(t, ableServer(dev))
		const queued = 200
		zeroing(t, c, dev, 0)
		var batch []byte
		for i := range queued {
			batch = append(batch, extendedHeaders.request(0, cmdWriteZeroes, uint64(i), 0, 5<<20)...)
		}
		send(t, c, batch)
		c.Close()
		if verdict() == nil {
			t.Error("the server is content")
		}
		if n := dev.writes.Load(); n > 2*16*5 {
			t.Errorf("%d writes for nobody", n)
		}
	})
}

// limited knows when writing to it has to be done.
type limited struct {
	net.Conn
	until atomic.Value
}

func (l *limited) SetWriteDeadline(when time.Time) error {
	l.until.Store(when)
	return l.Conn.SetWriteDeadline(when)
}

// A reply's time ends with it. A session that rests also writes: inside TLS
// the answer to a key update, which a time long past would make the last.
func TestNoTimeLimitAfterAReply(t *testing.T) {
	inBubble(t, func(t *testing.T, wait func()) {
		c, far := net.Pipe()
		server, ended := &limited{Conn: far}, make(chan error)
		go func() { ended <- testServer(pattern(100)).ServeConn(context.Background(), server) }()
		expect(t, c, greeting(3))
		send(t, c, u32(3))
		if got, _ := ask(t, c, optGo, exportRequest("vda")); got != repAck {
			t.Errorf("GO: %#x", got)
		}
		send(t, c, request(0, cmdRead, 1, 0, 4))
		expect(t, c, simple(0, 1, pattern(4)...))
		wait()
		if until, _ := server.until.Load().(time.Time); !until.IsZero() {
			t.Errorf("writes have to be done by %v", until)
		}
		c.Close()
		<-ended
	})
}
