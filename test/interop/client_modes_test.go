package interop

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"testing"

	"nbdbridge/nbd"
)

// nbdServer serves two exports, "open" and "secret", by an nbd-server with
// these lines in addition, in the general part and for "secret".
func nbdServer(t *testing.T, p *pki, general, secret string) *target {
	t.Helper()
	file, port := patternFile(t), freePort(t)
	config := fmt.Sprintf("[generic]\nport=%s\nlistenaddr=127.0.0.1\nallowlist=true\n", port)
	if p != nil {
		config += fmt.Sprintf("certfile=%[1]s/server-cert.pem\nkeyfile=%[1]s/server-key.pem\ncacertfile=%[1]s/ca-cert.pem\n", p.dir)
	}
	config += general
	config += fmt.Sprintf("[open]\nexportname=%[1]s\nflush=true\nfua=true\ntrim=true\nrotational=true\n[secret]\nexportname=%[1]s\n%[2]s", file, secret)
	return startNbdServerWith(t, file, port, "open", p, config)
}

func isTLSError(err error) bool { return errors.As(err, new(*nbd.TLSError)) }

// refusedWith tells whether err is the server's refusal of an option.
func refusedWith(err error, want nbd.ReplyType) bool {
	refused := (*nbd.OptionError)(nil)
	return errors.As(err, &refused) && refused.Reply == want
}

// tryExport opens an export as far as it goes.
func tryExport(t *testing.T, s *target, cfg *nbd.Config, export string) error {
	t.Helper()
	other := *s
	other.export = export
	return tryClient(t, &other, cfg)
}

// list asks for the names of the exports.
func list(ctx context.Context, t *testing.T, s *target, cfg *nbd.Config) (names []string, err error) {
	t.Helper()
	conn, err := new(net.Dialer).DialContext(ctx, s.network, s.addr)
	if err != nil {
		t.Fatal(err)
	}
	client, err := nbd.NewClient(ctx, conn, cfg)
	if err != nil {
		return nil, err
	}
	defer client.Close()
	entries, err := client.List(ctx)
	for _, e := range entries {
		names = append(names, e.Name)
	}
	_ = client.Abort(ctx)
	return names, err
}

// TestServerModes are the three of the specification, as nbd-server has them,
// against the three policies of our client.
func TestServerModes(t *testing.T) {
	p := newPKI(t)
	off, require, prefer := plain(), config(t, p), config(t, p)
	prefer.TLSMode = nbd.TLSPrefer
	notls := func(err error) bool { return errors.Is(err, nbd.ErrTLSRefused) }
	reqd := func(err error) bool { return refusedWith(err, nbd.RepErrTLSReqd) }
	fine := func(err error) bool { return err == nil }
	servers := map[string]*target{
		"NOTLS":        nbdServer(t, nil, "", ""),
		"SELECTIVETLS": nbdServer(t, p, "", "force_tls=true\n"),
		"FORCEDTLS":    nbdServer(t, p, "force_tls=true\n", ""),
	}
	for _, c := range []struct {
		mode               string
		cfg                *nbd.Config
		open, secret, list func(error) bool
	}{
		{"NOTLS", off, fine, fine, fine},
		{"NOTLS", prefer, fine, fine, fine},
		{"NOTLS", require, notls, notls, notls},
		{"SELECTIVETLS", off, fine, reqd, fine},
		{"SELECTIVETLS", prefer, fine, fine, fine},
		{"SELECTIVETLS", require, fine, fine, fine},
		{"FORCEDTLS", off, reqd, reqd, reqd},
		{"FORCEDTLS", prefer, fine, fine, fine},
		{"FORCEDTLS", require, fine, fine, fine},
	} {
		t.Run(c.mode+"/"+c.cfg.TLSMode.String(), func(t *testing.T) {
			server := servers[c.mode]
			if err := tryExport(t, server, c.cfg, "open"); !c.open(err) {
				t.Errorf("the open export: %v", err)
			}
			if err := tryExport(t, server, c.cfg, "secret"); !c.secret(err) {
				t.Errorf("the secret export: %v", err)
			}
			names, err := list(testContext(t), t, server, c.cfg)
			if !c.list(err) || err == nil && !slices.Contains(names, "open") {
				t.Errorf("list: %q, %v", names, err)
			}
		})
	}
}

// TestOptionalServer is nbdkit with --tls=on: whoever wants it has TLS.
func TestOptionalServer(t *testing.T) {
	p := newPKI(t)
	s, _ := nbdkit(t, "--tls=on", "--tls-certificates="+p.dir, "pattern", "1M")
	for _, mode := range []nbd.TLSMode{nbd.TLSOff, nbd.TLSPrefer, nbd.TLSRequire} {
		cfg := config(t, p)
		cfg.TLSMode = mode
		ctx := testContext(t)
		disk := open(ctx, t, s, cfg)
		if (disk.TLS() != nil) != (mode != nbd.TLSOff) {
			t.Errorf("%v: TLS facts %v", mode, disk.TLS())
		}
		if err := disk.Read(ctx, make([]byte, 100), 1); err != nil {
			t.Errorf("%v: %v", mode, err)
		}
		disk.Close()
	}
}

// TestPreferNeverFallsBack: TLS that was begun must verify.
func TestPreferNeverFallsBack(t *testing.T) {
	p := newPKI(t)
	s, _ := nbdkit(t, "--tls=on", "--tls-certificates="+p.dir, "pattern", "1M")
	cfg := config(t, newPKI(t)) // another CA
	cfg.TLSMode = nbd.TLSPrefer
	if err := tryClient(t, s, cfg); !isTLSError(err) {
		t.Errorf("got %v", err)
	}
}

// TestIdentityChecked is a qemu-nbd that lets in clients by their subject.
func TestIdentityChecked(t *testing.T) {
	p, file := newPKI(t), patternFile(t)
	for identity, want := range map[string]bool{"CN=client1": true, "CN=client2": false} {
		s := qemu{}.serve(t, "--format=raw", "--object", qemuCredentials("server", p), "--tls-creds=t0",
			"--object", "authz-simple,id=az,identity="+identity, "--tls-authz=az", file)
		if err := tryClient(t, s, config(t, p)); (err == nil) != want || err != nil && !isTLSError(err) {
			t.Errorf("%s: got %v", identity, err)
		}
	}
}

// TestRotational is a hint that nbd-server can give.
func TestRotational(t *testing.T) {
	s := nbdServer(t, nil, "", "")
	ctx := testContext(t)
	disk := open(ctx, t, s, plain())
	defer disk.Close()
	if disk.Info().Flags&nbd.FlagRotational == 0 {
		t.Errorf("flags %#x", disk.Info().Flags)
	}
}
