package nbd_test

import (
	"context"
	"errors"
	"net"
	"reflect"
	"strings"
	"testing"

	"nbdbridge/nbd"
)

// metaLies answer LIST_META_CONTEXT or SET_META_CONTEXT.
var metaLies = []struct {
	name   string
	opt    uint32
	answer []byte
	text   string
}{
	{"no name", optListMeta, optionReply(optListMeta, 4, u32(1)), "4 bytes"},
	{"no id", optSetMeta, optionReply(optSetMeta, 4, []byte{1}), "1 bytes"},
	{"name too long", optSetMeta, claim(optSetMeta, 4, 4+4097), "4101 bytes"},
	{"4 GiB", optListMeta, claim(optListMeta, 4, 1<<32-1), "4294967295 bytes"},
	{"INFO", optSetMeta, optionReply(optSetMeta, repInfo, infoExport(1, 1)), "INFO"},
	{"the id twice", optSetMeta, cat(optionReply(optSetMeta, 4, cat(u32(1), []byte("x:a"))), optionReply(optSetMeta, 4, cat(u32(1), []byte("x:b"))), optionReply(optSetMeta, repAck, nil)), "selected twice"},
	{"the name twice", optSetMeta, cat(optionReply(optSetMeta, 4, cat(u32(1), []byte("x:a"))), optionReply(optSetMeta, 4, cat(u32(2), []byte("x:a"))), optionReply(optSetMeta, repAck, nil)), "selected twice"},
	{"endless", optListMeta, repeat(optionReply(optListMeta, 4, cat(u32(0), []byte("x:a"))), 300), "more than 256"},
}

func repeat(b []byte, times int) (all []byte) {
	for range times {
		all = append(all, b...)
	}
	return all
}

func TestMetaLies(t *testing.T) {
	for _, c := range metaLies {
		t.Run(c.name, func(t *testing.T) {
			against(t, tellOne(c.opt, c.answer), func(t *testing.T, ctx context.Context, conn net.Conn) {
				defer promptly(t)()
				err := askMeta(ctx, conn, c.opt)
				if broken := (*nbd.ProtocolError)(nil); !errors.As(err, &broken) || !strings.Contains(err.Error(), c.text) {
					t.Errorf("error: %v", err)
				}
			})
		})
	}
}

// askMeta sends one of the options, or goes on to transmission with it.
func askMeta(ctx context.Context, conn net.Conn, opt uint32) error {
	cfg := plain()
	cfg.MetaContexts = []string{"x:"}
	client, err := nbd.NewClient(ctx, conn, cfg)
	if err != nil {
		return err
	}
	defer client.Close()
	if opt == optListMeta {
		_, err := client.ListMetaContexts(ctx, "", "x:")
		return err
	}
	disk, err := client.Open(ctx, "")
	if err == nil {
		disk.Close()
	}
	return err
}

// A refusal leaves no contexts, and the export opens all the same; what came
// before the refusal is void.
func TestMetaContextsRefused(t *testing.T) {
	for _, typ := range []uint32{errUnsup, errInvalid, errPolicy, errTooBig, errUnknown} {
		answer := cat(optionReply(optSetMeta, 4, cat(u32(1), []byte("x:a"))), optionReply(optSetMeta, typ, []byte("no")))
		against(t, func(l *liar) {
			tellOne(optSetMeta, answer)(l)
			l.open(offer{size: 1, flags: 1})
		}, func(t *testing.T, ctx context.Context, conn net.Conn) {
			defer promptly(t)()
			cfg := plain()
			cfg.MetaContexts = []string{"x:a"}
			disk := openDisk(t, conn, cfg, "")
			if names := disk.MetaContexts(); len(names) != 0 {
				t.Errorf("%#x: %v", typ, names)
			}
			if _, err := disk.BlockStatus(ctx, 0, 1, 0); !errors.Is(err, nbd.ErrNoMetaContext) {
				t.Errorf("%#x: %v", typ, err)
			}
			disk.Close()
		})
	}
}

func TestListMetaContexts(t *testing.T) {
	answer := cat(metaContexts(optListMeta, "base:allocation", "qemu:dirty-bitmap:"), optionReply(optListMeta, repAck, nil))
	against(t, tellOne(optListMeta, answer), func(t *testing.T, ctx context.Context, conn net.Conn) {
		client, err := nbd.NewClient(ctx, conn, plain())
		if err != nil {
			t.Fatal(err)
		}
		names, err := client.ListMetaContexts(ctx, "x")
		if err != nil || !reflect.DeepEqual(names, []string{"base:allocation", "qemu:dirty-bitmap:"}) {
			t.Errorf("%v, %v", names, err)
		}
		client.Close()
	})
	against(t, tellOne(optListMeta, optionReply(optListMeta, errUnsup, nil)), func(t *testing.T, ctx context.Context, conn net.Conn) {
		client, err := nbd.NewClient(ctx, conn, plain())
		if err != nil {
			t.Fatal(err)
		}
		var refused *nbd.OptionError
		if _, err := client.ListMetaContexts(ctx, "x"); !errors.As(err, &refused) || refused.Export != "x" || !strings.Contains(err.Error(), `metadata contexts of export "x"`) {
			t.Error(err)
		}
		client.Close()
	})
}

// What can't be meant is refused before anything is sent.
func TestMetaContextArguments(t *testing.T) {
	long := strings.Repeat("x", 4097)
	cfg := plain()
	cfg.MetaContexts = []string{long}
	if err := cfg.Validate(); err == nil || !strings.Contains(err.Error(), "4097 bytes") {
		t.Error(err)
	}
	cfg.MetaContexts = make([]string, 257)
	if err := cfg.Validate(); err == nil || !strings.Contains(err.Error(), "257") {
		t.Error(err)
	}
	cfg.MetaContexts = []string{"a\x00b"}
	if err := cfg.Validate(); err == nil {
		t.Error("NUL was taken")
	}
	cfg = plain()
	cfg.Framing = 3
	if err := cfg.Validate(); err == nil || !strings.Contains(err.Error(), "framing") {
		t.Error(err)
	}
}
