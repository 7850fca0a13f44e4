package main

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"fmt"
	"syscall/js"
	"testing"
	"time"

	"nbdbridge/nbd"
)

// lab is a server with TLS and client certificates, and what a client needs.
type lab struct {
	ca     *authority
	server *nbd.Server
	disk   *memory
}

func newLab(t *testing.T) *lab {
	t.Helper()
	l := &lab{ca: newAuthority(t), disk: &memory{bytes: make([]byte, 9<<20)}}
	for i := 0; i < len(l.disk.bytes); i += 8 {
		binary.BigEndian.PutUint64(l.disk.bytes[i:], uint64(i))
	}
	l.server = &nbd.Server{
		Exports: []nbd.Export{
			{Name: "vda", Description: "the first", Device: l.disk},
			{Name: "bad", Device: broken{l.disk}},
			{Name: "huge", Device: huge{l.disk}, ReadOnly: true},
		},
		TLS: &tls.Config{Certificates: []tls.Certificate{l.ca.pair(t, nil)}},
	}
	return l
}

type huge struct{ *memory }

func (huge) Size() int64 { return 1 << 60 }

// request has the options that work; change them to make them fail.
func (l *lab) request(change func(options, security map[string]any)) js.Value {
	security := map[string]any{"ca": l.ca.pem, "serverName": "nbd7.lab"}
	options := map[string]any{"url": "wss://bridge/nbd/lab7?secret", "export": "vda", "readOnly": false}
	if change != nil {
		change(options, security)
	}
	options["tls"] = security
	return js.ValueOf(options)
}

// newAPI is what the worker gets. The callbacks behind it are not counted as a
// leak: the worker never gives them back either.
func newAPI(t *testing.T) js.Value {
	t.Helper()
	before := liveFuncs.Load()
	api := new(session).api()
	liveFuncs.Store(before)
	return api
}

func mustCall(t *testing.T, api js.Value, name string, args ...any) js.Value {
	t.Helper()
	v, rejected := await(api.Call(name, args...))
	if rejected {
		t.Fatalf("%s rejected: %v", name, v.Get("message"))
	}
	return v
}

// wantCode takes a promise that must reject.
func wantCode(t *testing.T, p js.Value, want Code) (message string) {
	t.Helper()
	v, rejected := await(p)
	if !rejected || v.Get("code").String() != string(want) {
		t.Fatalf("%v %v, want %s", v.Get("code"), v.Get("message"), want)
	}
	return v.Get("message").String()
}

func TestDiskOverTLS(t *testing.T) {
	l := newLab(t)
	fakeTunnel(t, l.server)
	api := newAPI(t)
	facts := mustCall(t, api, "open", l.request(nil))
	if facts.Get("size").Int() != len(l.disk.bytes) || facts.Get("readOnly").Bool() || facts.Get("exportName").String() != "vda" {
		t.Errorf("facts: %v, %v, %v", facts.Get("size"), facts.Get("readOnly"), facts.Get("exportName"))
	}
	checkTLS(t, l, facts.Get("tls"))
	for _, span := range [][2]int{{0, 512}, {1, 1}, {4095, 70001}, {len(l.disk.bytes) - 3, 3}, {17, 0}, {5, len(l.disk.bytes) - 5}} {
		got := mustCall(t, api, "read", span[0], span[1])
		p := make([]byte, span[1]+1)
		if n := js.CopyBytesToGo(p, got); !bytes.Equal(p[:n], l.disk.bytes[span[0]:span[0]+span[1]]) {
			t.Errorf("read of %d at %d differs", span[1], span[0])
		}
		if got.Get("buffer").Get("byteLength").Int() != span[1] {
			t.Error("the result does not have its buffer to itself")
		}
	}
	want := bytes.Repeat([]byte("nbd"), 3<<20)
	mustCall(t, api, "write", 3, bytesOf(want[:len(l.disk.bytes)-3]), true)
	if !bytes.Equal(l.disk.bytes[3:], want[:len(l.disk.bytes)-3]) {
		t.Error("the write did not arrive")
	}
	l.disk.syncs = 0
	if mustCall(t, api, "flush"); l.disk.syncs == 0 {
		t.Error("flush did not reach the device")
	}
	mustCall(t, api, "close")
	mustCall(t, api, "wait")
	wantCode(t, api.Call("read", 0, 1), CodeClosed)
}

