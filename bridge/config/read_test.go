package config_test

import (
	"net/netip"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"nbdbridge/bridge"
	"nbdbridge/bridge/config"
)

func TestFull(t *testing.T) {
	c, err := load("testdata/full.yaml")
	if err != nil {
		t.Fatal(err)
	}
	no, yes := false, true
	local := []config.Peer{{Network: netip.MustParsePrefix("127.0.0.1/32")}, {Unix: true}}
	want := &config.Config{
		Listen: []config.Listener{"127.0.0.1:8080"}, PublicURL: []config.PublicURL{"https://bridge.example"},
		Origins: []config.Origin{"https://app.example"}, UI: &no, Splice: &yes, SocketMode: 0o660,
		TLS: config.TLS{Cert: "/etc/bridge/tls.crt", Key: "/etc/bridge/tls.key", ClientCA: "/etc/bridge/clients.pem"},
		Proxies: config.Proxies{
			Protocol:  []config.Peer{{Network: netip.MustParsePrefix("10.0.0.0/8")}, {Unix: true}},
			Forwarded: local,
		},
		Auth: config.Auth{
			Need:         config.NeedAny,
			Tickets:      config.Tickets{Keys: "/etc/bridge/tickets.pem", Audience: "https://bridge.example", Once: true},
			Certificates: true,
			Header:       config.Header{Name: "X-Forwarded-User", From: local},
		},
		Targets: map[string]config.Target{"lab7": {
			Address: config.Address{Network: "tcp", Address: "10.0.0.5:10809"},
			Origins: []config.Origin{"https://app.example"}, Principals: []string{"alice", "bob"},
			Sessions: 10, ConnectTimeout: config.Timeout(5 * time.Second),
		}},
		Limits: config.Limits{
			Sessions: 1000, SessionsPerAddress: 50, SessionsPerPrincipal: 20, Handshakes: 200, AddressRate: 20, PrincipalRate: 5,
			Message: 64 << 20, MaxSessionAge: config.Duration(12 * time.Hour), ConnectTimeout: config.Timeout(10 * time.Second),
			PingInterval: config.Timeout(25 * time.Second), PeerTimeout: config.Timeout(75 * time.Second),
			StallTimeout: config.Timeout(15 * time.Minute), IdleTimeout: -1, HeaderBytes: 16 << 10,
			HeaderTimeout: config.Timeout(5 * time.Second), Drain: config.Duration(10 * time.Second),
		},
		Admin: config.Admin{Listen: "127.0.0.1:9090", Hosts: []string{"admin.example:9090"}},
		Log:   config.Log{Format: config.FormatText, Level: "info"},
	}
	got := reflect.ValueOf(c).Elem()
	for i := range got.NumField() {
		if f := got.Type().Field(i); f.IsExported() && !reflect.DeepEqual(got.Field(i).Interface(), reflect.ValueOf(want).Elem().Field(i).Interface()) {
			t.Errorf("%s: %+v", f.Name, got.Field(i))
		}
	}
}

// A key that is added must be told of in the full file.
func TestFullHasEveryKey(t *testing.T) {
	b, err := os.ReadFile("testdata/full.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range keys(reflect.TypeFor[config.Config]()) {
		if !strings.Contains(string(b), key+":") {
			t.Errorf("full.yaml lacks %s", key)
		}
	}
}

func keys(t reflect.Type) (all []string) {
	switch t.Kind() {
	case reflect.Map, reflect.Slice, reflect.Pointer:
		return keys(t.Elem())
	case reflect.Struct:
		for i := range t.NumField() {
			if key := t.Field(i).Tag.Get("yaml"); key != "" {
				all = append(append(all, key), keys(t.Field(i).Type)...)
			}
		}
	}
	return all
}

func TestHandler(t *testing.T) {
	c, err := load("testdata/full.yaml")
	if err != nil {
		t.Fatal(err)
	}
	h := c.Handler()
	want := bridge.Limits{
		Connections: 1000, SessionsPerAddress: 50, SessionsPerPrincipal: 20, Handshakes: 200, AddressRate: 20, PrincipalRate: 5,
		Message: 64 << 20, SessionAge: 12 * time.Hour, ConnectTimeout: 10 * time.Second, PingInterval: 25 * time.Second,
		PeerTimeout: 75 * time.Second, StallTimeout: 15 * time.Minute,
	}
	if h.Limits != want {
		t.Errorf("limits: %+v", h.Limits)
	}
	target, ok := h.Targets.Target("lab7")
	if !ok || !reflect.DeepEqual(target, bridge.Target{
		Network: "tcp", Address: "10.0.0.5:10809", Origins: []string{"https://app.example"},
		Principals: []string{"alice", "bob"}, Sessions: 10, ConnectTimeout: 5 * time.Second,
	}) {
		t.Errorf("target: %+v", target)
	}
	if !reflect.DeepEqual(h.PublicURL, []string{"https://bridge.example"}) || !reflect.DeepEqual(h.Origins, []string{"https://app.example"}) || h.CopyOnly {
		t.Errorf("%+v", h)
	}
}

// 0 in the file is no bound; bridge.Limits says so by a number below 0, or by 0
// where no bound is the default.
func TestNoBound(t *testing.T) {
	c, err := load(newFile(t, "splice: false\ntargets: {a: {address: 'unix:///s', sessions: 0}}\nlimits: {sessions: 0, sessionsPerAddress: 0, sessionsPerPrincipal: 0, handshakes: 0, "+
		"addressRate: 0, principalRate: 0, message: 0, maxSessionAge: 0s, idleTimeout: 0s, drain: 0s}"))
	if err != nil {
		t.Fatal(err)
	}
	h := c.Handler()
	if h.Limits != (bridge.Limits{Connections: -1, Handshakes: -1, AddressRate: -1, Message: -1}) || !h.CopyOnly || c.Limits.Drain != -1 {
		t.Errorf("%+v", h)
	}
	if target, _ := h.Targets.Target("a"); target.Sessions != 0 {
		t.Errorf("%+v", target)
	}
}

func TestForms(t *testing.T) {
	for _, c := range []struct{ name, file string }{
		{"nothing", ""},
		{"a comment", "# nothing yet\n"},
		{"a document's begin", "---\nlisten: 127.0.0.1:1\n"},
		{"one for a list", "listen: unix:/run/x\norigins: https://a.example\n"},
		{"flow", `{listen: ["systemd:http", "[::1]:80"], targets: {a: {address: "tcp://h:1"}}}`},
		{"octal as a number", "socketMode: 0660"},
		{"bytes as a number", "limits: {message: 4096}"},
		{"a name that is a number", "targets: {7: {address: 'tcp://h:1'}}"},
		{"a fraction", "limits: {addressRate: 0.5}"},
		{"an address for a network", "proxies: {forwarded: ['::1', 10.1.2.3]}"},
	} {
		if _, err := load(newFile(t, c.file)); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

func TestReadRefusesWhatIsNoFile(t *testing.T) {
	if _, err := config.Read("/no/such/file"); err == nil || !strings.Contains(err.Error(), "/no/such/file") {
		t.Error(err)
	}
	if _, err := config.Read(t.TempDir()); err == nil {
		t.Error("a folder is read")
	}
	if _, err := config.Read(newFile(t, strings.Repeat("# long\n", config.MaxFile/7+1))); err == nil || !strings.Contains(err.Error(), "more than 1048576 bytes") {
		t.Error(err)
	}
}
