package nbd_test

import (
	"crypto/tls"
	"testing"

	"nbdbridge/nbd"
)

// What the server does about each option in each mode, written from the
// specification's "TLS versions and modes". 99 is an option nobody knows.
var modeTable = []struct {
	opt                   uint32
	data                  []byte
	noTLS, before, inside reaction
}{
	{optExportName, []byte("vda"), hungUp, hungUp, hungUp},
	{optAbort, nil, repAck, repAck, repAck},
	{optAbort, []byte("junk"), repAck, repAck, repAck},
	{optList, nil, repAck, errTLSReqd, repAck},
	{optList, []byte{0}, errInvalid, errTLSReqd, errInvalid},
	{4, nil, errUnsup, errTLSReqd, errUnsup},
	{optStartTLS, nil, errPolicy, repAck, errInvalid},
	{optStartTLS, []byte{0}, errInvalid, errInvalid, errInvalid},
	{optInfo, exportRequest("vda", 3), repAck, errTLSReqd, repAck},
	{optInfo, exportRequest("", 3), repAck, errTLSReqd, repAck},
	{optInfo, exportRequest("nope", 3), errUnknown, errTLSReqd, errUnknown},
	{optInfo, nil, errInvalid, errTLSReqd, errInvalid},
	{optGo, exportRequest("vda", 3), repAck, errTLSReqd, repAck},
	{optGo, exportRequest("nope", 3), errUnknown, errTLSReqd, errUnknown},
	{optStructured, nil, repAck, errTLSReqd, repAck},
	{optStructured, []byte{0}, errInvalid, errTLSReqd, errInvalid},
	{9, exportRequest("vda"), errUnsup, errTLSReqd, errUnsup},
	{10, exportRequest("vda"), errUnsup, errTLSReqd, errUnsup},
	{11, nil, errUnsup, errTLSReqd, errUnsup},
	{0, nil, errUnsup, errTLSReqd, errUnsup},
	{99, []byte("anything"), errUnsup, errTLSReqd, errUnsup},
	{0xffffffff, nil, errUnsup, errTLSReqd, errUnsup},
}

func TestServerModes(t *testing.T) {
	for _, row := range modeTable {
		for mode, want := range map[string]reaction{"NOTLS": row.noTLS, "FORCEDTLS": row.before, "inside TLS": row.inside} {
			srv := testServer(pattern(100))
			if mode != "NOTLS" {
				srv.TLS = serverTLS(serverCert())
			}
			c, _ := serve(t, srv)
			if mode == "inside TLS" {
				c = intoTLS(t, c)
			} else {
				expect(t, c, greeting(3))
				send(t, c, u32(1))
			}
			got, _ := ask(t, c, row.opt, row.data)
			if got != want {
				t.Errorf("%s: option %d with %q: %#x, not %#x", mode, row.opt, row.data, got, want)
			}
			if want&(1<<31) != 0 { // refused: still in step
				after, wantAfter := reaction(errTLSReqd), reaction(repAck)
				if mode == "FORCEDTLS" {
					wantAfter = after
				}
				if got, _ := ask(t, c, optList, nil); got != wantAfter {
					t.Errorf("%s: LIST after option %d: %#x", mode, row.opt, got)
				}
			}
			c.Close()
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