func checkTLS(t *testing.T, l *lab, facts js.Value) {
	t.Helper()
	leaf, _ := x509.ParseCertificate(l.server.TLS.Certificates[0].Certificate[0])
	peer := facts.Get("peer")
	for name, got := range map[string]js.Value{
		"TLS 1.3":                                facts.Get("version"),
		"nbd7.lab":                               facts.Get("serverName"),
		"ca":                                     facts.Get("verifiedBy"),
		"CN=leaf":                                peer.Get("subject"),
		"CN=test CA":                             peer.Get("issuer"),
		nbd.PinOf(leaf).String():                 peer.Get("pin"),
		fingerprint(leaf):                        peer.Get("fingerprint"),
		leaf.NotAfter.UTC().Format(time.RFC3339): peer.Get("notAfter"),
	} {
		if got.String() != name {
			t.Errorf("a fact of TLS is %q, want %q", got, name)
		}
	}
	if facts.Get("insecure").Bool() || peer.Get("dnsNames").Index(0).String() != "nbd7.lab" {
		t.Error("facts of TLS differ")
	}
}

func TestOpenFailures(t *testing.T) {
	other := newAuthority(t)
	for name, test := range map[string]struct {
		code   Code
		server func(*lab)
		client func(options, security map[string]any)
		says   string
	}{
		"wrong CA":       {CodeTLSUntrusted, nil, func(_, s map[string]any) { s["ca"] = other.pem }, "tls.ca"},
		"wrong name":     {CodeTLSServerName, nil, func(_, s map[string]any) { s["serverName"] = "nbd8.lab" }, "nbd8.lab"},
		"wrong pin":      {CodeTLSPin, nil, func(_, s map[string]any) { s["pins"] = []any{hexPin} }, "sha256/"},
		"no TLS there":   {CodeTLSNotOffered, func(l *lab) { l.server.TLS = nil }, nil, "suppresses"},
		"no TLS here":    {CodeTLSRequired, nil, func(_, s map[string]any) { clear(s); s["mode"] = "off" }, "require"},
		"unknown export": {CodeUnknownExport, nil, func(o, _ map[string]any) { o["export"] = "vdz" }, `"vdz"`},
		"huge export":    {CodeOutOfRange, nil, func(o, _ map[string]any) { o["export"] = "huge" }, "2^53-1"},
		"bad option":     {CodeInvalidArgument, nil, func(o, _ map[string]any) { o["readonly"] = true }, "readonly"},
		"expired": {CodeTLSExpired, func(l *lab) {
			l.server.TLS.Certificates[0] = l.ca.pair(t, func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) })
		}, nil, "clock"},
		"no SAN": {CodeTLSServerName, func(l *lab) {
			l.server.TLS.Certificates[0] = l.ca.pair(t, func(c *x509.Certificate) { c.DNSNames, c.Subject.CommonName = nil, "nbd7.lab" })
		}, nil, "subjectAltName"},
		"client certificate missing": {CodeTLSClientCertificate, func(l *lab) {
			l.server.TLS.ClientAuth, l.server.TLS.ClientCAs = tls.RequireAndVerifyClientCert, l.ca.pool()
		}, nil, "tls.cert"},
		"client certificate refused": {CodeTLSClientCertificate, func(l *lab) {
			l.server.TLS.ClientAuth, l.server.TLS.ClientCAs = tls.RequireAndVerifyClientCert, l.ca.pool()
		}, func(_, s map[string]any) { s["cert"], s["key"] = other.issue(t, nil) }, "tls.cert"},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t)
			if test.server != nil {
				test.server(l)
			}
			fakeTunnel(t, l.server)
			message := wantCode(t, newAPI(t).Call("open", l.request(test.client)), test.code)
			wantText(t, message, test.says)
		})
	}
}

func TestClientCertificateAndPinAlone(t *testing.T) {
	l := newLab(t)
	l.server.TLS.ClientAuth, l.server.TLS.ClientCAs = tls.RequireAndVerifyClientCert, l.ca.pool()
	leaf, _ := x509.ParseCertificate(l.server.TLS.Certificates[0].Certificate[0])
	fakeTunnel(t, l.server)
	api := newAPI(t)
	facts := mustCall(t, api, "open", l.request(func(_, s map[string]any) {
		clear(s)
		s["cert"], s["key"] = l.ca.issue(t, nil)
		s["pins"] = []any{nbd.PinOf(leaf).String()}
	}))
	if by := facts.Get("tls").Get("verifiedBy").String(); by != "pin" {
		t.Errorf("verified by %s", by)
	}
	mustCall(t, api, "close")
}

func TestList(t *testing.T) {
	l := newLab(t)
	fakeTunnel(t, l.server)
	v := mustCall(t, newAPI(t), "list", l.request(func(o, _ map[string]any) { delete(o, "export") }))
	if v.Length() != 3 || v.Index(0).Get("name").String() != "vda" || v.Index(0).Get("description").String() != "the first" {
		t.Errorf("%d exports, first %v", v.Length(), v.Index(0).Get("name"))
	}
}

