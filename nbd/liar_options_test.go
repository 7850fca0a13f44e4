package nbd_test

import (
	"bytes"
	"context"
	"errors"
	"math"
	"net"
	"runtime"
	"strings"
	"testing"

	"nbdbridge/nbd"
)

// Each lie is the answer to one option. "ends" means that the client calls it
// a protocol error and hangs up by itself, at once.
var optionLies = []struct {
	name   string
	opt    uint32
	answer []byte
	text   string // of the protocol error
}{
	{"wrong magic", optList, cat(u64(0x0003e889045565aa), u32(optList), u32(repAck), u32(0)), "magic"},
	{"request magic", optList, cat([]byte("IHAVEOPT"), u32(optList), u32(repAck), u32(0)), "magic"},
	{"another option", optList, optionReply(optInfo, repAck, nil), "INFO"},
	{"unknown type", optList, optionReply(optList, 77, nil), "0x4d"},
	{"INFO to LIST", optList, optionReply(optList, repInfo, infoExport(1, 1)), "INFO"},
	{"META_CONTEXT to LIST", optList, optionReply(optList, 4, make([]byte, 5)), "META_CONTEXT"},
	{"ACK with data", optList, optionReply(optList, repAck, []byte("!")), "1 bytes"},
	{"ACK of 4 GiB", optList, claim(optList, repAck, math.MaxUint32), "4294967295 bytes"},
	{"SERVER of 4 GiB", optList, claim(optList, repServer, math.MaxUint32), "4294967295 bytes"},
	{"SERVER of 2 GiB", optList, claim(optList, repServer, 1<<31), "2147483648 bytes"},
	{"SERVER too long by one", optList, claim(optList, repServer, 4+4096+4096+1), "8197"},
	{"error of 4 GiB", optList, claim(optList, errPolicy, math.MaxUint32), "4294967295"},
	{"error text too long by one", optList, claim(optList, errPolicy, 4097), "4097"},
	{"unknown type of 2 GiB", optList, claim(optList, 77, 1<<31), "2147483648"},
	{"SERVER without a length", optList, optionReply(optList, repServer, []byte{0, 0, 0}), "3 bytes"},
	{"SERVER name beyond its entry", optList, optionReply(optList, repServer, cat(u32(5), []byte("abcd"))), "5 bytes"},
	{"SERVER name of 4 GiB", optList, optionReply(optList, repServer, cat(u32(math.MaxUint32), []byte("abcd"))), "4294967295"},
	{"SERVER name too long", optList, optionReply(optList, repServer, cat(u32(4097), make([]byte, 4097))), "4097"},
	{"EXTENDED_HEADERS answered with SERVER", optExtended, optionReply(optExtended, repServer, serverEntry("a", "")), "SERVER"},
	{"STRUCTURED_REPLY answered with INFO", optStructured, optionReply(optStructured, repInfo, infoExport(1, 1)), "INFO"},
	{"GO acknowledged without EXPORT", optGo, optionReply(optGo, repAck, nil), "without the export's size"},
	{"GO with block sizes alone", optGo, cat(optionReply(optGo, repInfo, infoBlock(1, 512, 512)), optionReply(optGo, repAck, nil)), "without"},
	{"GO answered with SERVER", optGo, optionReply(optGo, repServer, serverEntry("a", "")), "SERVER"},
	{"empty information", optGo, optionReply(optGo, repInfo, nil), "0 bytes"},
	{"one byte of information", optGo, optionReply(optGo, repInfo, []byte{0}), "1 bytes"},
	{"EXPORT too short", optGo, optionReply(optGo, repInfo, infoExport(1, 1)[:11]), "11 bytes"},
	{"EXPORT too long", optGo, optionReply(optGo, repInfo, append(infoExport(1, 1), 0)), "13 bytes"},
	{"size 2^63", optGo, optionReply(optGo, repInfo, infoExport(1<<63, 1)), "9223372036854775808"},
	{"size 2^64-1", optInfo, optionReply(optInfo, repInfo, infoExport(math.MaxUint64, 1)), "18446744073709551615"},
	{"BLOCK_SIZE too short", optGo, optionReply(optGo, repInfo, infoBlock(1, 512, 512)[:13]), "13 bytes"},
	{"information of 64 KiB + 1", optGo, claim(optGo, repInfo, 1<<16+1), "65537"},
	{"NAME too long", optGo, optionReply(optGo, repInfo, cat(u16(1), make([]byte, 4097))), "4097"},
	{"DESCRIPTION too long", optGo, optionReply(optGo, repInfo, cat(u16(2), make([]byte, 4097))), "4097"},
	{"minimum 0", optGo, optionReply(optGo, repInfo, infoBlock(0, 4096, 1<<20)), "impossible block sizes"},
	{"minimum 3", optGo, optionReply(optGo, repInfo, infoBlock(3, 4096, 1<<20)), "minimum 3"},
	{"minimum 128 KiB", optGo, optionReply(optGo, repInfo, infoBlock(1<<17, 1<<17, 1<<20)), "impossible"},
	{"minimum 2 GiB", optGo, optionReply(optGo, repInfo, infoBlock(1<<31, 1<<31, 1<<31)), "impossible"},
	{"preferred 0", optGo, optionReply(optGo, repInfo, infoBlock(1, 0, 1<<20)), "impossible"},
	{"preferred 256", optGo, optionReply(optGo, repInfo, infoBlock(1, 256, 1<<20)), "impossible"},
	{"preferred 1000", optGo, optionReply(optGo, repInfo, infoBlock(1, 1000, 1<<20)), "impossible"},
	{"preferred below the minimum", optGo, optionReply(optGo, repInfo, infoBlock(4096, 512, 1<<20)), "impossible"},
	{"maximum below preferred", optGo, optionReply(optGo, repInfo, infoBlock(1, 4096, 4095)), "impossible"},
	{"maximum 0", optGo, optionReply(optGo, repInfo, infoBlock(1, 4096, 0)), "impossible"},
}

