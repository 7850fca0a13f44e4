package main

import (
	"strings"
	"testing"
)

func TestConfigCheck(t *testing.T) {
	ca := newTestCA(t, "one")
	certText, keyText := ca.server(t)
	cert, key, authority, secret := newFile(t, "cert", certText), newFile(t, "key", keyText), newFile(t, "ca", ca.pem), newFile(t, "secret", testSecret)
	const target = "targets: {a: {address: 'tcp://h:1'}}\n"
	for _, c := range []struct {
		name, file string
		code       int
		stdout     []string
		stderr     []string
	}{
		{"a small one", target, 0, []string{"ok: 1 listener, 1 target, no TLS, no authentication"}, nil},
		{"no target", "", 0, []string{"ok: 1 listener, 0 targets", "warning: there is no target"}, nil},
		{"open to all", "listen: [':80', '192.0.2.1:81']\n" + target, 0, []string{"ok", "warning: listening beyond this machine at :80 ", "at 192.0.2.1:81 ", "without TLS", "without authentication", "--public-url"}, nil},
		{"everything", target + "listen: ['127.0.0.1:80', 'unix:/x']\ntls: {cert: " + cert + ", key: " + key + ", clientCA: " + authority + "}\nauth: {need: all, certificates: true, tickets: {keys: " + secret + ", audience: a}}", 0,
			[]string{"ok: 2 listeners, 1 target, TLS, authentication by all of 2 methods"}, nil},
		{"one method", target + "auth: {header: {name: X, from: 0.0.0.0/0}}", 0, []string{"authentication by 1 method", "warning: auth.header.from holds all addresses"}, nil},
		{"a URL is not asked", target + "auth: {tickets: {keys: 'https://keys.invalid/set', audience: a}}", 0, []string{"ok"}, nil},
		{"every error", "lisen: x\nui: 7\nlimits: {drain: soon}", 1, nil, []string{"bridge.yaml:1:1: unknown key", "bridge.yaml:2:5: ui", "bridge.yaml:3:17: limits.drain"}},
		{"what does not fit", "tls: {key: x}\nauth: {need: all}", 1, nil, []string{"bridge.yaml:1:1: tls", "bridge.yaml:2:14: auth.need"}},
		{"files that are not there", target + "tls: {cert: /no/cert, key: /no/key}\nauth: {tickets: {keys: /no/secret, audience: a}}", 1, nil,
			[]string{"bridge.yaml:2:1: tls: cert and key", "/no/cert", "bridge.yaml:3:24: auth.tickets.keys", "/no/secret"}},
		{"a bad authority", target + "tls: {cert: " + cert + ", key: " + key + ", clientCA: " + secret + "}", 1, nil, []string{"bridge.yaml:2:1: tls: clientCA", "no certificate in PEM"}},
		{"a secret in place of its file", target + "auth: {tickets: {keys: hunter2/hunter2+hunter2hunter2hunter2hunter2=, audience: a}}", 1, nil, []string{"bridge.yaml:2:24: auth.tickets.keys", "the name of a file"}},
		{"a short secret", target + "auth: {tickets: {keys: " + newFile(t, "short", "hunter2") + ", audience: a}}", 1, nil, []string{"auth.tickets.keys", "bridge.yaml:2:24: auth.tickets.keys", "7 bytes"}},
	} {
		code, stdout, stderr := runWith(t, "config", "check", newFile(t, "bridge.yaml", c.file))
		if lacks := missing(stdout, c.stdout...) + missing(stderr, c.stderr...); code != c.code || lacks != "" {
			t.Errorf("%s: code %d, without %q:\n%s%s", c.name, code, lacks, stdout, stderr)
		}
		if c.code == 0 && strings.Count(stdout, "warning:") != strings.Count(strings.Join(c.stdout, " "), "warning:") && c.name != "open to all" {
			t.Errorf("%s: unexpected warnings:\n%s", c.name, stdout)
		}
		if strings.Count(stdout, "only requests for loopback names") > 1 {
			t.Errorf("%s: a warning comes twice:\n%s", c.name, stdout)
		}
		if strings.Contains(stdout+stderr, "hunter2") {
			t.Errorf("%s: a secret is shown", c.name)
		}
	}
}

// Anything simple can be said by the environment, and a flag is above it.
func TestEnvironment(t *testing.T) {
	address := newTarget(t, echo)
	t.Setenv("BRIDGE_LISTEN", "127.0.0.1:0,127.0.0.1:0")
	t.Setenv("BRIDGE_TARGET", "a=tcp://"+address+";b=tcp://"+address)
	t.Setenv("BRIDGE_DRAIN", "1h")
	t.Setenv("BRIDGE_PUBLIC_URL", "")
	b := startServe(t, "--drain", "0")
	for _, name := range []string{"a", "b"} {
		if got := b.becomes(t, visitor{}, name); got != "" {
			t.Errorf("target %s: %q", name, got)
		}
	}
	c, err := visitor{}.visit(t, b.base, "a") // stays, and is not waited for
	if err != nil {
		t.Fatal(err)
	}
	c.CloseRead(t.Context())
	if code := b.stop(); code != 0 {
		t.Error(code)
	}
	t.Setenv("BRIDGE_DRAIN", "soon")
	if code, _, stderr := runWith(t, "serve"); code != 2 || missing(stderr, "BRIDGE_DRAIN", "want a duration") != "" {
		t.Errorf("code %d: %s", code, stderr)
	}
}
