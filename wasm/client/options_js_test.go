package main

import (
	"strings"
	"syscall/js"
	"testing"
	"time"

	"nbdbridge/nbd"
)

const (
	hexPin    = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
	base64Pin = "sha256/AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
)

func TestParseOptions(t *testing.T) {
	ca := newAuthority(t)
	cert, key := ca.issue(t, nil)
	v := js.ValueOf(map[string]any{
		"url": "wss://bridge/nbd/lab7", "export": "vda", "token": "a.b.c", "readOnly": true,
		"tls": map[string]any{"mode": "require", "ca": ca.pem, "serverName": "nbd7.lab", "cert": cert, "key": key,
			"pins": []any{hexPin, base64Pin}, "insecure": js.Undefined()},
	})
	o, err := parseOptions(v)
	if err != nil {
		t.Fatal(err)
	}
	if o.url != "wss://bridge/nbd/lab7" || o.export != "vda" || o.token != "a.b.c" || !o.cfg.ReadOnly {
		t.Errorf("options %+v", o)
	}
	s := o.cfg.TLS
	if o.cfg.TLSMode != nbd.TLSRequire || s.ServerName != "nbd7.lab" || s.RootCAs == nil || len(s.Certificates) != 1 {
		t.Errorf("TLS options %+v", s)
	}
	if len(s.Pins) != 2 || s.Pins[0] != s.Pins[1] || s.Pins[0][31] != 0x1f {
		t.Errorf("pins %v", s.Pins)
	}
	if verifiedBy(&s) != "ca+pin" {
		t.Errorf("verified by %s", verifiedBy(&s))
	}
}

func TestParseOptionsModes(t *testing.T) {
	o, err := parseOptions(eval(`{url: "ws://b/", tls: {mode: "off"}}`))
	if err != nil || o.cfg.TLSMode != nbd.TLSOff {
		t.Errorf("off: %+v, %v", o, err)
	}
	o, err = parseOptions(eval(`{url: "ws://b/", tls: {mode: "prefer", pins: ["` + hexPin + `"]}}`))
	if err != nil || o.cfg.TLSMode != nbd.TLSPrefer || verifiedBy(&o.cfg.TLS) != "pin" {
		t.Errorf("prefer: %+v, %v", o, err)
	}
	o, err = parseOptions(eval(`{url: "ws://b/", reconnect: {giveUpAfter: 1500}, tls: {mode: "off"}}`))
	if err != nil || o.giveUpAfter != 1500*time.Millisecond {
		t.Errorf("reconnect: %+v, %v", o, err)
	}
	o, err = parseOptions(eval(`{url: "ws://b/", tls: {insecure: true}}`))
	if err != nil || o.cfg.TLSMode != nbd.TLSRequire || !o.cfg.TLS.Insecure {
		t.Errorf("insecure: %+v, %v", o, err)
	}
}

func TestParseOptionsRefuses(t *testing.T) {
	for expression, want := range map[string]string{
		`7`:                                      "options",
		`{readonly: false}`:                      "unknown option readonly",
		`{readOnly: "no"}`:                       "readOnly",
		`{url: 7}`:                               "url",
		`{export: {}}`:                           "export",
		`{export: "a\0b"}`:                       "without NUL",
		`{export: "\u00e9".repeat(2049)}`:        "4096 bytes",
		`{token: null}`:                          "token",
		`{tls: "off"}`:                           "tls",
		`{tls: {mode: "maybe"}}`:                 "tls.mode",
		`{tls: {mode: "prefer"}}`:                "TLS needs",
		`{tls: {mode: "Prefer", pins: ["x"]}}`:   "insecure: whoever is on the path",
		`{tls: {verify: false}}`:                 "unknown option tls.verify",
		`{tls: {pins: "x"}}`:                     "tls.pins",
		`{tls: {pins: {}}}`:                      "tls.pins",
		`{tls: {pins: [7]}}`:                     "tls.pins[0]",
		`{tls: {pins: ["sha256/short"]}}`:        "tls.pins",
		`{tls: {ca: "no PEM", serverName: "a"}}`: "tls.ca",
		`{tls: {insecure: true, cert: "x"}}`:     "tls.cert",
		`{tls: {insecure: true, key: "x"}}`:      "tls.key",
		`{tls: {}}`:                              "TLS needs",
		`{reconnect: true}`:                      "reconnect must be a",
		`{reconnect: {giveupafter: 1}}`:          "unknown option reconnect.giveupafter",
		`{reconnect: {}}`:                        "reconnect.giveUpAfter",
		`{reconnect: {giveUpAfter: "1"}}`:        "reconnect.giveUpAfter",
		`{reconnect: {giveUpAfter: 0}}`:          "reconnect.giveUpAfter",
		`{reconnect: {giveUpAfter: 1.5}}`:        "reconnect.giveUpAfter",
		`{reconnect: {giveUpAfter: 2147483648}}`: "reconnect.giveUpAfter",
		`{}`:                                     "TLS needs",
	} {
		_, err := parseOptions(eval(expression))
		if codeOf(err) != CodeInvalidArgument || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want something about %q", expression, err, want)
		}
	}
}