func TestOptionLies(t *testing.T) {
	for _, c := range optionLies {
		t.Run(c.name, func(t *testing.T) {
			against(t, tellOne(c.opt, c.answer), func(t *testing.T, ctx context.Context, conn net.Conn) {
				defer promptly(t)()
				err := negotiate(ctx, conn, plain())
				if broken := (*nbd.ProtocolError)(nil); !errors.As(err, &broken) || !strings.Contains(err.Error(), c.text) {
					t.Errorf("error: %v", err)
				}
				if _, err := conn.Write([]byte{0}); err == nil {
					t.Error("the connection is still open")
				}
			})
		})
	}
}

// tellOne plays honestly up to one option.
func tellOne(lieTo uint32, answer []byte) func(*liar) {
	honest := map[uint32][]byte{
		optList:       optionReply(optList, repAck, nil),
		optInfo:       cat(optionReply(optInfo, repInfo, infoExport(1, 1)), optionReply(optInfo, repAck, nil)),
		optExtended:   optionReply(optExtended, errUnsup, nil),
		optStructured: optionReply(optStructured, repAck, nil),
	}
	return func(l *liar) {
		l.greet()
		for {
			opt, _ := l.option()
			if opt == lieTo {
				l.send(answer)
				return
			}
			l.send(honest[opt])
		}
	}
}

// Endless answers end, and cost no memory.
func TestEndlessReplies(t *testing.T) {
	for name, c := range map[string]struct {
		opt   uint32
		reply []byte
	}{
		"SERVER, tiny":  {optList, optionReply(optList, repServer, serverEntry("", ""))},
		"SERVER, large": {optList, optionReply(optList, repServer, serverEntry(strings.Repeat("n", 4096), strings.Repeat("d", 4096)))},
		"INFO EXPORT":   {optGo, optionReply(optGo, repInfo, infoExport(1, 1))},
		"INFO unknown":  {optGo, optionReply(optGo, repInfo, cat(u16(999), make([]byte, 1<<16-2)))},
	} {
		t.Run(name, func(t *testing.T) {
			play := tellOne(c.opt, c.reply)
			before := allocated()
			against(t, func(l *liar) {
				play(l)
				for {
					l.send(c.reply)
				}
			}, func(t *testing.T, ctx context.Context, conn net.Conn) {
				defer promptly(t)()
				err := negotiate(ctx, conn, plain())
				if broken := (*nbd.ProtocolError)(nil); !errors.As(err, &broken) {
					t.Errorf("error: %v", err)
				}
			})
			if used := allocated() - before; used > 256<<20 { // the garbage of both ends
				t.Errorf("%d bytes were allocated for it", used)
			}
		})
	}
}

func allocated() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.TotalAlloc
}

