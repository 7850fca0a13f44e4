package nbd_test

import (
	"strings"
	"testing"

	"nbdbridge/nbd"
)

const off = nbd.TLSOff

// tcpURI is nbds://h:10809/ with what differs.
func tcpURI(change func(*nbd.URI)) nbd.URI {
	u := nbd.URI{Scheme: "nbds", Network: "tcp", Address: "h:10809", ServerName: "h"}
	change(&u)
	return u
}

func exportURI(name string) nbd.URI { return tcpURI(func(u *nbd.URI) { u.Export = name }) }

func unixURI(scheme, address, export string, mode nbd.TLSMode) nbd.URI {
	return nbd.URI{Scheme: scheme, Network: "unix", Address: address, Export: export, TLSMode: mode}
}

var longName = strings.Repeat("ü", 2048) // the longest one, in bytes

// uriTable has the forms that are read, and what they mean.
var uriTable = map[string]nbd.URI{
	// Hosts and ports.
	"nbd://h":                       {Scheme: "nbd", Network: "tcp", Address: "h:10809", ServerName: "h", TLSMode: off},
	"NBD://h/":                      {Scheme: "nbd", Network: "tcp", Address: "h:10809", ServerName: "h", TLSMode: off},
	"nbds://h":                      exportURI(""),
	"nbds://h:/":                    exportURI(""),
	"nbds://h:010809/":              exportURI(""),
	"nbds://h?":                     exportURI(""),
	"nbds://h:1":                    tcpURI(func(u *nbd.URI) { u.Address = "h:1" }),
	"nbds://h:65535/":               tcpURI(func(u *nbd.URI) { u.Address = "h:65535" }),
	"nbds://10.0.0.5/":              tcpURI(func(u *nbd.URI) { u.Address, u.ServerName = "10.0.0.5:10809", "10.0.0.5" }),
	"nbds://[::1]/":                 tcpURI(func(u *nbd.URI) { u.Address, u.ServerName = "[::1]:10809", "::1" }),
	"nbds://[fe80::1%25eth0.7]:7/":  tcpURI(func(u *nbd.URI) { u.Address, u.ServerName = "[fe80::1%eth0.7]:7", "fe80::1" }),
	"nbds://xn--9ca.a_b-c.example.": tcpURI(func(u *nbd.URI) { u.Address, u.ServerName = "xn--9ca.a_b-c.example.:10809", "xn--9ca.a_b-c.example." }),

	// Names of exports: exact, but for one slash (qemu 9.1 lost the name ".").
	"nbds://h/vda":                    exportURI("vda"),
	"nbds://h//":                      exportURI("/"),
	"nbds://h//disk":                  exportURI("/disk"),
	"nbds://h///x//":                  exportURI("//x//"),
	"nbds://h/.":                      exportURI("."),
	"nbds://h/..":                     exportURI(".."),
	"nbds://h/a/../b/./c":             exportURI("a/../b/./c"),
	"nbds://h/%2fdisk":                exportURI("/disk"),
	"nbds://h/%2F":                    exportURI("/"),
	"nbds://h/%2e%2E":                 exportURI(".."),
	"nbds://h/a%20%3F%23%25%0A+@:;=&": exportURI("a ?#%\n+@:;=&"),
	"nbds://h/%C3%BC":                 exportURI("ü"),
	"nbds://h/ü":                      exportURI("ü"),
	"nbds://h/" + longName:            exportURI(longName),
	"nbds://h/" + strings.Repeat("%C3%BC", 4096/2):  exportURI(longName),
	"nbds://h/" + strings.Repeat("%2f", 4096) + "?": exportURI(strings.Repeat("/", 4096)),

	// Sockets.
	"nbd+unix:///?socket=/run/s":                     unixURI("nbd+unix", "/run/s", "", off),
	"nbd+unix://?socket=/run/s":                      unixURI("nbd+unix", "/run/s", "", off),
	"nbd+unix:///vda?socket=/a%20b%26c+d%2Be%3Bf=g@": unixURI("nbd+unix", "/a b&c+d+e;f=g@", "vda", off),
	"nbd+unix:////x?socket=/s":                       unixURI("nbd+unix", "/s", "/x", off),
	"nbd+unix:///.?socket=/s":                        unixURI("nbd+unix", "/s", ".", off),
	"nbds+unix:///vda?socket=%00lab":                 unixURI("nbds+unix", "@lab", "vda", nbd.TLSRequire),
	"nbds+unix:///vda?socket=/@lab":                  unixURI("nbds+unix", "/@lab", "vda", nbd.TLSRequire),

	// Queries. What begins with x- is somebody's experiment.
	"nbds://h/?tls-type=x509&tls-verify-peer=1&&x-a=b&x-a": exportURI(""),
	"nbds://h/?tls-hostname=nbd7.lab":                      tcpURI(func(u *nbd.URI) { u.ServerName = "nbd7.lab" }),
	"nbds://h/?tls%2Dhostname=%3A:1":                       tcpURI(func(u *nbd.URI) { u.ServerName = "::1" }),
	"nbds://h/?tls-verify-peer=0":                          tcpURI(func(u *nbd.URI) { u.Insecure = true }),
	"nbds://h/?tls-certificates=/etc/p%20ki+1":             tcpURI(func(u *nbd.URI) { u.Certificates = "/etc/p ki+1" }),
	"nbds+unix:///v?tls-hostname=n&socket=/s&tls-certificates=pki": {Scheme: "nbds+unix", Network: "unix", Address: "/s", Export: "v",
		ServerName: "n", Certificates: "pki"},

	// Bridges: the URL stays as it is, and says nothing of the server.
	"ws://127.0.0.1:8080/nbd/lab":      {Scheme: "ws", Bridge: "ws://127.0.0.1:8080/nbd/lab"},
	"wss://[::1]/any/path/lab?token=x": {Scheme: "wss", Bridge: "wss://[::1]/any/path/lab?token=x"},
	"WSS://Bridge/nbd/a%2Fb//../c?":    {Scheme: "wss", Bridge: "wss://Bridge/nbd/a%2Fb//../c?"},
}

