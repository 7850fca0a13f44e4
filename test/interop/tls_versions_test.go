package interop

import (
	"crypto/tls"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"nbdbridge/nbd"
)

// tlsVersions are those that are good enough, with their names in GnuTLS.
var tlsVersions = map[string]uint16{"TLS1.2": tls.VersionTLS12, "TLS1.3": tls.VersionTLS13}

// onlyVersion has the programs that use GnuTLS speak one version, whatever
// their own options say. It is for what the test starts from here on.
func onlyVersion(t *testing.T, name string) {
	t.Helper()
	text := "[overrides]\n"
	for _, other := range []string{"TLS1.0", "TLS1.1", "TLS1.2", "TLS1.3"} {
		if other != name {
			text += "disabled-version = " + other + "\n"
		}
	}
	file := filepath.Join(t.TempDir(), "gnutls.conf")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("GNUTLS_SYSTEM_PRIORITY_FILE", file)
}

// TestClientWithTLSVersions reads and writes with each server in each version.
func TestClientWithTLSVersions(t *testing.T) {
	p := newPKI(t)
	for version, want := range tlsVersions {
		for name, start := range starters {
			t.Run(version+"/"+name, func(t *testing.T) {
				onlyVersion(t, version)
				ctx := testContext(t)
				disk := open(ctx, t, start(t, p), config(t, p))
				defer disk.Close()
				if got := disk.TLS().Version; got != want {
					t.Fatalf("got %s", tls.VersionName(got))
				}
				data := pattern(3, 2<<20)
				if err := disk.Write(ctx, data, 12345, 0); err != nil {
					t.Fatal(err)
				}
				got := make([]byte, len(data))
				if err := disk.Read(ctx, got, 12345); err != nil || string(got) != string(data) {
					t.Errorf("reading back: %v", err)
				}
			})
		}
	}
}

// TestOldTLSVersions are refused by us: these servers accept them.
func TestOldTLSVersions(t *testing.T) {
	p := newPKI(t)
	for _, version := range []string{"TLS1.0", "TLS1.1"} {
		onlyVersion(t, version)
		if err := tryClient(t, startNbdkit(t, p), config(t, p)); !isTLSError(err) {
			t.Errorf("%s: got %v", version, err)
		}
	}
}

// TestClientWithQemuNew repeats the whole exchange with the new qemu, inside
// TLS and with extended headers.
func TestClientWithQemuNew(t *testing.T) {
	need(t, qemuNew+"qemu-nbd")
	p := newPKI(t)
	for version, want := range tlsVersions {
		t.Run(version, func(t *testing.T) {
			onlyVersion(t, version)
			file := patternFile(t)
			s := qemu{qemuNew, true}.serve(t, "--format=raw", "--object", qemuCredentials("server", p), "--tls-creds=t0", file)
			ctx := testContext(t)
			disk := open(ctx, t, s, config(t, p))
			if disk.TLS().Version != want || disk.Framing() != nbd.FramingExtended {
				t.Errorf("%s, framing %v", tls.VersionName(disk.TLS().Version), disk.Framing())
			}
			writeAndCompare(ctx, t, disk, file)
		})
	}
}

// qemuCredentials is the object t0 of either end of a qemu.
func qemuCredentials(endpoint string, p *pki) string {
	return fmt.Sprintf("tls-creds-x509,id=t0,endpoint=%s,verify-peer=yes,dir=%s", endpoint, p.dir)
}