// What a server may say, though most don't.
func TestOddButHonestNegotiation(t *testing.T) {
	long := bytes.Repeat([]byte{'x'}, 4096)
	against(t, func(l *liar) {
		l.greet()
		l.option()
		l.send(optionReply(optList, repServer, cat(u32(4096), long, long)), optionReply(optList, repAck, nil))
		l.option()
		l.send(optionReply(optInfo, repInfo, infoBlock(512, 4096, 1<<20)), optionReply(optInfo, errBlockSize, long))
		l.option()
		l.send(optionReply(optExtended, errPlatform, nil))
		l.option()
		l.send(optionReply(optStructured, errPolicy, nil))
		l.option()
		l.send(optionReply(optGo, repInfo, infoBlock(65536, 65536, math.MaxUint32)), optionReply(optGo, repInfo, cat(u16(777), make([]byte, 65534))),
			optionReply(optGo, repInfo, cat(u16(1), long)), optionReply(optGo, repInfo, u16(2)),
			optionReply(optGo, repInfo, infoExport(math.MaxInt64, 0xffff)), optionReply(optGo, repAck, nil))
		l.request()
	}, func(t *testing.T, ctx context.Context, c net.Conn) {
		defer promptly(t)()
		client, err := nbd.NewClient(ctx, c, plain())
		if err != nil {
			t.Fatal(err)
		}
		if l, err := client.List(ctx); err != nil || len(l) != 1 || l[0].Name != string(long) || l[0].Description != string(long) {
			t.Errorf("List: %v", err)
		}
		var refused *nbd.OptionError
		if _, err := client.Info(ctx, "a"); !errors.As(err, &refused) || refused.Reply != nbd.RepErrBlockSizeReqd || len(refused.Message) > 512 {
			t.Errorf("Info: %v", err)
		}
		disk, err := client.Open(ctx, "a")
		if err != nil {
			t.Fatal(err)
		}
		if i := disk.Info(); i.Size != math.MaxInt64 || i.Name != string(long) || i.BlockSize.MaximumPayload != math.MaxUint32 {
			t.Errorf("Info: %+v", i.BlockSize)
		}
		if err := disk.Close(); err != nil {
			t.Error(err)
		}
	})
}

// Every refusal comes back with its code, and another option may follow.
func TestRefusals(t *testing.T) {
	for typ, word := range map[uint32]string{
		errUnsup: "ERR_UNSUP", errPolicy: "ERR_POLICY", errInvalid: "ERR_INVALID", errPlatform: "ERR_PLATFORM", errTLSReqd: "requires TLS",
		errUnknown: "no such export", errBlockSize: "ERR_BLOCK_SIZE_REQD", errTooBig: "ERR_TOO_BIG", errExtHeaders: "ERR_EXT_HEADER_REQD", 0x80000099: "0x80000099",
	} {
		against(t, func(l *liar) {
			l.greet()
			l.option()
			l.send(optionReply(optList, typ, []byte("because\nof \xff me")))
			l.option()
			l.send(optionReply(optInfo, typ, nil))
			l.option()
			l.send(optionReply(optAbort, repAck, nil))
		}, func(t *testing.T, ctx context.Context, c net.Conn) {
			defer promptly(t)()
			client, err := nbd.NewClient(ctx, c, plain())
			if err != nil {
				t.Fatal(err)
			}
			var refused *nbd.OptionError
			_, err = client.List(ctx)
			if !errors.As(err, &refused) || refused.Reply != nbd.ReplyType(typ) || !strings.Contains(err.Error(), word) || refused.Message != "because\uFFFDof \uFFFD me" {
				t.Errorf("List: %v", err)
			}
			if _, err = client.Info(ctx, "lab"); !errors.As(err, &refused) || !strings.Contains(err.Error(), `"lab"`) {
				t.Errorf("Info: %v", err)
			}
			if err := client.Abort(ctx); err != nil {
				t.Errorf("Abort: %v", err)
			}
		})
	}
}

// "The client MUST initiate a soft disconnect" when the server shuts down.
func TestShutdownReplyIsAnsweredWithAbort(t *testing.T) {
	for _, opt := range []uint32{optList, optInfo, optExtended, optStructured, optGo} {
		var last uint32
		against(t, func(l *liar) {
			tellOne(opt, optionReply(opt, errShutdown, []byte("bye")))(l)
			last, _ = l.option()
		}, func(t *testing.T, ctx context.Context, c net.Conn) {
			err := negotiate(ctx, c, plain())
			if refused := (*nbd.OptionError)(nil); !errors.As(err, &refused) || refused.Reply != nbd.RepErrShutdown {
				t.Errorf("error: %v", err)
			}
		})
		if last != optAbort {
			t.Errorf("option %d was sent after ERR_SHUTDOWN to option %d", last, opt)
		}
	}
}

func TestNamesThatCannotBe(t *testing.T) {
	for _, name := range []string{strings.Repeat("x", 4097), "a\x00b", "\xff\xfe"} {
		sent := against(t, (*liar).greet, func(t *testing.T, ctx context.Context, c net.Conn) {
			client, err := nbd.NewClient(ctx, c, plain())
			if err != nil {
				t.Fatal(err)
			}
			if _, err := client.Info(ctx, name); err == nil {
				t.Errorf("Info of %.20q", name)
			}
			if _, err := client.Open(ctx, name); err == nil {
				t.Errorf("Open of %.20q", name)
			}
		})
		if len(sent) != 4 {
			t.Errorf("sent %x", sent)
		}
	}
}