func TestRequestFailures(t *testing.T) {
	l := newLab(t)
	fakeTunnel(t, l.server)
	api := newAPI(t)
	mustCall(t, api, "open", l.request(func(o, _ map[string]any) { o["export"], o["readOnly"] = "bad", true }))
	for _, test := range []struct {
		code Code
		name string
		args []any
	}{
		{CodeEIO, "read", []any{0, 512}},
		{CodeOutOfRange, "read", []any{9 << 20, 1}},
		{CodeOutOfRange, "read", []any{1, 1 << 52}},
		{CodeInvalidArgument, "read", []any{-1, 1}},
		{CodeInvalidArgument, "read", []any{0.5, 1}},
		{CodeInvalidArgument, "read", []any{0}},
		{CodeInvalidArgument, "write", []any{0, "text"}},
		{CodeReadOnly, "write", []any{0, bytesOf([]byte("x"))}},
		{CodeInvalidArgument, "open", []any{l.request(nil)}},
	} {
		t.Run(fmt.Sprint(test.name, test.args), func(t *testing.T) {
			wantCode(t, api.Call(test.name, test.args...), test.code)
		})
	}
	mustCall(t, api, "close")
}

// stuck is a device whose reads wait for the gate to be closed.
type stuck struct {
	*memory
	gate chan struct{}
}

func (s stuck) ReadAt(p []byte, off int64) (int, error) {
	<-s.gate
	return s.memory.ReadAt(p, off)
}

// openStuck opens a disk that answers no read before the test ends.
func openStuck(t *testing.T) (api js.Value, cut func(code int)) {
	t.Helper()
	l := newLab(t)
	gate := make(chan struct{})
	l.server.Exports[0].Device = stuck{l.disk, gate}
	cut = fakeTunnel(t, l.server)
	t.Cleanup(func() { close(gate) })
	api = newAPI(t)
	mustCall(t, api, "open", l.request(nil))
	return api, cut
}

// A bridge that dies in the middle: everything pending tells so, wait too, and
// everything after it.
func TestBridgeDies(t *testing.T) {
	for code, want := range map[int]Code{closeBroken: CodeDisconnected, closeNormal: CodeDisconnected, closeDraining: CodeDraining} {
		t.Run(fmt.Sprint(code), func(t *testing.T) {
			api, cut := openStuck(t)
			pending := []js.Value{api.Call("wait"), api.Call("read", 0, 8<<20), api.Call("read", 512, 1)}
			time.AfterFunc(10*time.Millisecond, func() { cut(code) })
			for _, p := range pending {
				wantText(t, wantCode(t, p, want), `"vda"`, "wss://bridge/nbd/lab7: ")
			}
			wantCode(t, api.Call("read", 0, 1), want)
		})
	}
}

func TestAbortedRead(t *testing.T) {
	api, cut := openStuck(t)
	controller := eval("new AbortController()")
	time.AfterFunc(10*time.Millisecond, func() { controller.Call("abort", "enough") })
	if reason, rejected := await(api.Call("read", 0, 4096, controller.Get("signal"))); !rejected || reason.String() != "enough" {
		t.Errorf("aborted read: %v", reason)
	}
	mustCall(t, api, "flush") // the connection goes on
	cut(closeBroken)
	wantCode(t, api.Call("wait"), CodeDisconnected)
}

// With prefer a server without TLS is taken as it is, and the page can see it;
// one whose certificate is wrong is not.
func TestPreferredTLS(t *testing.T) {
	prefer := func(_, s map[string]any) { s["mode"] = "prefer" }
	t.Run("refused", func(t *testing.T) {
		l := newLab(t)
		l.server.TLS = nil
		fakeTunnel(t, l.server)
		api := newAPI(t)
		if facts := mustCall(t, api, "open", l.request(prefer)); !facts.Get("tls").IsNull() {
			t.Error("there are facts of TLS without TLS")
		}
		mustCall(t, api, "close")
	})
	t.Run("accepted", func(t *testing.T) {
		l := newLab(t)
		fakeTunnel(t, l.server)
		api := newAPI(t)
		checkTLS(t, l, mustCall(t, api, "open", l.request(prefer)).Get("tls"))
		mustCall(t, api, "close")
	})
	t.Run("not verified", func(t *testing.T) {
		l := newLab(t)
		fakeTunnel(t, l.server)
		wantCode(t, newAPI(t).Call("open", l.request(func(o, s map[string]any) { prefer(o, s); s["serverName"] = "nbd8.lab" })), CodeTLSServerName)
	})
}

func TestDiskWithoutTLS(t *testing.T) {
	l := newLab(t)
	l.server.TLS = nil
	fakeTunnel(t, l.server)
	api := newAPI(t)
	facts := mustCall(t, api, "open", l.request(func(_, s map[string]any) { clear(s); s["mode"] = "off" }))
	if !facts.Get("tls").IsNull() {
		t.Error("there are facts of TLS without TLS")
	}
	p := make([]byte, 8)
	js.CopyBytesToGo(p, mustCall(t, api, "read", 4096, 8))
	if at := binary.BigEndian.Uint64(p); at != 4096 {
		t.Errorf("the word at 4096 is %d", at)
	}
	mustCall(t, api, "close")
}
