package main

import (
	"net"
	"testing"

	"nbdbridge/nbd"
)

func TestParseEndpoint(t *testing.T) {
	for _, want := range []endpoint{
		{url: "ws://127.0.0.1:8080/nbd/lab"},
		{url: "wss://[::1]/any/path/lab?token=x"},
		{url: "nbd://host", network: "tcp", address: "host:10809", serverName: "host", mode: nbd.TLSOff},
		{url: "nbd://host/", network: "tcp", address: "host:10809", serverName: "host", mode: nbd.TLSOff},
		{url: "NBD://host/", network: "tcp", address: "host:10809", serverName: "host", mode: nbd.TLSOff},
		{url: "nbds://host/", network: "tcp", address: "host:10809", serverName: "host"},
		{url: "nbds://host:1/vda", network: "tcp", address: "host:1", serverName: "host", export: "vda", hasExport: true},
		{url: "nbds://10.0.0.5/vda", network: "tcp", address: "10.0.0.5:10809", serverName: "10.0.0.5", export: "vda", hasExport: true},
		{url: "nbds://[::1]/", network: "tcp", address: "[::1]:10809", serverName: "::1"},
		{url: "nbds://[fe80::1%25eth0]:7/", network: "tcp", address: "[fe80::1%eth0]:7", serverName: "fe80::1%eth0"},
		{url: "nbd://host/a/b/", network: "tcp", address: "host:10809", serverName: "host", mode: nbd.TLSOff, export: "a/b/", hasExport: true},
		{url: "nbd://host//a", network: "tcp", address: "host:10809", serverName: "host", mode: nbd.TLSOff, export: "/a", hasExport: true},
		{url: "nbd://host/a%2Fb%20%3F%23c", network: "tcp", address: "host:10809", serverName: "host", mode: nbd.TLSOff, export: "a/b ?#c", hasExport: true},
		{url: "nbd+unix:///?socket=/run/s", network: "unix", address: "/run/s", mode: nbd.TLSOff},
		{url: "nbd+unix://?socket=/run/s", network: "unix", address: "/run/s", mode: nbd.TLSOff},
		{url: "nbd+unix:///vda?socket=s", network: "unix", address: "s", mode: nbd.TLSOff, export: "vda", hasExport: true},
		{url: "nbds+unix:///vda?socket=/a%20b%26c", network: "unix", address: "/a b&c", export: "vda", hasExport: true},
	} {
		got, err := parseEndpoint(want.url)
		if err != nil || *got != want {
			t.Errorf("%s: error %v\n got %+v\nwant %+v", want.url, err, got, want)
		}
	}
}

// Each message names the URL and shows the form that would be right.
func TestParseEndpointRefuses(t *testing.T) {
	for url, texts := range map[string][]string{
		"":                                       {"unknown scheme", "nbd://HOST[:PORT]/EXPORT"},
		"host":                                   {"unknown scheme", "nbd://HOST[:PORT]/EXPORT"},
		"host:10809":                             {"use ws://HOST/nbd/TARGET"},
		"http://host/nbd/lab":                    {`unknown scheme "http"`, "use ws://HOST/nbd/TARGET"},
		"nbd://ho st":                            {"is no URL", "use ws://HOST/nbd/TARGET"},
		"nbd://::1/":                             {"IPv6", "nbd://[::1]:10809/"},
		"ws://fe80::1/nbd/lab":                   {"IPv6", "in brackets"},
		"nbd://host:x/":                          {"is no URL", "use ws://HOST/nbd/TARGET"},
		"nbd://host/%zz":                         {"is no URL"},
		"ws://host":                              {"ws://HOST/nbd/TARGET"},
		"ws://host/":                             {"ws://HOST/nbd/TARGET"},
		"ws:///nbd/lab":                          {"ws://HOST/nbd/TARGET"},
		"ws://:8080/nbd/lab":                     {"ws://HOST/nbd/TARGET"},
		"wss:host/nbd/lab":                       {"ws://HOST/nbd/TARGET"},
		"nbd:":                                   {"no host", "nbd://HOST[:PORT]/EXPORT"},
		"nbd:///vda":                             {"no host", "nbd://HOST[:PORT]/EXPORT"},
		"nbds://:10809/vda":                      {"no host", "nbd://HOST[:PORT]/EXPORT"},
		"nbds://host/?tls-certificates=/x":       {`"tls-certificates=/x"`, "--ca, --cert and --key"},
		"nbd://host/#x":                          {"fragments mean nothing"},
		"ws://host/nbd/lab#x":                    {"fragments mean nothing"},
		"nbd+unix:///vda":                        {"want nbd+unix:///EXPORT?socket=PATH"},
		"nbds+unix:///vda":                       {"want nbds+unix:///EXPORT?socket=PATH"},
		"nbd+unix:///?socket=":                   {"EXPORT?socket=PATH"},
		"nbd+unix:///?socket=/a&socket=/b":       {"EXPORT?socket=PATH"},
		"nbd+unix:///?socket=/a&tls-hostname=x":  {"EXPORT?socket=PATH"},
		"nbd+unix:///?socket=%zz":                {"EXPORT?socket=PATH"},
		"nbd+unix://run/vda?socket=/a":           {"EXPORT?socket=PATH"},
		"nbd+unix:///run/s":                      {"EXPORT?socket=PATH"},
		"nbds+unix:///vda?socket=/a#certificate": {"fragments mean nothing"},
	} {
		_, err := parseEndpoint(url)
		if err == nil {
			t.Errorf("%q was taken", url)
			continue
		}
		t.Run(url, func(t *testing.T) { wantError(t, err, true, append(texts, url)...) })
	}
}

func TestParseEndpointHidesPasswords(t *testing.T) {
	for _, url := range []string{"nbd://me:secret@host/", "wss://me:secret@host/nbd/lab"} {
		_, err := parseEndpoint(url)
		wantError(t, err, true, "user names", "host")
		if missing(err.Error(), "secret") == "" {
			t.Errorf("the password is in the error: %v", err)
		}
	}
}

func TestDialEndpoint(t *testing.T) {
	address := newTarget(t, echo)
	for _, url := range []string{
		"nbd://" + address, newBridge(t, map[string]string{"lab": address}) + "lab", "nbd+unix:///?socket=" + unixEcho(t),
	} {
		e, err := parseEndpoint(url)
		if err != nil {
			t.Fatal(err)
		}
		c, err := e.dial(t.Context())
		if err != nil {
			t.Errorf("%s: %v", url, err)
			continue
		}
		b := []byte("x")
		_, _ = c.Write(b)
		if n, err := c.Read(b); n != 1 {
			t.Errorf("%s: no echo: %v", url, err)
		}
		c.Close()
	}
}

func unixEcho(t *testing.T) (path string) {
	t.Helper()
	path = t.TempDir() + "/s"
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		if c, err := l.Accept(); err == nil {
			echo(c)
			c.Close()
		}
	}()
	t.Cleanup(func() {
		l.Close()
		<-done
	})
	return path
}
