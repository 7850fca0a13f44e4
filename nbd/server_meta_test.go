package nbd_test

import (
	"math"
	"strings"
	"testing"
)

// metaServer is greeted and has structured replies on.
func metaServer(t *testing.T) (ask2 func(opt uint32, data []byte) (reaction, int)) {
	t.Helper()
	c, _ := serve(t, ableServer(newAble(4096)))
	expect(t, c, greeting(3))
	send(t, c, u32(3))
	if got, _ := ask(t, c, optStructured, nil); got != repAck {
		t.Fatal(got)
	}
	return func(opt uint32, data []byte) (reaction, int) {
		t.Helper()
		rec := &recorder{Conn: c}
		got, _ := ask(t, rec, opt, data)
		return got, strings.Count(string(rec.gotten), "base:allocation")
	}
}

func TestMetaContextQueries(t *testing.T) {
	long := strings.Repeat("x-ü:", 800)
	for _, row := range []struct {
		data      []byte
		got       reaction
		list, set int // contexts
	}{
		{metaRequest("vda"), repAck, 1, 0},
		{metaRequest(""), repAck, 1, 0},
		{metaRequest("vda", "base:allocation"), repAck, 1, 1},
		{metaRequest("vda", "base:"), repAck, 1, 0},
		{metaRequest("vda", "base:", "base:allocation", "base:allocation"), repAck, 1, 1},
		{metaRequest("vda", "base:nothing"), repAck, 0, 0},
		{metaRequest("vda", "qemu:dirty-bitmap:x", "x-one:two", "", "no colon", ":"), repAck, 0, 0},
		{metaRequest("vda", long, "base:allocation"), repAck, 1, 1},
		{metaRequest("vda", "Base:allocation", "base:allocation "), repAck, 0, 0},
		{metaRequest("nope", "base:allocation"), errUnknown, 0, 0},
		{metaRequest("vda", strings.Repeat("q", 4096)), repAck, 0, 0},
		{metaRequest("vda", strings.Repeat("q", 4097)), errInvalid, 0, 0},
		{metaRequest("vda", "a\x00b"), errInvalid, 0, 0},
		{metaRequest("vda", "\xff"), errInvalid, 0, 0},
		{metaRequest("v\x00da"), errInvalid, 0, 0},
		{metaRequest(strings.Repeat("n", 4097)), errInvalid, 0, 0},
		{nil, errInvalid, 0, 0},
		{u32(0), errInvalid, 0, 0},
		{cat(u32(0), u32(1)), errInvalid, 0, 0},
		{cat(u32(0), u32(math.MaxUint32)), errInvalid, 0, 0},
		{cat(u32(0), u32(math.MaxUint32), make([]byte, 60_000)), errInvalid, 0, 0},
		{cat(u32(0), u32(1), u32(math.MaxUint32)), errInvalid, 0, 0},
		{cat(u32(0), u32(1), u32(math.MaxInt32), []byte("base:allocation")), errInvalid, 0, 0},
		{cat(u32(math.MaxUint32), u32(0)), errInvalid, 0, 0},
		{append(metaRequest("vda", "base:allocation"), 0), errInvalid, 0, 0},
		{cat(u32(0), u32(15_000), make([]byte, 60_000)), repAck, 0, 0},
		{make([]byte, 64<<10+1), errTooBig, 0, 0},
	} {
		ask := metaServer(t)
		if got, n := ask(optListMeta, row.data); got != row.got || n != row.list {
			t.Errorf("LIST_META_CONTEXT %.60q: %#x with %d contexts", row.data, got, n)
		}
		if got, n := ask(optSetMeta, row.data); got != row.got || n != row.set {
			t.Errorf("SET_META_CONTEXT %.60q: %#x with %d contexts", row.data, got, n)
		}
		if got, _ := ask(optList, nil); got != repAck {
			t.Fatalf("LIST afterwards: %#x", got)
		}
	}
}

// The exact bytes; ids of a list mean nothing and are 0.
func TestMetaContextBytes(t *testing.T) {
	c, _ := serve(t, ableServer(newAble(4096)))
	expect(t, c, greeting(3))
	send(t, c, u32(3))
	for _, opt := range []uint32{optListMeta, optSetMeta} {
		if got, _ := ask(t, c, opt, metaRequest("vda", "base:allocation")); got != errInvalid {
			t.Errorf("option %d before structured replies: %#x", opt, got)
		}
	}
	for _, row := range []struct{ client, server string }{
		{"49484156454f5054 00000008 00000000", "0003e889045565a9 00000008 00000001 00000000"},
		{"49484156454f5054 00000009 00000008 00000000 00000000",
			"0003e889045565a9 00000009 00000004 00000013 00000000 626173653a616c6c6f636174696f6e" + "0003e889045565a9 00000009 00000001 00000000"},
		{"49484156454f5054 0000000a 0000001b 00000000 00000001 0000000f 626173653a616c6c6f636174696f6e",
			"0003e889045565a9 0000000a 00000004 00000013 00000001 626173653a616c6c6f636174696f6e" + "0003e889045565a9 0000000a 00000001 00000000"},
		{"49484156454f5054 0000000b 00000000", "0003e889045565a9 0000000b 00000001 00000000"},
		{"49484156454f5054 0000000b 00000000", "0003e889045565a9 0000000b 80000003 00000000"},
		{"49484156454f5054 00000007 00000006 00000000 0000",
			"0003e889045565a9 00000007 00000003 0000000c 0000 0000000000001000 1ded" + "0003e889045565a9 00000007 00000001 00000000"},
		{"21e41c71 0008 0007 0000000000000004 0000000000000000 0000000000001000",
			"6e8a278c 0001 0006 0000000000000004 0000000000000000 0000000000000018 00000001 00000001 0000000000001000 0000000000000000"},
		{"21e41c71 0020 0001 0000000000000005 0000000000000002 0000000000000002 4142",
			"6e8a278c 0001 0000 0000000000000005 0000000000000002 0000000000000000"},
		{"21e41c71 0000 0000 0000000000000006 0000000000000002 0000000000000002",
			"6e8a278c 0001 0001 0000000000000006 0000000000000002 000000000000000a 0000000000000002 4142"},
		{"21e41c71 0000 0003 0000000000000007 0000000000000000 0000000000000000",
			"6e8a278c 0001 0000 0000000000000007 0000000000000000 0000000000000000"},
		{"21e41c71 0000 0002 0000000000000008 0000000000000000 0000000000000000", ""},
	} {
		send(t, c, unhex(row.client))
		expect(t, c, unhex(row.server))
	}
	ended(t, c)
}

