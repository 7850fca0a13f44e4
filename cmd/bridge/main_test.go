package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"nbdbridge/web"
)

// asCommand has a test program be the command itself, in a process of its own.
const asCommand = "BRIDGE_TEST_AS_COMMAND"

func TestMain(m *testing.M) {
	if os.Getenv(asCommand) != "" {
		main()
	}
	goleak.VerifyTestMain(m)
}

// captureStdout takes the place of the standard output. The function returned
// puts it back and gives what was written.
func captureStdout(t *testing.T) func() string { return capture(t, &os.Stdout) }

func capture(t *testing.T, stream **os.File) func() string {
	t.Helper()
	f, err := os.CreateTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	before := *stream
	*stream = f
	t.Cleanup(func() {
		*stream = before
		f.Close()
	})
	return func() string {
		*stream = before
		b, err := io.ReadAll(io.NewSectionReader(f, 0, 1<<20))
		if err != nil {
			t.Error(err)
		}
		return string(b)
	}
}

// runWith runs a command line to its end.
func runWith(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	out, errs := captureStdout(t), capture(t, &os.Stderr)
	ctx, cancel := context.WithTimeout(t.Context(), patience) // for what should not have started to serve
	defer cancel()
	code = run(ctx, args)
	return code, out(), errs()
}

func TestExitCodes(t *testing.T) {
	empty, full := newFile(t, "empty.img", ""), newFile(t, "full.img", "x")
	closed := closedPort(t)
	for _, c := range []struct {
		line   string
		code   int
		stderr string
	}{
		{"--help", 0, ""},
		{"info --help", 0, ""},
		{"", 2, `expected one of "serve"`},
		{"format c:", 2, "unexpected argument format"},
		{"--version", 2, "unknown flag --version"},
		{"serve --bogus", 2, "unknown flag --bogus"},
		{"serve", 2, "--target"},
		{"serve --target lab", 2, "--target"},
		{"serve --target lab=h:1", 2, "tcp://HOST:PORT"},
		{"connect ws://h/nbd/x", 2, "--listen"},
		{"connect nbd://h --listen unix:///x", 2, "is no bridge"},
		{"demo --image /no/such/file", 2, "/no/such/file"},
		{"demo --image " + t.TempDir(), 2, "director"},
		{"info", 2, "<url>"},
		{"info nbd://h/?x", 2, "unknown query"},
		{"info nbd://h/a --export b", 2, "give one of them"},
		{"info nbd://" + closed, 1, "connection refused"},
		{"info ws://" + closed + "/nbd/x --tls off", 1, "no bridge at"},
		{"serve --listen nowhere --target lab=tcp://h:1", 2, "nowhere"},
		{"acquire", 2, "<url>"},
		{"acquire nbd://h/a", 2, "<file>"},
		{"acquire nbd://h/a /no/such/folder/x", 2, "/no/such/folder is no folder"},
		{"acquire nbd://h/a x --export b", 2, "give one of them"},
		{"acquire --help", 0, ""},
		{"config", 2, "check"},
		{"config check", 2, "<file>"},
		{"config check /no/such/file", 1, "/no/such/file"},
		{"demo --listen 127.0.0.1:0 --image " + empty, 1, ""},
		{"ticket", 2, "--audience"},
		{"ticket --help", 0, ""},
		{"serve-disk", 2, "<file>"},
		{"serve-disk /no/such/file", 2, "/no/such/file"},
		{"serve-disk " + t.TempDir(), 2, "director"},
		{"serve-disk --listen 127.0.0.1:0 " + full, 2, "unix:///PATH or tcp://HOST:PORT"},
		{"serve-disk --listen tcp://0.0.0.0:0 " + full, 2, "--tls-cert"},
		{"serve-disk --listen tcp://nowhere.invalid:1 " + full, 1, "nowhere"},
		{"serve-disk " + empty, 1, "it is empty"},
	} {
		code, stdout, stderr := runWith(t, strings.Fields(c.line)...)
		if code != c.code || missing(stderr, c.stderr) != "" {
			t.Errorf("bridge %s: code %d, want %d; it says %s", c.line, code, c.code, stderr)
		}
		if (stdout != "") != (code == 0) || (stderr != "") != (code != 0) {
			t.Errorf("bridge %s: %d bytes on stdout, %d on stderr", c.line, len(stdout), len(stderr))
		}
	}
}

