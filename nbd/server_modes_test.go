package nbd_test

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"testing"

	"nbdbridge/nbd"
	"nbdbridge/nbd/device"
)

// What the server does about each option in each mode, written from the
// specification's "TLS versions and modes". The export "secret" is TLSOnly
// where that exists; 99 is an option nobody knows. The columns are in the
// clear, but for the last: inside TLS the three modes that have it are one.
var modeTable = []struct {
	opt                                                uint32
	data                                               []byte
	noTLS, optional, forced, selective, hiding, inside reaction
}{
	{optExportName, []byte("vda"), hungUp, hungUp, hungUp, hungUp, hungUp, hungUp},
	{optAbort, nil, repAck, repAck, repAck, repAck, repAck, repAck},
	{optAbort, []byte("junk"), repAck, repAck, repAck, repAck, repAck, repAck},
	{optList, nil, repAck, repAck, errTLSReqd, repAck, repAck, repAck},
	{optList, []byte{0}, errInvalid, errInvalid, errTLSReqd, errInvalid, errInvalid, errInvalid},
	{4, nil, errUnsup, errUnsup, errTLSReqd, errUnsup, errUnsup, errUnsup},
	{optStartTLS, nil, errPolicy, repAck, repAck, repAck, repAck, errInvalid},
	{optStartTLS, []byte{0}, errInvalid, errInvalid, errInvalid, errInvalid, errInvalid, errInvalid},
	{optInfo, exportRequest("vda", 3), repAck, repAck, errTLSReqd, repAck, repAck, repAck},
	{optInfo, exportRequest("", 3), repAck, repAck, errTLSReqd, repAck, repAck, repAck},
	{optInfo, exportRequest("secret", 3), repAck, repAck, errTLSReqd, errTLSReqd, errTLSReqd, repAck},
	{optInfo, exportRequest("nope", 3), errUnknown, errUnknown, errTLSReqd, errUnknown, errTLSReqd, errUnknown},
	{optInfo, nil, errInvalid, errInvalid, errTLSReqd, errInvalid, errInvalid, errInvalid},
	{optGo, exportRequest("vda", 3), repAck, repAck, errTLSReqd, repAck, repAck, repAck},
	{optGo, exportRequest("secret", 3), repAck, repAck, errTLSReqd, errTLSReqd, errTLSReqd, repAck},
	{optGo, exportRequest("nope", 3), errUnknown, errUnknown, errTLSReqd, errUnknown, errTLSReqd, errUnknown},
	{optStructured, nil, repAck, repAck, errTLSReqd, repAck, repAck, repAck},
	{optStructured, []byte{0}, errInvalid, errInvalid, errTLSReqd, errInvalid, errInvalid, errInvalid},
	{optListMeta, metaRequest("vda"), repAck, repAck, errTLSReqd, repAck, repAck, repAck},
	{optListMeta, metaRequest("secret"), repAck, repAck, errTLSReqd, errPolicy, errUnknown, repAck},
	{optListMeta, metaRequest("nope"), errUnknown, errUnknown, errTLSReqd, errUnknown, errUnknown, errUnknown},
	{optSetMeta, metaRequest("vda"), repAck, repAck, errTLSReqd, repAck, repAck, repAck},
	{optSetMeta, metaRequest("secret"), repAck, repAck, errTLSReqd, errPolicy, errUnknown, repAck},
	{optSetMeta, metaRequest("nope"), errUnknown, errUnknown, errTLSReqd, errUnknown, errUnknown, errUnknown},
	{optSetMeta, nil, errInvalid, errInvalid, errTLSReqd, errInvalid, errInvalid, errInvalid},
	{optExtended, nil, repAck, repAck, errTLSReqd, repAck, repAck, repAck},
	{optExtended, []byte{0}, errInvalid, errInvalid, errTLSReqd, errInvalid, errInvalid, errInvalid},
	{0, nil, errUnsup, errUnsup, errTLSReqd, errUnsup, errUnsup, errUnsup},
	{12, nil, errUnsup, errUnsup, errTLSReqd, errUnsup, errUnsup, errUnsup},
	{99, []byte("anything"), errUnsup, errUnsup, errTLSReqd, errUnsup, errUnsup, errUnsup},
	{0xffffffff, nil, errUnsup, errUnsup, errTLSReqd, errUnsup, errUnsup, errUnsup},
}

