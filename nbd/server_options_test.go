package nbd_test

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"nbdbridge/nbd"
	"nbdbridge/nbd/device"
)

// After each of these the stream is in step, however long the data.
func TestOptionLengths(t *testing.T) {
	inStep := []int{0, 1, 4096, 4097, 64 << 10, 64<<10 + 1, 16 << 20}
	for _, opt := range []uint32{optList, optInfo, optGo, optStructured, optStartTLS, 10, 99} {
		c, _ := serve(t, testServer(nil))
		expect(t, c, greeting(3))
		send(t, c, u32(3))
		for _, n := range inStep {
			got, _ := ask(t, c, opt, make([]byte, n))
			bare := n == 0 && (opt == optList || opt == optStructured)
			if refused := got&(1<<31) != 0; got == hungUp || refused == bare {
				t.Errorf("option %d with %d bytes: %#x", opt, n, got)
			}
			if opt == optStartTLS && n > 0 && got != errInvalid {
				t.Errorf("STARTTLS with %d bytes: %#x", n, got)
			}
			if got, _ := ask(t, c, optList, nil); got != repAck {
				t.Fatalf("LIST after option %d with %d bytes: %#x", opt, n, got)
			}
		}
	}
}

// ABORT is acknowledged whatever comes with it.
func TestAbortWithData(t *testing.T) {
	for _, n := range []int{0, 1, 64<<10 + 1} {
		c, verdict := serve(t, testServer(nil))
		expect(t, c, greeting(3))
		send(t, c, u32(3))
		if got, _ := ask(t, c, optAbort, make([]byte, n)); got != repAck {
			t.Errorf("ABORT with %d bytes: %#x", n, got)
		}
		c.Close()
		if err := verdict(); err != nil {
			t.Errorf("ABORT with %d bytes: %v", n, err)
		}
	}
}

// What can't be drained in reason ends the session, and costs no memory.
func TestOptionLengthsThatEndTheSession(t *testing.T) {
	for _, opt := range []uint32{optExportName, optList, optGo, 99} {
		for _, n := range []uint32{16<<20 + 1, math.MaxInt32, math.MaxUint32} {
			before := allocated()
			c, verdict := serve(t, testServer(nil))
			expect(t, c, greeting(3))
			send(t, c, u32(3), []byte("IHAVEOPT"), u32(opt), u32(n))
			ended(t, c)
			if verdict() == nil {
				t.Errorf("option %d with %d bytes is fine", opt, n)
			}
			if used := allocated() - before; used > 4<<20 {
				t.Errorf("option %d with %d bytes: %d bytes were allocated", opt, n, used)
			}
		}
	}
}

func TestBadOptionMagic(t *testing.T) {
	for _, b := range [][]byte{make([]byte, 16), []byte("GET / HTTP/1.1\r\n"), request(0, cmdRead, 1, 0, 1)[:16]} {
		c, verdict := serve(t, testServer(nil))
		expect(t, c, greeting(3))
		send(t, c, u32(3), b)
		ended(t, c)
		if verdict() == nil {
			t.Errorf("%q is fine", b)
		}
	}
}

func TestTooManyOptions(t *testing.T) {
	c, verdict := serve(t, testServer(nil))
	expect(t, c, greeting(3))
	send(t, c, u32(3))
	n := 0
	for ; n < 5000; n++ {
		if got, _ := ask(t, c, 99, nil); got == hungUp {
			break
		}
	}
	if n == 5000 || verdict() == nil {
		t.Errorf("%d options were answered", n)
	}
}

