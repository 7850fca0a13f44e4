package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"syscall/js"
	"testing"
	"time"
)

var _ net.Conn = (*conn)(nil)

func TestDrainsBeforeEOF(t *testing.T) {
	want := bytes.Repeat([]byte("0123456789abcdef"), 64)
	for range 100 {
		t.Run("", func(t *testing.T) {
			c, ws := openFake(t)
			ws.Call("deliver", bytesOf(want), 1)
			ws.Call("end", 1000)
			got, err := io.ReadAll(c)
			if err != nil || !bytes.Equal(got, want) {
				t.Fatalf("read %d of %d bytes, %v", len(got), len(want), err)
			}
		})
	}
}

func TestReadTakesMessagesApart(t *testing.T) {
	c, ws := openFake(t)
	ws.Call("deliver", bytesOf([]byte("hello world")), 4)
	ws.Call("deliver", bytesOf(nil))
	for _, want := range []string{"hel", "l", "o w", "o", "rld"} {
		p := make([]byte, 3)
		n, err := c.Read(p)
		if err != nil || string(p[:n]) != want {
			t.Fatalf("Read = %q, %v; want %q", p[:n], err, want)
		}
	}
	if c.queued != 0 || c.first != nil || c.last != nil {
		t.Errorf("an empty queue counts %d bytes", c.queued)
	}
}

func TestReadWaitsForMessage(t *testing.T) {
	c, ws := openFake(t)
	time.AfterFunc(10*time.Millisecond, func() { ws.Call("deliver", bytesOf([]byte("x"))) })
	p := make([]byte, 8)
	if n, err := c.Read(p); n != 1 || err != nil {
		t.Fatalf("Read = %d, %v", n, err)
	}
}

func TestCloseCodes(t *testing.T) {
	for _, code := range []int{1006, 1011, 4001, 4004, 4502} {
		c, ws := openFake(t)
		ws.Call("deliver", bytesOf([]byte("tail")))
		ws.Call("end", code, "because")
		got, err := io.ReadAll(c)
		var end *CloseError
		if !errors.As(err, &end) || end.Code != code || end.Reason != "because" || string(got) != "tail" {
			t.Errorf("code %d: read %q, %v", code, got, err)
		}
		if _, err := c.Write([]byte("x")); !errors.As(err, &end) {
			t.Errorf("code %d: Write = %v", code, err)
		}
	}
}

func TestQueueIsBounded(t *testing.T) {
	for name, messages := range map[string]struct{ count, size int }{
		"large": {maxQueued/(1<<20) + 1, 1 << 20},
		"tiny":  {maxQueued/messageCost + 1, 1},
	} {
		t.Run(name, func(t *testing.T) {
			c, ws := openFake(t)
			message := uint8Array.New(messages.size)
			for range messages.count {
				ws.Call("deliver", message)
			}
			var overrun *TunnelError
			if _, err := c.Read(make([]byte, 1)); !errors.As(err, &overrun) {
				t.Fatalf("Read = %v", err)
			}
			if code := ws.Get("closes").Index(0).Int(); code != closeProtocol {
				t.Errorf("closed with %d", code)
			}
			if c.first != nil {
				t.Error("the flood is still in memory")
			}
		})
	}
}

func TestTextMessageEndsConnection(t *testing.T) {
	c, ws := openFake(t)
	ws.Call("emit", "message", map[string]any{"data": "hello"})
	var broken *TunnelError
	if _, err := c.Read(make([]byte, 1)); !errors.As(err, &broken) {
		t.Fatalf("Read = %v", err)
	}
}

func TestCloseUnblocks(t *testing.T) {
	c, ws := openFake(t)
	ws.Set("bufferedAmount", sendMark+1)
	failed := make(chan error, 2)
	go func() { _, err := c.Read(make([]byte, 1)); failed <- err }()
	go func() { _, err := c.Write(make([]byte, 1)); failed <- err }()
	time.AfterFunc(10*time.Millisecond, func() { c.Close() })
	for range 2 {
		if err := <-failed; !errors.Is(err, net.ErrClosed) {
			t.Errorf("error is %v", err)
		}
	}
	if err := c.Close(); err != nil || ws.Get("closes").Length() != 1 || ws.Get("closes").Index(0).Int() != closeNormal {
		t.Errorf("second Close = %v, codes %v", err, ws.Get("closes"))
	}
}