// modeServer has an export that is TLSOnly where the mode allows that.
func modeServer(mode nbd.ServerTLSMode, hide bool) *nbd.Server {
	srv := testServer(pattern(100))
	srv.Exports = append(srv.Exports, nbd.Export{Name: "secret", Device: device.NewMemory(nil), TLSOnly: mode == nbd.SelectiveTLS})
	srv.TLSMode, srv.HideNames, srv.TLS = mode, hide, serverTLS(serverCert())
	return srv
}

func TestServerModes(t *testing.T) {
	for _, row := range modeTable {
		for _, column := range []struct {
			mode         nbd.ServerTLSMode
			hide, inside bool
			want         reaction
		}{
			{nbd.NoTLS, false, false, row.noTLS}, {nbd.NoTLS, true, false, row.noTLS},
			{nbd.OptionalTLS, false, false, row.optional}, {nbd.OptionalTLS, true, false, row.optional},
			{nbd.ForcedTLS, false, false, row.forced}, {0, false, false, row.forced},
			{nbd.SelectiveTLS, false, false, row.selective}, {nbd.SelectiveTLS, true, false, row.hiding},
			{nbd.OptionalTLS, false, true, row.inside}, {nbd.ForcedTLS, false, true, row.inside},
			{nbd.SelectiveTLS, false, true, row.inside}, {nbd.SelectiveTLS, true, true, row.inside},
		} {
			name := fmt.Sprintf("%v, hiding %v, inside %v", column.mode, column.hide, column.inside)
			forced := !column.inside && (column.mode == nbd.ForcedTLS || column.mode == 0)
			c, _ := serve(t, modeServer(column.mode, column.hide))
			if column.inside {
				c = intoTLS(t, c)
			} else {
				expect(t, c, greeting(3))
				send(t, c, u32(1))
			}
			if row.opt == optListMeta || row.opt == optSetMeta {
				_, _ = ask(t, c, optStructured, nil)
			}
			got, text := ask(t, c, row.opt, row.data)
			if got != column.want || len(text) > 4096 {
				t.Errorf("%s: option %d with %q: %#x, not %#x", name, row.opt, row.data, got, column.want)
			}
			if column.want&(1<<31) != 0 { // refused: still in step
				want := reaction(repAck)
				if forced {
					want = errTLSReqd
				}
				if got, _ := ask(t, c, optList, nil); got != want {
					t.Errorf("%s: LIST after option %d: %#x", name, row.opt, got)
				}
			}
			c.Close()
		}
	}
}

// With HideNames nothing in the clear tells an export that is TLSOnly from one
// that does not exist: not LIST, not a text, not an information reply.
func TestHideNames(t *testing.T) {
	for _, hide := range []bool{false, true} {
		c, _ := serve(t, modeServer(nbd.SelectiveTLS, hide))
		expect(t, c, greeting(3))
		send(t, c, u32(3), optionRequest(optList, nil))
		names := []string{"vda", "iso", "secret"}
		if hide {
			names = names[:2]
		}
		for _, name := range names {
			description := map[string]string{"vda": "the first disk"}[name]
			expect(t, c, optionReply(optList, repServer, serverEntry(name, description)))
		}
		expect(t, c, optionReply(optList, repAck, nil))
		if got, _ := ask(t, c, optStructured, nil); got != repAck {
			t.Fatal(got)
		}
		for _, opt := range []uint32{optInfo, optGo, optListMeta, optSetMeta} {
			data := func(name string) []byte {
				if opt == optListMeta || opt == optSetMeta {
					return metaRequest(name, "base:")
				}
				return exportRequest(name, 0, 1, 2, 3)
			}
			secret, text := ask(t, c, opt, data("secret"))
			absent, other := ask(t, c, opt, data("absent"))
			if hide && (secret != absent || !bytes.Equal(bytes.ReplaceAll(text, []byte("secret"), []byte("absent")), other)) {
				t.Errorf("option %d: %#x %q, but %#x %q", opt, secret, text, absent, other)
			}
			if !hide && secret == absent {
				t.Errorf("option %d: %#x for both", opt, secret)
			}
			send(t, c, optionRequest(opt, data("secret"))) // the error comes first, and alone
			expect(t, c, claim(opt, uint32(secret), uint32(len(text))))
			expect(t, c, text)
		}
	}
}