// What was selected holds for the export it was selected for, until another
// SET_META_CONTEXT, however that ends.
func TestMetaContextSelection(t *testing.T) {
	good := metaRequest("vda", "base:allocation")
	for _, row := range []struct {
		name   string
		then   func(ask func(opt uint32, data []byte))
		export string
		want   uint32
	}{
		{"selected", func(func(uint32, []byte)) {}, "vda", 0},
		{"by its default name", func(func(uint32, []byte)) {}, "", 0},
		{"another export", func(func(uint32, []byte)) {}, "iso", 22},
		{"listed after", func(ask func(uint32, []byte)) { ask(optListMeta, metaRequest("iso")) }, "vda", 0},
		{"INFO of another", func(ask func(uint32, []byte)) { ask(optInfo, exportRequest("iso")) }, "vda", 0},
		{"GO of none", func(ask func(uint32, []byte)) { ask(optGo, exportRequest("nope")) }, "vda", 0},
		{"replaced by nothing", func(ask func(uint32, []byte)) { ask(optSetMeta, metaRequest("vda")) }, "vda", 22},
		{"replaced by an error", func(ask func(uint32, []byte)) { ask(optSetMeta, []byte{1}) }, "vda", 22},
		{"replaced for no export", func(ask func(uint32, []byte)) { ask(optSetMeta, metaRequest("nope", "base:allocation")) }, "vda", 22},
		{"replaced by too much", func(ask func(uint32, []byte)) { ask(optSetMeta, make([]byte, 70_000)) }, "vda", 22},
		{"replaced and back", func(ask func(uint32, []byte)) { ask(optSetMeta, nil); ask(optSetMeta, good) }, "vda", 0},
		{"extended headers after", func(ask func(uint32, []byte)) { ask(optExtended, []byte{0}); ask(optStructured, nil) }, "vda", 0},
	} {
		c, _ := serve(t, ableServer(newAble(4096)))
		expect(t, c, greeting(3))
		send(t, c, u32(3))
		asking := func(opt uint32, data []byte) { _, _ = ask(t, c, opt, data) }
		asking(optStructured, nil)
		asking(optSetMeta, good)
		row.then(asking)
		asking(optGo, exportRequest(row.export))
		send(t, c, request(0, cmdBlockStatus, 7, 0, 4096))
		if h := hear(t, c, structuredReplies, 0); h.errno != row.want {
			t.Errorf("%s: error %d %q, not %d", row.name, h.errno, h.text, row.want)
		}
	}
}

// Nothing that somebody on the path negotiates in the clear survives STARTTLS:
// neither framing, nor contexts, nor counts.
func TestStartTLSForgets(t *testing.T) {
	inject := map[string][]uint32{
		"nothing": nil, "structured": {optStructured}, "extended": {optExtended},
		"contexts": {optStructured, optSetMeta}, "extended contexts": {optExtended, optSetMeta},
		"a listing": {optList, optList}, "many options": make([]uint32, 900),
	}
	for name, options := range inject {
		srv := ableServer(newAble(4096))
		srv.TLS, srv.TLSMode = serverTLS(serverCert()), 4 // SELECTIVETLS
		raw, _ := serve(t, srv)
		expect(t, raw, greeting(3))
		send(t, raw, u32(3))
		for _, opt := range options {
			_, _ = ask(t, raw, opt, map[uint32][]byte{optSetMeta: metaRequest("vda", "base:allocation")}[opt])
		}
		send(t, raw, optionRequest(optStartTLS, nil))
		expect(t, raw, optionReply(optStartTLS, repAck, nil))
		c := inside(raw)
		for range 1000 {
			if got, _ := ask(t, c, 99, nil); got != errUnsup {
				t.Fatalf("%s: the options before TLS count", name)
			}
		}
		if got, _ := ask(t, c, optList, nil); got != repAck {
			t.Errorf("%s: LIST: %#x", name, got)
		}
		if got, _ := ask(t, c, optListMeta, metaRequest("vda")); got != errInvalid {
			t.Errorf("%s: the contexts can be listed: %#x", name, got)
		}
		send(t, c, optionRequest(optGo, exportRequest("vda")))
		expect(t, c, optionReply(optGo, repInfo, infoExport(4096, 0xd6d)))
		expect(t, c, optionReply(optGo, repAck, nil))
		send(t, c, request(0, cmdRead, 7, 5, 3))
		expect(t, c, simple(0, 7, pattern(8)[5:]...))
		send(t, c, request(0, cmdBlockStatus, 8, 0, 4096))
		expect(t, c, simple(22, 8))
		raw.Close()
	}
}
