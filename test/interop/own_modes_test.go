package interop

import (
	"fmt"
	"strings"
	"testing"

	"nbdbridge/nbd"
	"nbdbridge/nbd/device"
)

// libnbdOpens tries an export by one of libnbd's policies. It returns "plain"
// or "tls", or what went wrong.
func libnbdOpens(t *testing.T, addr, policy, export string, p *pki) string {
	t.Helper()
	_, port, _ := strings.Cut(addr, ":")
	return strings.TrimSpace(nbdsh(t, fmt.Sprintf(`
h.set_tls(nbd.TLS_%s)
h.set_tls_certificates(%q)
h.set_export_name(%q)
try:
    h.connect_tcp("localhost", %q)
    assert h.pread(8, 4096) == (4096).to_bytes(8, "big")
    print("tls" if h.get_tls_negotiated() else "plain")
    h.shutdown()
except nbd.Error as e:
    print("refused: " + str(e))
`, policy, p.dir, export, port)))
}

// TestOwnModes are ours against the three policies of libnbd.
func TestOwnModes(t *testing.T) {
	p := newPKI(t)
	exports := func(secret bool) []nbd.Export {
		return []nbd.Export{
			{Name: "open", Device: device.NewMemory(pattern(0, mega))},
			{Name: "secret", Device: device.NewMemory(pattern(0, mega)), TLSOnly: secret},
		}
	}
	for mode, rows := range map[nbd.ServerTLSMode]string{
		// policy open secret
		nbd.NoTLS:        "DISABLE plain plain, ALLOW plain plain, REQUIRE refused refused",
		nbd.OptionalTLS:  "DISABLE plain plain, ALLOW tls tls, REQUIRE tls tls",
		nbd.SelectiveTLS: "DISABLE plain refused, ALLOW tls tls, REQUIRE tls tls",
		nbd.ForcedTLS:    "DISABLE refused refused, ALLOW tls tls, REQUIRE tls tls",
	} {
		server := &nbd.Server{Exports: exports(mode == nbd.SelectiveTLS), TLSMode: mode}
		if mode != nbd.NoTLS {
			server.TLS = serverTLS(t, p)
		}
		addr := serveOwn(t, server)
		for row := range strings.SplitSeq(rows, ", ") {
			want := strings.Fields(row)
			for i, export := range []string{"open", "secret"} {
				if got := libnbdOpens(t, addr, want[0], export, p); !strings.HasPrefix(got, want[i+1]) {
					t.Errorf("%v, libnbd %s, %s: %s, want %s", mode, want[0], export, got, want[i+1])
				}
			}
		}
	}
}

// TestSecretNames are not told to those who are not inside TLS.
func TestSecretNames(t *testing.T) {
	p := newPKI(t)
	for _, hide := range []bool{false, true} {
		addr := serveOwn(t, &nbd.Server{TLS: serverTLS(t, p), TLSMode: nbd.SelectiveTLS, HideNames: hide, Exports: []nbd.Export{
			{Name: "open", Device: device.NewMemory(nil)}, {Name: "secret", Device: device.NewMemory(nil), TLSOnly: true},
		}})
		names := func(policy string) string {
			_, port, _ := strings.Cut(addr, ":")
			return nbdsh(t, fmt.Sprintf(`
h.set_tls(nbd.TLS_%s)
h.set_tls_certificates(%q)
h.set_opt_mode(True)
h.connect_tcp("localhost", %q)
names = []
h.opt_list(lambda name, description: names.append(name))
print(names)
h.opt_abort()
`, policy, p.dir, port))
		}
		want := "['open', 'secret']\n"
		if got := names("REQUIRE"); got != want {
			t.Errorf("inside TLS: %s", got)
		}
		if hide {
			want = "['open']\n"
		}
		if got := names("DISABLE"); got != want {
			t.Errorf("hidden %t: %s", hide, got)
		}
	}
}

// TestOwnAllowList lets clients in by what their certificate says.
func TestOwnAllowList(t *testing.T) {
	p := newPKI(t)
	for identity, want := range map[string]string{"CN=client1": "tls", "CN=client2": "refused", "CN=client": "refused", "client1": "refused"} {
		addr := serveOwn(t, &nbd.Server{TLS: serverTLS(t, p), AllowClients: []string{identity},
			Exports: []nbd.Export{{Name: "x", Device: device.NewMemory(pattern(0, mega))}}})
		if got := libnbdOpens(t, addr, "REQUIRE", "x", p); !strings.HasPrefix(got, want) {
			t.Errorf("%s: %s, want %s", identity, got, want)
		}
	}
}

// TestOwnDemandsCertificates: a client with none, and one of another CA.
func TestOwnDemandsCertificates(t *testing.T) {
	p, other := newPKI(t), newPKI(t)
	addr := serveOwn(t, &nbd.Server{TLS: serverTLS(t, p), Exports: []nbd.Export{{Name: "x", Device: device.NewMemory(pattern(0, mega))}}})
	if got := libnbdOpens(t, addr, "REQUIRE", "x", p); got != "tls" {
		t.Errorf("the right certificate: %s", got)
	}
	copyFile(t, p.file("ca-cert.pem"), other.file("ca-cert.pem")) // trusts us, is not trusted
	if got := libnbdOpens(t, addr, "REQUIRE", "x", other); !strings.HasPrefix(got, "refused") {
		t.Errorf("the certificate of another CA: %s", got)
	}
	none := &pki{dir: t.TempDir()}
	copyFile(t, p.file("ca-cert.pem"), none.file("ca-cert.pem"))
	if got := libnbdOpens(t, addr, "REQUIRE", "x", none); !strings.HasPrefix(got, "refused") {
		t.Errorf("no certificate: %s", got)
	}
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	writeFile(t, to, strings.NewReader(readFile(t, from)))
}
