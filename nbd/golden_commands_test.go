package nbd_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"reflect"
	"testing"

	"nbdbridge/nbd"
)

// A goldenCall is one call of a Disk and the bytes on the wire.
type goldenCall struct {
	what           string
	call           func(ctx context.Context, d *nbd.Disk) error
	client, server string
}

// An export of 16 TiB with every feature and two contexts.
const goldenGo = "0003e889045565a9 00000007 00000003 0000000c 0000 0000100000000000 1dfd" +
	"0003e889045565a9 00000007 00000001 00000000"

const (
	goldenSetMeta = "49484156454f5054 0000000a 00000030 00000000 00000002 0000000f 626173653a616c6c6f636174696f6e 00000011 71656d753a64697274792d6269746d6170"
	goldenMeta    = "0003e889045565a9 0000000a 00000004 00000013 00000001 626173653a616c6c6f636174696f6e" +
		"0003e889045565a9 0000000a 00000004 00000015 00000007 71656d753a64697274792d6269746d6170" +
		"0003e889045565a9 0000000a 00000001 00000000"
	dirty = "qemu:dirty-bitmap"
)

var goldenContexts = []string{"base:allocation", dirty}

var goldenStructured = []goldenCall{
	{"TRIM", func(ctx context.Context, d *nbd.Disk) error { return d.Trim(ctx, 4096, 8192, nbd.FlagFUA) },
		"25609513 0001 0004 0000000000000001 0000000000001000 00002000", "67446698 00000000 0000000000000001"},
	{"CACHE", func(ctx context.Context, d *nbd.Disk) error { return d.Cache(ctx, 1, 2) },
		"25609513 0000 0005 0000000000000002 0000000000000001 00000002", "668e33ef 0001 0000 0000000000000002 00000000"},
	{"WRITE_ZEROES", func(ctx context.Context, d *nbd.Disk) error {
		return d.WriteZeroes(ctx, 0, 512, nbd.FlagFUA|nbd.FlagNoHole|nbd.FlagFastZero)
	}, "25609513 0013 0006 0000000000000003 0000000000000000 00000200", "67446698 00000000 0000000000000003"},
	{"READ, unfragmented", func(ctx context.Context, d *nbd.Disk) error {
		p := make([]byte, 3)
		err := d.ReadUnfragmented(ctx, p, 9)
		return unless(err, string(p) == "abc")
	}, "25609513 0004 0000 0000000000000004 0000000000000009 00000003", "668e33ef 0001 0001 0000000000000004 0000000b 0000000000000009 616263"},
	{"BLOCK_STATUS of both", func(ctx context.Context, d *nbd.Disk) error {
		got, err := d.BlockStatus(ctx, 0, 65536, 0)
		return unless(err, reflect.DeepEqual(got, map[string][]nbd.Extent{
			"base:allocation": {{Offset: 0, Length: 8192, Status: 3}, {Offset: 8192, Length: 4096}},
			dirty:             {{Offset: 0, Length: 65536, Status: 1}},
		}))
	}, "25609513 0000 0007 0000000000000005 0000000000000000 00010000",
		"668e33ef 0000 0005 0000000000000005 0000001c 00000001 00001000 00000003 00001000 00000003 00001000 00000000" +
			"668e33ef 0001 0005 0000000000000005 0000000c 00000007 00020000 00000001"},
	{"BLOCK_STATUS of one, one extent", func(ctx context.Context, d *nbd.Disk) error {
		got, err := d.BlockStatus(ctx, 512, 1024, nbd.FlagReqOne, dirty)
		return unless(err, reflect.DeepEqual(got, map[string][]nbd.Extent{dirty: {{Offset: 512, Length: 1024}}}))
	}, "25609513 0008 0007 0000000000000006 0000000000000200 00000400",
		"668e33ef 0000 0005 0000000000000006 0000000c 00000007 00000400 00000000" +
			"668e33ef 0000 0005 0000000000000006 0000000c 00000001 00000200 00000000" +
			"668e33ef 0001 0000 0000000000000006 00000000"},
	{"BLOCK_STATUS, refused", func(ctx context.Context, d *nbd.Disk) error {
		_, err := d.BlockStatus(ctx, 0, 1, 0)
		return unless(nil, errors.Is(err, nbd.EIO))
	}, "25609513 0000 0007 0000000000000007 0000000000000000 00000001", "67446698 00000005 0000000000000007"},
	{"TRIM over 4 GiB, in two", func(ctx context.Context, d *nbd.Disk) error { return d.Trim(ctx, 0, 1<<32, 0) },
		"25609513 0000 0004 0000000000000008 0000000000000000 ffff0000 25609513 0000 0004 0000000000000009 00000000ffff0000 00010000",
		"67446698 00000000 0000000000000009 67446698 00000000 0000000000000008"},
	{"FLUSH", func(ctx context.Context, d *nbd.Disk) error { return d.Flush(ctx) },
		"25609513 0000 0003 000000000000000a 0000000000000000 00000000", "67446698 00000000 000000000000000a"},
	{"DISC", func(ctx context.Context, d *nbd.Disk) error { return d.Close() },
		"25609513 0000 0002 0000000000000000 0000000000000000 00000000", ""},
}