func TestParseURI(t *testing.T) {
	for text, want := range uriTable {
		if got, err := nbd.ParseURI(text); err != nil || *got != want {
			t.Errorf("%.80q: error %v\n got %+v\nwant %+v", text, err, got, want)
		}
	}
}

// What is printed reads as the same again, and is printed the same again.
func TestURIString(t *testing.T) {
	for text, want := range uriTable {
		printed := want.String()
		if again, err := nbd.ParseURI(printed); err != nil || *again != want || again.String() != printed {
			t.Errorf("%.80q became %.80q: error %v, %+v", text, printed, err, again)
		}
	}
	for _, text := range []string{
		"nbd://h/", "nbds://h:1/a/../b", "nbds://h//disk", "nbds://[fe80::1%25eth0]/?tls-hostname=n&tls-verify-peer=0&tls-certificates=/etc/pki",
		"nbd+unix:///vda?socket=/run/a%20b", "nbds+unix:///?socket=%00lab", "wss://b/nbd/lab?token=x",
	} {
		if u, err := nbd.ParseURI(text); err != nil || u.String() != text {
			t.Errorf("%s was printed as %v, error %v", text, u, err)
		}
	}
}

// Each error names the URI and says what to write instead.
func TestParseURIRefuses(t *testing.T) {
	for text, wants := range map[string][]string{
		"":                        {"unknown scheme", "nbd://HOST[:PORT]/EXPORT"},
		"host":                    {"unknown scheme", "nbd://HOST[:PORT]/EXPORT"},
		"host:10809":              {`unknown scheme "host"`},
		"127.0.0.1:10809":         {"nbd://HOST[:PORT]/EXPORT"},
		"http://h/nbd/lab":        {`unknown scheme "http"`, "ws://HOST/nbd/TARGET"},
		"nbd+vsock://3/x":         {`unknown scheme "nbd+vsock"`},
		"nbd+ssh://h/x":           {`unknown scheme "nbd+ssh"`},
		"nbd:h:10809:exportname=": {"two slashes"},
		"wss:h/nbd/lab":           {"two slashes"},
		"nbd:":                    {"no host"},
		"nbds:/h":                 {"no host"},

		// Hosts (CVE-2025-14946: libnbd handed "-oProxyCommand=…" to ssh).
		"nbd:///vda":                          {"no host", "nbd://HOST[:PORT]"},
		"nbds://:10809/vda":                   {"no host"},
		"nbd://-oProxyCommand=x/":             {"no - in front"},
		"nbd://-o/":                           {"no - in front"},
		"nbd+unix://-o/?socket=/s":            {"a socket has no host", "nbd+unix:///EXPORT?socket=/PATH"},
		"wss://-o/nbd/lab":                    {"no - in front"},
		"nbd://ho st/":                        {"can't be read"},
		"nbd://ho%20st/":                      {"percent sign"},
		"nbd://h\x00/":                        {"can't be read"},
		"nbd://h;x/":                          {"want letters"},
		"nbd://a,b/":                          {"want letters"},
		"nbd://h$(x)/":                        {"want letters"},
		"nbd://ü/":                            {"xn--"},
		"nbd://%C3%BC/":                       {"xn--"},
		"nbd://" + strings.Repeat("a", 254):   {"is no name"},
		"nbd://::1/":                          {"in brackets", "nbd://[::1]:10809/"},
		"ws://fe80::1/nbd/lab":                {"in brackets"},
		"nbd://[h]/":                          {"can't be read"},
		"nbd://[10.0.0.5]/":                   {"can't be read"},
		"nbd://[::1%25a%20b]/":                {"no IPv6 address"},
		"nbd://[::1/":                         {"can't be read"},
		"nbd://h:x/":                          {"can't be read"},
		"nbd://h:-1/":                         {"can't be read"},
		"nbd://h:0/":                          {"port 0", "1 to 65535"},
		"nbd://h:65536/":                      {"port 65536", "1 to 65535"},
		"ws://h:99999999999999999999/nbd/lab": {"1 to 65535"},

		// Users.
		"nbds://alice@h/":         {"pre-shared key", "use certificates"},
		"nbds://@h/":              {"pre-shared key"},
		"nbds+unix://a@/?socket=": {"pre-shared key"},
		"wss://a@h/nbd/lab":       {"pre-shared key"},

		// Names.
		"nbd://h/#x":                {"%23"},
		"nbd://h/#":                 {"%23"},
		"ws://h/nbd/lab#":           {"%23"},
		"nbd://h/%zz":               {"%25"},
		"nbd://h/50%":               {"%25"},
		"nbd://h/%00":               {"without NUL"},
		"nbd://h/%ff":               {"UTF-8"},
		"nbd://h/" + longName + "x": {"4097 bytes"},
		"nbd+unix:///%ff?socket=/s": {"UTF-8"},
		"nbd+unix:///" + longName + "?socket=/s&socket=/s": {"socket twice"},

		// Sockets.
		"nbd+unix:///vda":                  {"the socket is missing", "nbd+unix:///EXPORT?socket=/PATH"},
		"nbds+unix:///run/s":               {"the socket is missing", "nbds+unix:///EXPORT?socket=/PATH"},
		"nbd+unix:///?socket":              {"absolute path"},
		"nbd+unix:///?socket=":             {"absolute path"},
		"nbd+unix:///?socket=s":            {"absolute path"},
		"nbd+unix:///?socket=@lab":         {"%00"},
		"nbd+unix:///?socket=%00":          {"absolute path"},
		"nbd+unix:///?socket=%00a%00":      {"absolute path"},
		"nbd+unix:///?socket=/a%00b":       {"absolute path"},
		"nbd+unix:///?socket=%zz":          {"%25"},
		"nbd+unix:///?socket=/a&socket=/a": {"socket twice"},
		"nbd+unix:///?socket=/a;x":         {"%3B"},
		"nbd+unix://run/vda?socket=/a":     {"with three slashes"},
		"nbds://h/?socket=/s":              {"no effect with a host", "nbds+unix:///EXPORT?socket=/PATH"},
		"ws://h/nbd/lab?socket=/s":         {`"socket"`, "beside"},

		// Queries.
		"nbds://h/?=x":                            {"no name in front"},
		"nbds://h/?ca=/x":                         {`"ca"`, "tls-certificates"},
		"nbds://h/?TLS-hostname=x":                {`"TLS-hostname"`, "known are"},
		"nbds://h/?tls-type=psk":                  {"only x509", "psk"},
		"nbds://h/?tls-type=anon":                 {"only x509", "anon"},
		"nbds://h/?tls-type":                      {"only x509"},
		"nbds://h/?tls-psk-file=/x":               {"pre-shared", "tls-certificates=/DIR"},
		"nbds://h/?tls-username=x":                {"pre-shared"},
		"nbds://h/?tls-priority=NORMAL":           {"tls-priority", "drop it"},
		"nbds://h/?tls-hostname=":                 {"tls-hostname", "name in the server's certificate"},
		"nbds://h/?tls-hostname=a%0Ab":            {"tls-hostname"},
		"nbds://h/?tls-hostname=[::1]":            {"tls-hostname"},
		"nbds://h/?tls-hostname=fe80::1%25e":      {"tls-hostname"},
		"nbds://h/?tls-hostname=a&tls-hostname=a": {"tls-hostname twice"},
		"nbds://h/?tls-verify-peer=no":            {"tls-verify-peer", "insecure"},
		"nbds://h/?tls-certificates=":             {"tls-certificates", "ca-cert.pem"},
		"nbds://h/?tls-certificates=/%00":         {"tls-certificates"},
		"nbd://h/?tls-verify-peer=0":              {"without TLS", "nbds"},
		"nbd+unix:///?socket=/s&tls-hostname=x":   {"without TLS", "nbds"},
		"wss://h/nbd/lab?tls-hostname=x":          {`"tls-hostname"`, "beside"},

		// Bridges.
		"ws://h":             {"ws://HOST/nbd/TARGET"},
		"wss://h//":          {"wss://HOST/nbd/TARGET"},
		"ws:///nbd/lab":      {"no host"},
		"ws://:8080/nbd/lab": {"no host"},
	} {
		u, err := nbd.ParseURI(text)
		if err == nil {
			t.Errorf("%.80q was taken: %+v", text, u)
			continue
		}
		for _, want := range wants {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%.80q: the error does not say %q: %v", text, want, err)
			}
		}
	}
}

