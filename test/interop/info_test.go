package interop

import (
	"encoding/json"
	"errors"
	"os/exec"
	"strings"
	"testing"
)

// An infoReport is what `bridge info --json` promises.
type infoReport struct {
	URL     string
	TLS     *struct{ Version, CipherSuite, ServerName, Pin string }
	Exports []struct {
		Name      string
		Size      int64
		ReadOnly  bool
		Features  []string
		BlockSize struct{ Minimum, Preferred, MaximumPayload uint32 }
	}
}

func trustArgs(p *pki) []string {
	if p == nil {
		return []string{"--tls", "off"}
	}
	return []string{"--ca", p.file("ca-cert.pem"), "--server-name", "localhost",
		"--cert", p.file("client-cert.pem"), "--key", p.file("client-key.pem")}
}

// TestInfo asks each server directly and through the bridge.
func TestInfo(t *testing.T) {
	eachServer(t, func(t *testing.T, s *target, p *pki) {
		list := strings.Replace(s.directURL(), "/"+s.export, "/", 1)
		for _, url := range []string{list, s.directURL(), startBridge(t, s.bridgeAddr())} {
			checkInfo(t, s, url, trustArgs(p))
		}
	})
}

func checkInfo(t *testing.T, s *target, url string, trust []string) {
	t.Helper()
	out, err := exec.Command(bridgeBinary, append([]string{"info", "--json", url}, trust...)...).Output()
	if err != nil {
		t.Fatalf("%s: %v", url, err)
	}
	var r infoReport
	if err := json.Unmarshal(out, &r); err != nil {
		t.Fatalf("%s: %v in %s", url, err, out)
	}
	if len(r.Exports) != 1 || r.Exports[0].Size != diskSize || r.Exports[0].ReadOnly || r.Exports[0].BlockSize.Minimum != s.advertisedBlock {
		t.Errorf("%s: %s", url, out)
	}
	if s.tls && (r.TLS == nil || r.TLS.Version != "TLS 1.3" || r.TLS.ServerName != "localhost" || r.TLS.Pin == "") {
		t.Errorf("%s: TLS facts in %s", url, out)
	}
	if text := run(t, bridgeBinary, append([]string{"info", url}, trust...)...); !strings.Contains(text, "8389120 bytes") {
		t.Errorf("%s: %s", url, text)
	}
}

// TestInfoAdvises checks that failures say what to do, and the exit codes.
func TestInfoAdvises(t *testing.T) {
	p := newPKI(t)
	plain, secure := startNbdkit(t, nil), startQemu(t, p)
	for _, c := range []struct {
		name string
		args []string
		code int
		text string
	}{
		{"no TLS there", append([]string{plain.directURL(), "--tls", "require"}, trustArgs(p)...), 1, "--tls off"},
		{"TLS demanded", []string{secure.directURL(), "--tls", "off"}, 1, "--tls require"},
		{"no name for a bridge", []string{"ws://127.0.0.1:1/nbd/lab"}, 2, "--server-name"},
		{"unknown export", append([]string{"nbds://" + secure.addr + "/nope"}, trustArgs(p)...), 1, "nope"},
		{"wrong CA", append([]string{secure.directURL()}, trustArgs(newPKI(t))...), 1, "unknown authority"},
		{"unknown scheme", []string{"http://127.0.0.1/"}, 2, "nbd+unix"},
		{"useless CA", []string{plain.directURL(), "--ca", p.file("ca-cert.pem")}, 2, "--tls require"},
		{"nobody there", []string{"nbd://127.0.0.1:1/"}, 1, "refused"},
	} {
		t.Run(c.name, func(t *testing.T) {
			out, err := exec.Command(bridgeBinary, append([]string{"info"}, c.args...)...).CombinedOutput()
			code := 0
			if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
				code = exit.ExitCode()
			}
			if code != c.code || !strings.Contains(string(out), c.text) {
				t.Errorf("exit code %d, want %d with %q:\n%s", code, c.code, c.text, out)
			}
		})
	}
}