func TestExportNames(t *testing.T) {
	longest := strings.Repeat("ü", 2048)
	srv := &nbd.Server{Exports: []nbd.Export{
		{Name: longest, Description: "long", Device: device.NewMemory(nil)}, {Name: "a.b/c d", Device: device.NewMemory(nil)},
	}}
	c, _ := serve(t, srv)
	expect(t, c, greeting(3))
	send(t, c, u32(3))
	many := exportRequest("", make([]uint16, 30_000)...)
	for i, test := range []struct {
		data []byte
		want reaction
	}{
		{exportRequest("", 1, 2, 3), repAck},
		{exportRequest(longest, 1), repAck},
		{exportRequest("a.b/c d"), repAck},
		{exportRequest("a.b/c d", 0, 0, 77, 3, 3), repAck},
		{many, repAck},
		{exportRequest("A.b/c d"), errUnknown},
		{exportRequest("."), errUnknown},
		{exportRequest(strings.Repeat("n", 4096)), errUnknown},
		{exportRequest(strings.Repeat("\x01\U0010ffff", 819)), errUnknown},
		{exportRequest(strings.Repeat("n", 4097)), errInvalid},
		{exportRequest("a\x00b"), errInvalid},
		{exportRequest("\xff"), errInvalid},
		{make([]byte, 5), errInvalid},
		{cat(u32(1), u16(0)), errInvalid},
		{cat(u32(2), []byte("a"), u16(0)), errInvalid},
		{cat(u32(math.MaxUint32), []byte("a"), u16(0)), errInvalid},
		{cat(u32(1<<31), []byte("a"), u16(0)), errInvalid},
		{cat(u32(1), []byte("a"), u16(1)), errInvalid},
		{cat(u32(1), []byte("a"), u16(0), u16(0)), errInvalid},
		{cat(u32(1), []byte("a"), u16(0xffff), u16(0)), errInvalid},
		{cat(u32(1), []byte("a"), u16(1), []byte{0}), errInvalid},
	} {
		got, text := ask(t, c, optInfo, test.data)
		if got != test.want || len(text) > 4096 {
			t.Errorf("%d: INFO with %.60q: %#x, not %#x, with %d bytes", i, test.data, got, test.want, len(text))
		}
		if got, _ := ask(t, c, optList, nil); got != repAck {
			t.Fatalf("%d: LIST afterwards: %#x", i, got)
		}
	}
}

// The transmission begins right behind the ACK of GO, with NO_ZEROES or not.
func TestGoIsFollowedByNothing(t *testing.T) {
	for _, flags := range []uint32{1, 3} {
		c, _ := serve(t, testServer(pattern(100)))
		expect(t, c, greeting(3))
		send(t, c, u32(flags))
		if got, _ := ask(t, c, optGo, exportRequest("iso")); got != repAck {
			t.Fatalf("GO: %#x", got)
		}
		send(t, c, request(0, cmdRead, 7, 10, 3))
		expect(t, c, simple(0, 7, pattern(13)[10:]...))
	}
}

// STARTTLS forgets what was negotiated before; here that is seen in a server
// whose clear-text STRUCTURED_REPLY was refused, so the reply stays simple.
func TestStructuredRepliesAreNegotiatedInside(t *testing.T) {
	srv := testServer(pattern(100))
	srv.TLS = serverTLS(serverCert())
	for _, structured := range []bool{false, true} {
		t.Run(fmt.Sprint(structured), func(t *testing.T) {
			raw, _ := serve(t, srv)
			c := intoTLS(t, raw)
			want := simple(0, 7, pattern(13)[10:]...)
			if structured {
				if got, _ := ask(t, c, optStructured, nil); got != repAck {
					t.Errorf("STRUCTURED_REPLY: %#x", got)
				}
				want = dataChunk(done, 7, 10, pattern(13)[10:]...)
			}
			if got, _ := ask(t, c, optGo, exportRequest("vda")); got != repAck {
				t.Fatalf("GO: %#x", got)
			}
			send(t, c, request(0, cmdRead, 7, 10, 3))
			expect(t, c, want)
			raw.Close()
		})
	}
}

func TestServerDescribesOnRequest(t *testing.T) {
	c, _ := serve(t, testServer(pattern(100)))
	expect(t, c, greeting(3))
	send(t, c, u32(3), optionRequest(optInfo, exportRequest("iso", 1, 2, 3)))
	expect(t, c, optionReply(optInfo, repInfo, infoExport(1000, 0x10f)))
	expect(t, c, optionReply(optInfo, repInfo, cat(u16(1), []byte("iso")))) // no description: none was set
	expect(t, c, optionReply(optInfo, repInfo, infoBlock(1, 4096, 32<<20)))
	expect(t, c, optionReply(optInfo, repAck, nil))
}