func TestExitCodeOfWrappedErrors(t *testing.T) {
	_ = capture(t, &os.Stderr)
	for _, c := range []struct {
		err  error
		want int
	}{
		{nil, 0}, {io.EOF, 1}, {usagef("x"), 2},
		{fmt.Errorf("in the end: %w", usagef("x")), 2}, {errors.Join(io.EOF, usagef("x")), 2},
	} {
		if got := exitCode(c.err); got != c.want {
			t.Errorf("%v: %d, want %d", c.err, got, c.want)
		}
	}
}

// A help text states units, defaults and what happens in the end.
func TestHelp(t *testing.T) {
	for command, texts := range map[string][]string{
		"":             {"serve", "demo", "serve-disk", "info", "connect", "ticket", "Exit codes: 0 success, 1 failure, 2"},
		"serve":        {"(default 127.0.0.1:8080)", "--target=NAME=ADDR", "tcp://HOST:PORT or unix:///PATH", "10 s", "75 s", "4503", "SIGTERM", "421", "Repeatable", "(default: only /nbd/)", "SIGHUP", "$BRIDGE_TARGET", "--[no-]splice", "--drain=TIME"},
		"config check": {"line and column", "Exit codes: 0 a good file, 1 a bad one"},
		"demo":         {"(default 127.0.0.1:8080)", "32 MiB", "read-only", "Repeatable", "client certificate", "Ctrl-C"},
		"info":         {"in bytes", "--tls=MODE", "default: off for nbd:// and nbd+unix://, else require", "--ca=FILE", "--server-name=NAME", "--cert=FILE", "--key=FILE", "10809", "JSON", "--token-file=FILE", "read for every connection", "only once"},
		"serve-disk": {
			"(default tcp://127.0.0.1:10809)", "notls", "optionaltls", "forcedtls", "selectivetls", "in bytes", "mode 0600", "flock", "256", "30 s",
			"64 MiB", "32 MiB", "Ctrl-C", "Repeatable", "(default: no TLS)", "(default: clients may write)", "Exit codes",
		},
		"acquire": {
			"(default sha256,md5)", "(default 4KiB)", "(default 2)", "(default 2m)", "zstd if FILE ends in .zst, else raw", "--[no-]skip-holes", "--give-up", "--case-number=TEXT",
			"--evidence-number", "--sign-key=PEM", "FILE.log.json", "FILE.part", "--resume", "64 KiB", "Ctrl-C", "Exit codes: 0", "3 it is whole and has zeros",
		},
		"connect": {"--listen=ADDR", "unix:///PATH or tcp://HOST:PORT", "mode 0600", "15 s", "nbdcopy", "Ctrl-C", "--token-file=FILE"},
		"ticket":  {"(default 60s)", "--key=FILE", "--audience=URL", "--target=NAME", "Repeatable, up to 64", "2048 bits", "32 bytes", "random jti", "openssl genpkey", "whole seconds", "nobody in particular"},
	} {
		code, stdout, _ := runWith(t, append(strings.Fields(command), "--help")...)
		flat := strings.Join(strings.Fields(stdout), " ")
		if lacks := missing(flat, texts...); code != 0 || lacks != "" {
			t.Errorf("bridge %s --help: code %d, without %q", command, code, lacks)
		}
	}
}

// A context that has ended is a process that was told to stop.
func TestRunEndsInGoodOrder(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, args := range [][]string{
		{"serve", "--listen", "127.0.0.1:0", "--target", "a=tcp://127.0.0.1:1", "--target", "b=unix:///x"},
		{"connect", "ws://127.0.0.1:1/nbd/x", "--listen", "tcp://127.0.0.1:0"},
		{"serve-disk", "--listen", "tcp://localhost:0", newFile(t, "x,y=1.img", "x")},
		{"demo", "--listen", "127.0.0.1:0", "--image", newFile(t, "x=1,y.img", "x")},
	} {
		if args[0] == "demo" && !web.Built() {
			continue
		}
		_, _ = captureStdout(t), capture(t, &os.Stderr)
		if code := run(ctx, args); code != 0 {
			t.Errorf("%v ended with code %d", args, code)
		}
	}
}
