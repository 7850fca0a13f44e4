package nbd_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"testing"

	"nbdbridge/nbd"
	"nbdbridge/nbd/device"
)

// Each line is one exchange, as recorded between qemu-nbd and an independent
// client where the client asks what ours asks, else worked out by hand from
// the specification.
var goldenNegotiation = []struct{ what, client, server string }{
	{"greeting", "", "4e42444d41474943 49484156454f5054 0003"},
	{"client flags", "00000003", ""},
	{"LIST", "49484156454f5054 00000003 00000000",
		"0003e889045565a9 00000003 00000002 00000004 00000000" + "0003e889045565a9 00000003 00000001 00000000"},
	{"INFO", "49484156454f5054 00000006 0000000f 00000003 766461 0003 0001 0002 0003",
		"0003e889045565a9 00000006 80000006 00000003 6e6f21"},
	{"EXTENDED_HEADERS", "49484156454f5054 0000000b 00000000", "0003e889045565a9 0000000b 80000001 00000000"},
	{"STRUCTURED_REPLY", "49484156454f5054 00000008 00000000", "0003e889045565a9 00000008 00000001 00000000"},
	{"GO", "49484156454f5054 00000007 0000000c 00000000 0003 0001 0002 0003",
		"0003e889045565a9 00000007 00000003 0000000e 0003 00000001 00001000 02000000" +
			"0003e889045565a9 00000007 00000003 0000000c 0000 0000000004000000 0ded" +
			"0003e889045565a9 00000007 00000001 00000000"},
}

var goldenTransmission = []struct{ what, client, server string }{
	{"WRITE", "25609513 0000 0001 0000000000000001 0000000000000000 00000008 4142434445464748", "67446698 00000000 0000000000000001"},
	{"WRITE with FUA", "25609513 0001 0001 0000000000000002 0000000000000100 00000001 5a", "668e33ef 0001 0000 0000000000000002 00000000"},
	{"READ of data", "25609513 0000 0000 0000000000000003 0000000000000000 00000008",
		"668e33ef 0001 0001 0000000000000003 00000010 0000000000000000 4142434445464748"},
	{"READ of a hole", "25609513 0000 0000 0000000000000004 0000000002000000 00001000",
		"668e33ef 0001 0002 0000000000000004 0000000c 0000000002000000 00001000"},
	{"READ that fails", "25609513 0000 0000 0000000000000005 0000000003fffe00 00000200",
		"668e33ef 0001 8001 0000000000000005 00000009 00000016 0003 626164"},
	{"FLUSH", "25609513 0000 0003 0000000000000006 0000000000000000 00000000", "67446698 00000000 0000000000000006"},
	{"DISC", "25609513 0000 0002 0000000000000000 0000000000000000 00000000", ""},
}

func TestClientBytes(t *testing.T) {
	play := func(l *liar) {
		for _, g := range append(goldenNegotiation, goldenTransmission...) {
			if want := unhex(g.client); !bytes.Equal(l.recv(len(want)), want) {
				panic(g.what + " is not what the client sent: " + string(l.raw.gotten))
			}
			l.send(unhex(g.server))
		}
	}
	against(t, play, func(t *testing.T, ctx context.Context, c net.Conn) {
		defer promptly(t)()
		client, err := nbd.NewClient(ctx, c, plain())
		if err != nil {
			t.Fatal(err)
		}
		if l, err := client.List(ctx); err != nil || len(l) != 1 || l[0].Name != "" {
			t.Errorf("List: %v, %v", l, err)
		}
		var refused *nbd.OptionError
		if _, err := client.Info(ctx, "vda"); !errors.As(err, &refused) || refused.Message != "no!" {
			t.Errorf("Info: %v", err)
		}
		disk, err := client.Open(ctx, "")
		if err != nil {
			t.Fatal(err)
		}
		goldenRequests(t, ctx, disk)
	})
}

func goldenRequests(t *testing.T, ctx context.Context, disk *nbd.Disk) {
	if i := disk.Info(); i.Size != 64<<20 || i.Flags != 0xded || i.BlockSize != (nbd.BlockSize{Minimum: 1, Preferred: 4096, MaximumPayload: 32 << 20}) {
		t.Errorf("Info: %+v", i)
	}
	if err := disk.Write(ctx, []byte("ABCDEFGH"), 0, 0); err != nil {
		t.Error(err)
	}
	if err := disk.Write(ctx, []byte("Z"), 256, nbd.FlagFUA); err != nil {
		t.Error(err)
	}
	p := make([]byte, 8)
	if err := disk.Read(ctx, p, 0); err != nil || string(p) != "ABCDEFGH" {
		t.Errorf("%q, %v", p, err)
	}
	hole := bytes.Repeat([]byte{9}, 4096)
	if err := disk.Read(ctx, hole, 32<<20); err != nil || !bytes.Equal(hole, make([]byte, 4096)) {
		t.Errorf("the hole did not clear the buffer: %v", err)
	}
	var failed *nbd.OpError
	if err := disk.Read(ctx, make([]byte, 512), 64<<20-512); !errors.As(err, &failed) || failed.Errno != nbd.EINVAL || failed.Message != "bad" {
		t.Error(err)
	}
	if err := disk.Flush(ctx); err != nil {
		t.Error(err)
	}
	if err := disk.Close(); err != nil {
		t.Error(err)
	}
}