func TestParseURIHidesPasswords(t *testing.T) {
	for _, text := range []string{"nbds://me:secret@h/", "wss://me:secret@h/nbd/lab", "nbd://me:secret@ho st/", "nbd://me:se/cret@h/", "nbd://me:secret@h/%zz", "nbd:me:secret@h"} {
		_, err := nbd.ParseURI(text)
		if err == nil || strings.Contains(err.Error(), "se") && strings.Contains(err.Error(), "cret") {
			t.Errorf("%s: the error is %v", text, err)
		}
	}
}

// What stands behind the path of a bridge's URL may be a secret, however wrong
// the rest is.
func TestParseURIHidesQueries(t *testing.T) {
	for _, text := range []string{
		"ws://h?secret", "wss://h/nbd/lab?a=secret#", "WS://h/?secret", "ws://h/nbd/lab?tls-x&a=secret", "ws:h/nbd/lab?secret", "ws://h/%zz?secret",
		"ws://h/nbd/lab#secret", "ws://h:0/nbd/lab?secret", "https://h/nbd/lab?secret", "h/nbd/lab?secret", "ws://me:secret@h/nbd/lab?secret", "ws://h\x7f/?secret",
		"ws://h?me:secret@x", "ws://me:sec?ret@h/",
	} {
		_, err := nbd.ParseURI(text)
		if err == nil || strings.Contains(err.Error(), "secret") || strings.Contains(err.Error(), "ret@") {
			t.Errorf("%s: the error is %v", text, err)
		}
	}
	if _, err := nbd.ParseURI("nbd+unix:///vda?sockt=/run/s"); err == nil || !strings.Contains(err.Error(), "sockt=/run/s") {
		t.Errorf("the error hides what is wrong: %v", err)
	}
}