func TestWriteSendsAllInOrder(t *testing.T) {
	c, ws := openFake(t)
	want := make([]byte, 2*sendChunk+17)
	for i := range want {
		want[i] = byte(i * 7)
	}
	if n, err := c.Write(want); n != len(want) || err != nil {
		t.Fatalf("Write = %d, %v", n, err)
	}
	got := make([]byte, len(want)+1)
	if n := js.CopyBytesToGo(got, uint8Array.New(ws.Get("sent"))); !bytes.Equal(got[:n], want) {
		t.Errorf("%d bytes were sent, not those written", n)
	}
}

func TestWriteWaitsForBrowser(t *testing.T) {
	c, ws := openFake(t)
	ws.Set("bufferedAmount", sendMark+1)
	if err := c.SetWriteDeadline(time.Now().Add(20 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Write([]byte("x")); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("Write over the mark = %v", err)
	}
	c.SetWriteDeadline(time.Time{})
	time.AfterFunc(10*time.Millisecond, func() { ws.Set("bufferedAmount", sendMark) })
	if _, err := c.Write([]byte("x")); err != nil || ws.Get("sent").Length() != 1 {
		t.Fatalf("Write after the buffer drained = %v, %d bytes sent", err, ws.Get("sent").Length())
	}
}

func TestReadDeadline(t *testing.T) {
	c, ws := openFake(t)
	p := make([]byte, 1)
	c.SetReadDeadline(time.Now().Add(-time.Second))
	if _, err := c.Read(p); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("passed deadline: %v", err)
	}
	c.SetReadDeadline(time.Now().Add(time.Hour))
	time.AfterFunc(10*time.Millisecond, func() { c.SetReadDeadline(time.Now()) })
	if _, err := c.Read(p); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("deadline moved under a waiting Read: %v", err)
	}
	c.SetReadDeadline(time.Time{})
	ws.Call("deliver", bytesOf([]byte("x")))
	if n, err := c.Read(p); n != 1 || err != nil {
		t.Errorf("deadline taken away: %d, %v", n, err)
	}
}

func TestDialFailures(t *testing.T) {
	var failed *DialError
	t.Run("refused", func(t *testing.T) {
		last := fakeWebSocket(t)
		time.AfterFunc(10*time.Millisecond, func() { last().Call("end", 1006) })
		if _, err := dial(t.Context(), "ws://bridge/", tickets{}); !errors.As(err, &failed) {
			t.Errorf("dial = %v", err)
		}
	})
	t.Run("refused with an error alone", func(t *testing.T) {
		last := fakeWebSocket(t)
		time.AfterFunc(10*time.Millisecond, func() { last().Call("emit", "error") })
		if _, err := dial(t.Context(), "ws://bridge/", tickets{}); !errors.Is(err, errNotOpened) {
			t.Errorf("dial = %v", err)
		}
	})
	t.Run("bad URL", func(t *testing.T) {
		fakeWebSocket(t)
		if _, err := dial(t.Context(), "ftp://bridge/", tickets{}); !errors.As(err, &failed) {
			t.Errorf("dial = %v", err)
		}
	})
	t.Run("no bridge", func(t *testing.T) {
		last := fakeWebSocket(t)
		time.AfterFunc(10*time.Millisecond, func() { last().Call("open", "chat") })
		if _, err := dial(t.Context(), "ws://bridge/", tickets{}); !errors.As(err, &failed) {
			t.Errorf("dial = %v", err)
		}
	})
	t.Run("cancelled while connecting", func(t *testing.T) {
		last := fakeWebSocket(t)
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(10*time.Millisecond, cancel)
		if _, err := dial(ctx, "ws://bridge/", tickets{}); !errors.Is(err, context.Canceled) {
			t.Errorf("dial = %v", err)
		}
		if last().Get("closes").Length() != 1 {
			t.Error("the socket was left open")
		}
	})
}

func TestDialOffersTicket(t *testing.T) {
	last := fakeWebSocket(t)
	time.AfterFunc(10*time.Millisecond, func() { last().Call("open") })
	c, err := dial(t.Context(), "ws://bridge/", tickets{fixed: "a.b.c"})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if got := last().Get("protocols").Call("join", " ").String(); got != "nbd bearer.a.b.c" {
		t.Errorf("subprotocols %q", got)
	}
}

// A connection that ends in the moment it opens still tells its close code.
func TestEndRightAfterOpen(t *testing.T) {
	last := fakeWebSocket(t)
	time.AfterFunc(10*time.Millisecond, func() {
		last().Call("open")
		last().Call("end", closeUnknownTarget, "no such target")
	})
	c, err := dial(t.Context(), "ws://bridge/", tickets{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Read(make([]byte, 1)); codeOf(err) != CodeUnknownTarget {
		t.Errorf("Read = %v", err)
	}
}