var goldenExtended = []goldenCall{
	{"WRITE", func(ctx context.Context, d *nbd.Disk) error { return d.Write(ctx, []byte("ab"), 5, nbd.FlagFUA) },
		"21e41c71 0021 0001 0000000000000001 0000000000000005 0000000000000002 6162", "6e8a278c 0001 0000 0000000000000001 0000000000000005 0000000000000000"},
	{"READ of data and a hole", func(ctx context.Context, d *nbd.Disk) error {
		p := fill(6)
		err := d.Read(ctx, p, 5)
		return unless(err, string(p) == "ab\x00\x00\x00\x00")
	}, "21e41c71 0000 0000 0000000000000002 0000000000000005 0000000000000006",
		"6e8a278c 0000 0002 0000000000000002 0000000000000005 000000000000000c 0000000000000007 00000004" +
			"6e8a278c 0001 0001 0000000000000002 0000000000000005 000000000000000a 0000000000000005 6162"},
	{"READ that fails", func(ctx context.Context, d *nbd.Disk) error {
		var failed *nbd.OpError
		err := d.Read(ctx, make([]byte, 1), 7)
		return unless(nil, errors.As(err, &failed) && failed.Errno == nbd.EIO && failed.Message == "bad")
	}, "21e41c71 0000 0000 0000000000000003 0000000000000007 0000000000000001",
		"6e8a278c 0001 8002 0000000000000003 0000000000000007 0000000000000011 00000005 0003 626164 0000000000000007"},
	{"TRIM of 8 TiB", func(ctx context.Context, d *nbd.Disk) error { return d.Trim(ctx, 0, 8<<40, 0) },
		"21e41c71 0000 0004 0000000000000004 0000000000000000 0000080000000000", "6e8a278c 0001 0000 0000000000000004 0000000000000000 0000000000000000"},
	{"WRITE_ZEROES of 8 TiB", func(ctx context.Context, d *nbd.Disk) error { return d.WriteZeroes(ctx, 8<<40, 8<<40, nbd.FlagNoHole) },
		"21e41c71 0002 0006 0000000000000005 0000080000000000 0000080000000000", "6e8a278c 0001 0000 0000000000000005 0000080000000000 0000000000000000"},
	{"BLOCK_STATUS of 16 TiB", func(ctx context.Context, d *nbd.Disk) error {
		got, err := d.BlockStatus(ctx, 0, 16<<40, 0)
		return unless(err, reflect.DeepEqual(got, map[string][]nbd.Extent{
			"base:allocation": {{Offset: 0, Length: 16 << 40, Status: 3}},
			dirty:             {{Offset: 0, Length: 4096, Status: 1 << 40}},
		}))
	}, "21e41c71 0000 0007 0000000000000006 0000000000000000 0000100000000000",
		"6e8a278c 0000 0006 0000000000000006 0000000000000000 0000000000000018 00000001 00000001 0000100000000000 0000000000000003" +
			"6e8a278c 0001 0006 0000000000000006 0000000000000000 0000000000000018 00000007 00000001 0000000000001000 0000010000000000"},
	{"BLOCK_STATUS, filtered", func(ctx context.Context, d *nbd.Disk) error {
		got, err := d.BlockStatus(ctx, 16<<40-512, 512, nbd.FlagReqOne, dirty)
		return unless(err, reflect.DeepEqual(got, map[string][]nbd.Extent{dirty: {{Offset: 16<<40 - 512, Length: 512}}}))
	}, "21e41c71 0028 0007 0000000000000007 00000ffffffffe00 000000000000000c 0000000000000200 00000007",
		"6e8a278c 0001 0006 0000000000000007 00000ffffffffe00 0000000000000018 00000007 00000001 0000000000000200 0000000000000000"},
	{"FLUSH", func(ctx context.Context, d *nbd.Disk) error { return d.Flush(ctx) },
		"21e41c71 0000 0003 0000000000000008 0000000000000000 0000000000000000", "6e8a278c 0001 0000 0000000000000008 0000000000000000 0000000000000000"},
	{"DISC", func(ctx context.Context, d *nbd.Disk) error { return d.Close() },
		"21e41c71 0000 0002 0000000000000000 0000000000000000 0000000000000000", ""},
}

// unless complains about a result that is not what it should be.
func unless(err error, right bool) error {
	if err == nil && !right {
		return errors.New("the result is wrong")
	}
	return err
}

func TestCommandBytes(t *testing.T) {
	for _, c := range []struct {
		framing nbd.Framing
		opt     uint32
		calls   []goldenCall
	}{{nbd.FramingStructured, optStructured, goldenStructured}, {nbd.FramingExtended, optExtended, goldenExtended}} {
		t.Run(c.framing.String(), func(t *testing.T) {
			against(t, func(l *liar) { playGolden(l, c.opt, c.calls) }, func(t *testing.T, ctx context.Context, conn net.Conn) {
				defer promptly(t)()
				cfg := plain()
				cfg.Framing, cfg.MetaContexts = c.framing, goldenContexts
				disk := openDisk(t, conn, cfg, "")
				if disk.Framing() != c.framing || !reflect.DeepEqual(disk.MetaContexts(), goldenContexts) {
					t.Errorf("negotiated %v, %v", disk.Framing(), disk.MetaContexts())
				}
				for _, g := range c.calls {
					if err := g.call(ctx, disk); err != nil {
						t.Errorf("%s: %v", g.what, err)
					}
				}
			})
		})
	}
}

func playGolden(l *liar, framing uint32, calls []goldenCall) {
	l.greet()
	expect := func(what string, want []byte) {
		if got := l.recv(len(want)); !bytes.Equal(got, want) {
			panic(fmt.Sprintf("%s is %x, not %x", what, got, want))
		}
	}
	expect("framing", optionRequest(framing, nil))
	l.send(optionReply(framing, repAck, nil))
	expect("SET_META_CONTEXT", unhex(goldenSetMeta))
	l.send(unhex(goldenMeta))
	expect("GO", unhex("49484156454f5054 00000007 0000000c 00000000 0003 0001 0002 0003"))
	l.send(unhex(goldenGo))
	for _, c := range calls {
		expect(c.what, unhex(c.client))
		l.send(unhex(c.server))
	}
}