// FuzzParseURI reads arbitrary text: what is taken can be printed and read
// again, and holds nothing that could be taken for something else.
func FuzzParseURI(f *testing.F) {
	for text := range uriTable {
		if len(text) < 200 { // long ones are slow to mutate and to minimise
			f.Add(text)
		}
	}
	for _, text := range []string{"nbd://-oProxyCommand=x/", "nbd://u:p@h/", "nbd+unix:///?socket=", "nbds://[::1%25a%20b]:0/?tls-type=psk", "ws://h/?tls-x#"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		u, err := nbd.ParseURI(text)
		if err != nil {
			if u != nil || !strings.HasPrefix(err.Error(), "nbd: URI ") {
				t.Fatalf("%q: %v, error %v", text, u, err)
			}
			return
		}
		if again, err := nbd.ParseURI(u.String()); err != nil || *again != *u {
			t.Fatalf("%q is %+v, printed as %q that is %+v, error %v", text, u, u, again, err)
		}
		for _, word := range []string{u.Address, u.ServerName} {
			if strings.HasPrefix(word, "-") || u.Network == "tcp" && strings.ContainsFunc(word, notPlain) || len(u.Export) > 4096 {
				t.Fatalf("%q is %+v", text, u)
			}
		}
	})
}

func notPlain(r rune) bool {
	return r <= ' ' || r >= 0x7f || strings.ContainsRune("'\"`$;&|<>/\\@#?", r)
}
