package bridge_test

import (
	"reflect"
	"strings"
	"testing"

	"nbdbridge/bridge"
)

func TestParseTarget(t *testing.T) {
	for in, want := range map[string]bridge.Target{
		"tcp://10.0.0.5:10809":      {Network: "tcp", Address: "10.0.0.5:10809"},
		"tcp://nbd.example:1":       {Network: "tcp", Address: "nbd.example:1"},
		"tcp://[::1]:65535":         {Network: "tcp", Address: "[::1]:65535"},
		"unix:///run/nbd.sock":      {Network: "unix", Address: "/run/nbd.sock"},
		"unix:///run/my%20nbd.sock": {Network: "unix", Address: "/run/my nbd.sock"},
	} {
		if got, err := bridge.ParseTarget(in); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("ParseTarget(%q) = %v, %v; want %v", in, got, err, want)
		}
	}
	for in, hint := range map[string]string{
		"":                    "tcp://HOST:PORT",
		"10.0.0.5:10809":      "tcp://HOST:PORT",
		"lab":                 "unix:///PATH",
		"http://host:80":      "tcp://HOST:PORT",
		"tcp:host:1":          "tcp://HOST:PORT",
		"tcp://host":          "names no port",
		"tcp://host:":         "names no port",
		"tcp://::1":           "in brackets",
		"tcp://:10809":        "names no host",
		"tcp://host:0":        "1 to 65535",
		"tcp://host:65536":    "1 to 65535",
		"tcp://host:nbd":      "",
		"tcp://host:1/":       "nothing may follow",
		"tcp://host:1/export": "nothing may follow",
		"tcp://host:1?x=y":    "tcp://HOST:PORT",
		"tcp://host:1?":       "tcp://HOST:PORT",
		"tcp://host:1#f":      "tcp://HOST:PORT",
		"tcp://user@host:1":   "tcp://HOST:PORT",
		"unix://run/nbd.sock": "three slashes",
		"unix:///":            "three slashes",
		"unix://":             "three slashes",
		"unix:run/nbd.sock":   "unix:///PATH",
	} {
		_, err := bridge.ParseTarget(in)
		if err == nil || !strings.Contains(err.Error(), hint) || !strings.Contains(err.Error(), in) {
			t.Errorf("ParseTarget(%q): error %v, want one with %q", in, err, hint)
		}
	}
}
