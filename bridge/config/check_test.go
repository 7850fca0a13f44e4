package config_test

import (
	"slices"
	"strings"
	"testing"

	"nbdbridge/bridge/config"
)

// Each row is everything that is said about a file.
func TestProblems(t *testing.T) {
	const duration = ": want a duration, such as 250ms, 30s or 12h"
	for _, c := range []struct {
		file string
		want []string
	}{
		// The syntax.
		{"lisen: x", []string{`bridge.yaml:1:1: unknown key "lisen"; allowed here are listen, publicURL, origins, ui, splice, socketMode, tls, proxies, auth, targets, limits, admin, log`}},
		{"tls:\n  cert: a\n  ket: b", []string{`bridge.yaml:3:3: unknown key "ket"; allowed in tls are cert, key, clientCA`}},
		{"targets:\n  a:\n    adress: x", []string{`bridge.yaml:3:5: unknown key "adress"; allowed in targets.a are address, origins, principals, browsersOnly, binary, sessions, connectTimeout, proxyProtocol`}},
		{"ui: true\nui: false", []string{"bridge.yaml:2:1: ui stands here twice"}},
		{"targets:\n  a: {address: 'tcp://h:1'}\n  \"a\": {address: 'tcp://h:2'}", []string{"bridge.yaml:3:3: targets.a stands here twice"}},
		{"ui: true\n---\nui: false", []string{"bridge.yaml:3:1: a second document: the file must be one"}},
		{"- a\n- b", []string{"bridge.yaml:1:1: the file: want keys and values, not a list"}},
		{"ui: " + strings.Repeat("[", 1<<19), []string{"bridge.yaml:1:21: nothing nests as deep as this"}},
		{strings.Repeat("- ", 1<<18), []string{"bridge.yaml:1:33: nothing nests as deep as this"}},
		{"hello", []string{"bridge.yaml:1:1: the file: want keys and values, not a text"}},
		{"tls: yes", []string{"bridge.yaml:1:6: tls: want keys and values, not a text"}},
		{"tls:", []string{"bridge.yaml:1:6: tls: want keys and values, not nothing"}},
		{"listen:", []string{"bridge.yaml:1:9: listen: want one value, not nothing"}},
		{"ui: yes", []string{"bridge.yaml:1:5: ui: want true or false, not a text"}},
		{"ui: 1", []string{"bridge.yaml:1:5: ui: want true or false, not a number"}},
		{"listen: 8080", []string{"bridge.yaml:1:9: listen: address 8080: missing port in address: want HOST:PORT, unix:/PATH or systemd:NAME"}},
		{"tls: {cert: 8080}", []string{"bridge.yaml:1:13: tls.cert: want a text, not a number; put a text that looks like something else in quotes"}},
		{"listen: {a: b}", []string{"bridge.yaml:1:9: listen: want one value, not keys and values"}},
		{"listen: &a 127.0.0.1:1", []string{"bridge.yaml:1:9: listen: want one value, not an anchor or an alias, which this file can't have"}},
		{"limits: !!map {}", []string{"bridge.yaml:1:9: limits: want keys and values, not a tag, which this file can't have"}},

		// Single values; all are told of.
		{"limits:\n  sessions: -1\n  addressRate: fast\n  message: 1MB\n  idleTimeout: -1s\n  drain: 10\n  connectTimeout: 0s", []string{
			`bridge.yaml:2:13: limits.sessions: "-1": want a whole number from 0, which means no bound, to 2147483647`,
			`bridge.yaml:3:16: limits.addressRate: "fast": want a number per second from 0, which means no bound, to 1e9`,
			`bridge.yaml:4:12: limits.message: "1MB": want bytes, KiB, MiB or GiB, such as 4096 or 64MiB`,
			`bridge.yaml:5:16: limits.idleTimeout: "-1s"` + duration,
			`bridge.yaml:6:10: limits.drain: "10"` + duration,
			`bridge.yaml:7:19: limits.connectTimeout: "0s": want a duration above zero, such as 250ms, 30s or 12h`,
		}},
		{"limits: {message: 9223372036854775807GiB}", []string{`bridge.yaml:1:19: limits.message: "9223372036854775807GiB": want bytes, KiB, MiB or GiB, such as 4096 or 64MiB`}},
		{"limits: {addressRate: .nan}", []string{"bridge.yaml:1:23: limits.addressRate: want one value, not a number"}},
		{"socketMode: '0999'", []string{`bridge.yaml:1:13: socketMode: "0999": want permissions in octal, such as 0660`}},
		{"socketMode: 0", []string{`bridge.yaml:1:13: socketMode: "0": want permissions in octal, such as 0660`}},
		{"targets:\n  a:\n    address: h:1", []string{`bridge.yaml:3:14: targets.a.address: "h:1" is no target: use tcp://HOST:PORT or unix:///PATH`}},
		{"targets:\n  a:\n    address: tcp://h", []string{`bridge.yaml:3:14: targets.a.address: target "tcp://h" names no port: use tcp://HOST:PORT, such as tcp://h:10809`}},
		{"publicURL: https://b.example/x", []string{`bridge.yaml:1:12: publicURL: public URL "https://b.example/x": nothing may follow the host and port, not even a slash`}},
		{"origins:\n- https://a.example\n- https://*.example", []string{`bridge.yaml:3:3: origins[1]: origin "https://*.example": there are no wildcards, list every origin`}},
		{"proxies:\n  protocol: [10.0.0.1/8, everyone]", []string{
			`bridge.yaml:2:14: proxies.protocol[0]: "10.0.0.1/8" has bits beyond its mask: did you mean 10.0.0.0/8 or 10.0.0.1?`,
			`bridge.yaml:2:26: proxies.protocol[1]: "everyone": want a network such as 10.0.0.0/8, an address, or unix`,
		}},
		{"auth: {need: some}", []string{`bridge.yaml:1:14: auth.need: "some": want any or all`}},
		{"log:\n  format: xml\n  level: loud", []string{
			`bridge.yaml:2:11: log.format: "xml": want text or json`,
			`bridge.yaml:3:10: log.level: "loud": want debug, info, warn or error`,
		}},

		// Values that don't fit together.
		{"listen: [127.0.0.1:1, nowhere, 'unix:x', 'systemd:']", []string{
			"bridge.yaml:1:23: listen[1]: address nowhere: missing port in address: want HOST:PORT, unix:/PATH or systemd:NAME",
			`bridge.yaml:1:32: listen[2]: "unix:x": want HOST:PORT, unix:/PATH or systemd:NAME`,
			`bridge.yaml:1:42: listen[3]: "systemd:": want HOST:PORT, unix:/PATH or systemd:NAME`,
		}},
		{"ui: true\ntls:\n  cert: a", []string{"bridge.yaml:2:1: tls: cert and key belong together"}},
		{"tls: {clientCA: a}", []string{"bridge.yaml:1:17: tls.clientCA: client certificates need tls.cert and tls.key"}},
		{"auth: {need: all}", []string{"bridge.yaml:1:14: auth.need: there is no method: give auth.tickets, auth.certificates or auth.header"}},
		{"auth: {certificates: true}", []string{"bridge.yaml:1:22: auth.certificates: needs tls.clientCA, whose certificates are believed"}},
		{"auth: {tickets: {once: true}}", []string{
			"bridge.yaml:1:8: auth.tickets: needs audience: the aud that tickets for this bridge have",
			"bridge.yaml:1:8: auth.tickets: needs keys: a file, or an https:// URL of a JWK set",
		}},
		{"auth: {tickets: {}}", []string{ // is not the same as no tickets, which would let everyone in
			"bridge.yaml:1:8: auth.tickets: needs audience: the aud that tickets for this bridge have",
			"bridge.yaml:1:8: auth.tickets: needs keys: a file, or an https:// URL of a JWK set",
		}},
		{"auth:\n  tickets:\n    keys: ''\n    audience: ''\n    once: false", []string{
			"bridge.yaml:2:3: auth.tickets: needs audience: the aud that tickets for this bridge have",
			"bridge.yaml:2:3: auth.tickets: needs keys: a file, or an https:// URL of a JWK set",
		}},
		{"auth: {header: {name: ''}}", []string{
			"bridge.yaml:1:8: auth.header: needs name: the header that holds the principal",
			"bridge.yaml:1:8: auth.header: needs from: the addresses of the proxies that set the header. Without, every client could",
		}},
		{"auth: {tickets: {audience: a, keys: 'ftp://k.example'}}", []string{"bridge.yaml:1:37: auth.tickets.keys: want an https:// URL without a user or a fragment"}},
		{"auth: {tickets: {audience: a, keys: 'https://me:secret@k.example'}}", []string{"bridge.yaml:1:37: auth.tickets.keys: want an https:// URL without a user or a fragment"}},
		{"auth: {tickets: {audience: a, keys: \"secret\\nsecret\"}}", []string{"bridge.yaml:1:37: auth.tickets.keys: want the name of a file, not what is in it"}},
		{"auth: {header: {name: X-User}}", []string{"bridge.yaml:1:8: auth.header: needs from: the addresses of the proxies that set the header. Without, every client could"}},
		{"auth: {header: {from: unix}}", []string{"bridge.yaml:1:8: auth.header: needs name: the header that holds the principal"}},
		{"auth: {header: {name: cookie, from: unix}}", []string{"bridge.yaml:1:23: auth.header.name: Cookie is never a proof of who a client is; let the proxy set a header of its own"}},
		{"auth: {header: {name: 'X User', from: unix}}", []string{`bridge.yaml:1:23: auth.header.name: "X User" is no name of a header`}},
		{"targets:\n  b: {binary: true}\n  a: {binary: true}", []string{
			"bridge.yaml:3:3: targets.a: needs address: tcp://HOST:PORT or unix:///PATH",
			"bridge.yaml:2:3: targets.b: needs address: tcp://HOST:PORT or unix:///PATH",
		}},
		{"targets: {'': {address: 'tcp://h:1'}}", []string{"bridge.yaml:1:11: targets.: a target needs a name"}},
		{"targets:\n  a.b:\n    address: tcp://h:1\n    principals: [x]", []string{"bridge.yaml:4:17: targets.a.b.principals: nobody has a name without auth"}},
		{"auth: {header: {name: X, from: unix}}\ntargets:\n  a:\n    address: tcp://h:1\n    principals: []\n    origins: []", []string{ // reads like nobody, and would be everybody
			"bridge.yaml:5:17: targets.a.principals: an empty list admits nobody; leave it out to admit everybody",
			"bridge.yaml:6:14: targets.a.origins: an empty list admits nobody; leave it out to admit everybody",
		}},
		{"limits:\n  pingInterval: 20s\n  peerTimeout: 10s", []string{"bridge.yaml:2:17: limits.pingInterval: 20s must be below peerTimeout, 10s: live clients would be cut"}},
		{"limits:\n  pingInterval: 80s", []string{"bridge.yaml:1:1: limits: PingInterval (1m20s) must be below PeerTimeout (1m15s): live clients would be cut"}},
		{"limits: {headerBytes: 10MiB}", []string{"bridge.yaml:1:23: limits.headerBytes: must be from 1KiB to 1MiB"}},
		{"limits: {headerBytes: 0}", []string{"bridge.yaml:1:23: limits.headerBytes: must be from 1KiB to 1MiB"}},
		{"admin: {pprof: true}", []string{"bridge.yaml:1:1: admin: needs listen: HOST:PORT, unix:/PATH or systemd:NAME"}},
		{"admin: {listen: 'a:x'}", []string{`bridge.yaml:1:17: admin.listen: "a:x": a port is a number up to 65535; want HOST:PORT, unix:/PATH or systemd:NAME`}},
		{"admin: {listen: '127.0.0.1:1', hosts: ['http://a']}", []string{`bridge.yaml:1:40: admin.hosts[0]: "http://a": want HOST or HOST:PORT`}},
	} {
		path := newFile(t, c.file)
		_, err := load(path)
		if got := problems(path, err); !slices.Equal(got, c.want) {
			t.Errorf("%.200s\ngives  %s\nwanted %s", c.file, strings.Join(got, "\n       "), strings.Join(c.want, "\n       "))
		}
	}
}

// What the library says of syntax is its own, but stands at its line and shows
// nothing of the file's other lines.
func TestSyntax(t *testing.T) {
	for file, at := range map[string]string{
		"ui: true\n  splice: true\n":        "bridge.yaml:1:5: ",
		"ui: [a\n":                          "bridge.yaml:1:5: ",
		"ui: true\n\tsplice: false\n":       "bridge.yaml:2:1: ",
		"tls: {key: hunter2}\nui: \"open\n": "bridge.yaml:2:5: ",
	} {
		path := newFile(t, file)
		_, err := config.Read(path)
		if got := problems(path, err); len(got) != 1 || !strings.HasPrefix(got[0], at) || strings.Contains(got[0], "hunter2") {
			t.Errorf("%q: %q", file, got)
		}
	}
}

// Values of flags have no line.
func TestCheckWithoutFile(t *testing.T) {
	c := &config.Config{TLS: config.TLS{Cert: "a"}}
	if err := c.Check(); err == nil || err.Error() != "tls: cert and key belong together" {
		t.Error(err)
	}
}