// Each client without fixed newstyle, or with flags that nobody offered.
func TestNewstyleOfOld(t *testing.T) {
	for _, row := range []struct {
		mode   nbd.ServerTLSMode
		legacy bool
		flags  uint32
		opt    uint32
		data   []byte
		served bool
	}{
		{nbd.NoTLS, false, 0, optExportName, []byte("vda"), false},
		{nbd.NoTLS, true, 4, optExportName, []byte("vda"), false},
		{nbd.NoTLS, true, 1 << 31, optExportName, []byte("vda"), false},
		{nbd.NoTLS, true, 0, optExportName, []byte("vda"), true},
		{nbd.NoTLS, true, 0, optExportName, []byte("nope"), false},
		{nbd.NoTLS, true, 0, optExportName, nil, true},
		{nbd.NoTLS, true, 0, optList, nil, false},
		{nbd.NoTLS, true, 0, optGo, exportRequest("vda"), false},
		{nbd.OptionalTLS, true, 0, optExportName, []byte("vda"), true},
		{nbd.OptionalTLS, true, 2, optStartTLS, nil, false}, // as NOTLS
		{nbd.ForcedTLS, true, 0, optExportName, []byte("vda"), false},
		{nbd.ForcedTLS, true, 0, optStartTLS, nil, false},
		{nbd.ForcedTLS, true, 1, optExportName, []byte("vda"), false},
		{nbd.SelectiveTLS, true, 0, optExportName, []byte("vda"), true},
		{nbd.SelectiveTLS, true, 0, optExportName, []byte("secret"), false},
		{nbd.SelectiveTLS, true, 3, optExportName, []byte("secret"), false},
		{nbd.SelectiveTLS, true, 3, optExportName, []byte("absent"), false},
		{nbd.SelectiveTLS, true, 0, optStartTLS, nil, false},
	} {
		srv := modeServer(row.mode, false)
		srv.Legacy = row.legacy
		c, verdict := serve(t, srv)
		expect(t, c, greeting(3))
		send(t, c, u32(row.flags))
		_, _ = c.Write(optionRequest(row.opt, row.data))
		if !row.served {
			ended(t, c)
			if verdict() == nil {
				t.Errorf("%+v: the server is content", row)
			}
			continue
		}
		expect(t, c, cat(u64(100), u16(0x14d)))
		if row.flags&2 == 0 {
			expect(t, c, make([]byte, 124))
		}
		send(t, c, request(0, cmdRead, 7, 10, 3))
		expect(t, c, simple(0, 7, pattern(13)[10:]...))
		c.Close()
	}
}

// EXPORT_NAME is answered with exactly 10 or 134 bytes, and never inside TLS
// or where it can't do.
func TestExportName(t *testing.T) {
	for flags, zeroes := range map[uint32]int{1: 124, 3: 0} {
		for _, structured := range []bool{false, true} {
			srv := testServer(pattern(100))
			srv.Legacy = true
			c, _ := serve(t, srv)
			expect(t, c, greeting(3))
			send(t, c, u32(flags))
			want, data := uint16(0x14d), simple(0, 7, pattern(2)...)
			if structured {
				want, data = want|0x80, dataChunk(done, 7, 0, pattern(2)...)
				if got, _ := ask(t, c, optStructured, nil); got != repAck {
					t.Fatal(got)
				}
			}
			send(t, c, optionRequest(optExportName, []byte("vda")))
			expect(t, c, cat(u64(100), u16(want), make([]byte, zeroes)))
			send(t, c, request(0, cmdRead, 7, 0, 2))
			expect(t, c, data)
		}
	}
	for name, play := range map[string]func(c *nbd.Server) uint32{
		"extended headers":    func(*nbd.Server) uint32 { return optExtended },
		"a minimum above 512": func(srv *nbd.Server) uint32 { srv.Exports[0].BlockSize.Minimum = 1024; return optList },
		"inside TLS": func(srv *nbd.Server) uint32 {
			srv.TLS, srv.TLSMode = serverTLS(serverCert()), nbd.OptionalTLS
			return 0
		},
	} {
		srv := testServer(pattern(100))
		srv.Legacy = true
		opt := play(srv)
		c, verdict := serve(t, srv)
		if opt == 0 {
			c = intoTLS(t, c)
		} else {
			expect(t, c, greeting(3))
			send(t, c, u32(3))
			_, _ = ask(t, c, opt, nil)
		}
		if got, _ := ask(t, c, optExportName, []byte("vda")); got != hungUp || verdict() == nil {
			t.Errorf("%s: EXPORT_NAME was served", name)
		}
	}
}