// goldenServer holds what our server answers, byte for byte.
var goldenServer = []struct{ what, client, server string }{
	{"greeting", "", "4e42444d41474943 49484156454f5054 0003"},
	{"client flags and LIST", "00000003 49484156454f5054 00000003 00000000",
		"0003e889045565a9 00000003 00000002 00000009 00000003 766461 6f6e" + "0003e889045565a9 00000003 00000001 00000000"},
	{"STARTTLS", "49484156454f5054 00000005 00000000",
		"0003e889045565a9 00000005 80000002 0000001a 544c53206973206e6f7420636f6e666967757265642068657265"},
	{"unknown option", "49484156454f5054 00000063 00000002 abcd", "0003e889045565a9 00000063 80000001 00000000"},
	{"INFO of the default, all information", "49484156454f5054 00000006 0000000c 00000000 0003 0003 0002 0001",
		"0003e889045565a9 00000006 00000003 0000000c 0000 0000000000000010 014d" +
			"0003e889045565a9 00000006 00000003 00000005 0001 766461" +
			"0003e889045565a9 00000006 00000003 00000004 0002 6f6e" +
			"0003e889045565a9 00000006 00000003 0000000e 0003 00000001 00001000 02000000" +
			"0003e889045565a9 00000006 00000001 00000000"},
	{"STRUCTURED_REPLY", "49484156454f5054 00000008 00000000", "0003e889045565a9 00000008 00000001 00000000"},
	{"STRUCTURED_REPLY again", "49484156454f5054 00000008 00000000", "0003e889045565a9 00000008 80000003 00000000"},
	{"GO without asking for anything", "49484156454f5054 00000007 00000009 00000003 766461 0000",
		"0003e889045565a9 00000007 00000003 0000000c 0000 0000000000000010 01cd" + "0003e889045565a9 00000007 00000001 00000000"},
	{"WRITE", "25609513 0000 0001 00000000000000a1 0000000000000004 00000004 41424344", "67446698 00000000 00000000000000a1"},
	{"READ", "25609513 0000 0000 00000000000000a2 0000000000000003 00000005",
		"668e33ef 0001 0001 00000000000000a2 0000000d 0000000000000003 0041424344"},
	{"READ of nothing", "25609513 0000 0000 00000000000000a3 0000000000000003 00000000", "668e33ef 0001 0000 00000000000000a3 00000000"},
	{"READ past the end", "25609513 0000 0000 00000000000000a4 000000000000000f 00000002",
		"668e33ef 0001 8001 00000000000000a4 00000026 00000016 0020 322062797465732061742031353a20746865206578706f727420686173203136"},
	{"FLUSH", "25609513 0000 0003 ffffffffffffffff 0000000000000000 00000000", "67446698 00000000 ffffffffffffffff"},
	{"DISC", "25609513 0000 0002 00000000000000a5 0000000000000000 00000000", ""},
}

func TestServerBytes(t *testing.T) {
	srv := &nbd.Server{Exports: []nbd.Export{{Name: "vda", Description: "on", Device: device.NewMemory(make([]byte, 16))}}}
	c, verdict := serve(t, srv)
	for _, g := range goldenServer {
		if b := unhex(g.client); len(b) > 0 {
			if _, err := c.Write(b); err != nil {
				t.Fatalf("%s: %v", g.what, err)
			}
		}
		want := unhex(g.server)
		got := make([]byte, len(want))
		if _, err := io.ReadFull(c, got); err != nil || !bytes.Equal(got, want) {
			t.Fatalf("%s:\n got %x\nwant %x\n%v", g.what, got, want, err)
		}
	}
	if n, err := c.Read(make([]byte, 1)); n != 0 || err != io.EOF {
		t.Errorf("after DISC: %d, %v", n, err)
	}
	if err := verdict(); err != nil {
		t.Errorf("the server's verdict after DISC: %v", err)
	}
}