func TestParseServerTLSMode(t *testing.T) {
	for s, want := range map[string]nbd.ServerTLSMode{"notls": nbd.NoTLS, "optionaltls": nbd.OptionalTLS, "forcedtls": nbd.ForcedTLS, "selectivetls": nbd.SelectiveTLS} {
		if got, err := nbd.ParseServerTLSMode(s); got != want || err != nil || got.String() != s {
			t.Errorf("%q: %v, %v", s, got, err)
		}
	}
	for _, s := range []string{"", "FORCEDTLS", "tls", "ServerTLSMode(0)"} {
		if got, err := nbd.ParseServerTLSMode(s); err == nil {
			t.Errorf("%q is %v", s, got)
		}
	}
}

// A refused client may still start TLS, and nothing that it was refused counts.
func TestForcedTLSAfterRefusals(t *testing.T) {
	srv := testServer(pattern(100))
	srv.TLS = serverTLS(serverCert())
	c, _ := serve(t, srv)
	expect(t, c, greeting(3))
	send(t, c, u32(3))
	for _, opt := range []uint32{optStructured, optList, optGo, optStartTLS} {
		if got, _ := ask(t, c, opt, []byte{0}); got != errTLSReqd && opt != optStartTLS || opt == optStartTLS && got != errInvalid {
			t.Errorf("option %d: %#x", opt, got)
		}
	}
	send(t, c, optionRequest(optStartTLS, nil))
	expect(t, c, optionReply(optStartTLS, repAck, nil))
	session := tls.Client(c, &tls.Config{RootCAs: ours().pool(), ServerName: serverName})
	for _, opt := range []uint32{optStructured, optList} {
		if got, _ := ask(t, session, opt, nil); got != repAck {
			t.Errorf("option %d inside TLS: %#x", opt, got)
		}
	}
}

// An option smuggled in clear behind STARTTLS goes to TLS, which dies of it.
func TestInjectionBehindStartTLS(t *testing.T) {
	srv := testServer(pattern(100))
	srv.TLS = serverTLS(serverCert())
	c, verdict := serve(t, srv)
	expect(t, c, greeting(3))
	send(t, c, u32(3))
	go func() { _, _ = c.Write(cat(optionRequest(optStartTLS, nil), optionRequest(optStructured, nil))) }()
	expect(t, c, optionReply(optStartTLS, repAck, nil))
	b := make([]byte, 100)
	if n, _ := c.Read(b); n > 0 && !onlyTLS(b[:n]) { // an alert, if anything
		t.Errorf("the server answered %x", b[:n])
	}
	c.Close()
	if verdict() == nil {
		t.Error("the server is content")
	}
}

func TestClientFlagsThatServerRefuses(t *testing.T) {
	for _, flags := range []uint32{0, 2, 4, 7, 0x80000001, 0xffffffff} {
		c, verdict := serve(t, testServer(nil))
		expect(t, c, greeting(3))
		send(t, c, u32(flags))
		ended(t, c)
		if verdict() == nil {
			t.Errorf("flags %#x are fine", flags)
		}
	}
}

// Each session of a server with TLS sees the certificate anew.
func TestNoResumption(t *testing.T) {
	srv := testServer(nil)
	srv.TLS = mutualTLS()
	cache := tls.NewLRUClientSessionCache(4)
	for range 2 {
		c, _ := serve(t, srv)
		knock(t, c, optionRequest(optStartTLS, nil), optionReply(optStartTLS, repAck, nil))
		session := tls.Client(c, &tls.Config{RootCAs: ours().pool(), ServerName: serverName, ClientSessionCache: cache, Certificates: []tls.Certificate{clientCert()}})
		if got, _ := ask(t, session, optList, nil); got != repAck || session.ConnectionState().DidResume {
			t.Errorf("LIST: %#x, resumed: %v", got, session.ConnectionState().DidResume)
		}
		c.Close()
	}
}

func TestServerWithoutExports(t *testing.T) {
	c, _ := serve(t, &nbd.Server{})
	expect(t, c, greeting(3))
	send(t, c, u32(3))
	if got, _ := ask(t, c, optList, nil); got != repAck {
		t.Errorf("LIST: %#x", got)
	}
	if got, _ := ask(t, c, optGo, exportRequest("")); got != errUnknown {
		t.Errorf("GO: %#x", got)
	}
}
