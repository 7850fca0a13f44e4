// Package imports holds the project to its table of who may import whom.
package imports

import (
	"bytes"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// A rule is one row of the table in ARCHITECTURE.md. Imports are of the
// package itself, without its tests; the standard library is allowed unless
// never names it. A name stands for its folders too; never wins.
type rule struct {
	may   []string // modules and packages beyond the standard library
	never []string
}

const ours = "nbdbridge/"

// Rows may be there before their packages are.
var rules = map[string]rule{
	"nbd":           {never: []string{"net/http", "os", "syscall/js"}},
	"nbd/device":    {may: []string{ours + "nbd", "golang.org/x/sys"}, never: []string{"syscall/js"}},
	"bridge":        {may: []string{"github.com/coder/websocket", "golang.org/x/sys", "golang.org/x/time/rate", "github.com/prometheus/client_golang", "github.com/pires/go-proxyproto"}, never: []string{ours + "nbd", "syscall/js"}},
	"bridge/ticket": {may: []string{"github.com/golang-jwt/jwt/v5"}, never: []string{ours + "nbd", "syscall/js"}},
	"bridge/listen": {may: []string{"github.com/pires/go-proxyproto", "github.com/coreos/go-systemd/v22", "golang.org/x/sys"}, never: []string{ours + "nbd", ours + "bridge/ticket", "syscall/js"}},
	"bridge/admin":  {may: []string{ours + "bridge", "github.com/prometheus/client_golang"}, never: []string{ours + "nbd", "syscall/js"}},
	"bridge/config": {may: []string{ours + "bridge", "github.com/goccy/go-yaml"}, never: []string{ours + "nbd", "syscall/js"}},
	"disk":          {never: []string{ours + "nbd", ours + "bridge", "syscall/js"}},
	"disk/fs":       {may: []string{ours + "disk"}, never: []string{ours + "nbd", ours + "bridge", "syscall/js"}},
	"disk/search":   {never: []string{ours + "nbd", ours + "bridge", "syscall/js"}},
	"evidence":      {never: []string{ours + "nbd", ours + "bridge", "syscall/js"}},

	"evidence/acquire": {may: []string{ours + "evidence"}, never: []string{ours + "nbd", ours + "bridge", "syscall/js"}},
	"evidence/image":   {may: []string{"github.com/klauspost/compress/zstd"}, never: []string{ours + "nbd", ours + "bridge", "syscall/js"}},
	"evidence/report":  {never: []string{ours + "nbd", ours + "bridge", "syscall/js"}},

	"wasm/boundary": {never: []string{ours + "nbd", "net/http", ours + "bridge"}},
	"wasm/hasher":   {may: []string{ours + "evidence"}, never: []string{ours + "nbd", "net/http", ours + "bridge"}},
	"wasm/acquire":  {may: []string{ours + "evidence", ours + "wasm/boundary", ours + "wasm/hasher"}, never: []string{ours + "nbd", "net/http", ours + "bridge"}},
	"wasm/client":   {may: []string{ours + "nbd"}, never: []string{"net/http", ours + "bridge"}},
	"wasm/inspect":  {may: []string{ours + "disk", ours + "wasm/boundary"}, never: []string{ours + "nbd", "net/http", ours + "bridge"}},
	"wasm/evidence": {may: []string{ours + "wasm/hasher"}, never: []string{ours + "nbd", "net/http", ours + "bridge"}},
	"wasm/pack":     {may: []string{"github.com/klauspost/compress"}, never: []string{"syscall/js"}},
	"web":           {never: []string{"syscall/js"}},
	"cmd/bridge": {
		may: []string{
			"nbdbridge", "github.com/alecthomas/kong", "github.com/coder/websocket",
			"github.com/coreos/go-systemd/v22", "github.com/diskfs/go-diskfs", "github.com/gorilla/handlers",
			"github.com/prometheus/client_golang", "golang.org/x/sys",
		},
		never: []string{ours + "wasm", ours + "test", ours + "bench", "syscall/js"},
	},
	"bench":          {may: []string{"golang.org/x/time/rate", ours + "bridge", ours + "nbd", ours + "web"}},
	"bench/bridge":   {may: []string{"golang.org/x/sys"}, never: []string{ours + "bridge", ours + "nbd"}},
	"test/report":    {},
	"test/interop":   {},
	"test/adversary": {may: []string{ours + "nbd"}},
	"test/deploy":    {},
	"test/disks":     {may: []string{ours + "disk"}},
	"test/imports":   {},

	"test/disks/volumes": {},
}

// closureNever must not be reachable from the WASM client at all.
var closureNever = []string{
	"net/http", ours + "bridge",
	"github.com/coder/websocket", "nhooyr.io/websocket", "github.com/gorilla/websocket", "golang.org/x/net/websocket",
}

// platforms are both judged: an import of syscall/js shows in one of them only.
var platforms = map[string][]string{"native": nil, "js": {"GOOS=js", "GOARCH=wasm"}}

func goList(t *testing.T, platform string, args ...string) []string {
	t.Helper()
	cmd := exec.Command("go", append([]string{"list"}, args...)...)
	cmd.Dir = "../.."
	cmd.Env = append(os.Environ(), platforms[platform]...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list %v for %s: %v\n%s", args, platform, err, &stderr)
	}
	return strings.Split(strings.TrimSpace(string(out)), "\n")
}

// within tells whether a package is pkg or lies in a folder of it.
func within(p, pkg string) bool { return p == pkg || strings.HasPrefix(p, pkg+"/") }

func isStandard(p string) bool {
	first, _, _ := strings.Cut(p, "/")
	return !strings.Contains(first, ".") && first+"/" != ours
}

func (r rule) allows(imported string) bool {
	inside := func(pkg string) bool { return within(imported, pkg) }
	if slices.ContainsFunc(r.never, inside) {
		return false
	}
	return isStandard(imported) || slices.ContainsFunc(r.may, inside)
}

func TestImports(t *testing.T) {
	for platform := range platforms {
		for _, line := range goList(t, platform, "-f", `{{.ImportPath}} {{join .Imports " "}}`, "./...") {
			fields := strings.Fields(line)
			name := strings.TrimPrefix(fields[0], ours)
			r, known := rules[name]
			if !known {
				t.Errorf("%s is not in the table: give it a row here and in ARCHITECTURE.md", name)
				continue
			}
			for _, imported := range fields[1:] {
				if !r.allows(imported) {
					t.Errorf("%s imports %s (%s), which the table does not allow", name, imported, platform)
				}
			}
		}
	}
}

func TestWASMClosure(t *testing.T) {
	for _, p := range goList(t, "js", "-deps", "./wasm/client") {
		if slices.ContainsFunc(closureNever, func(never string) bool { return within(p, never) }) {
			t.Errorf("the WASM client links %s", p)
		}
	}
}

// TestRulesCanFail tries the judge itself.
func TestRulesCanFail(t *testing.T) {
	for _, c := range []struct {
		name, imported string
		want           bool
	}{
		{"nbd", "net", true},
		{"nbd", "net/http", false},
		{"nbd", "net/http/httptrace", false},
		{"nbd", "os", false},
		{"nbd", "syscall/js", false},
		{"nbd", ours + "nbd/device", false},
		{"nbd", "golang.org/x/sys/unix", false},
		{"nbd/device", ours + "nbd", true},
		{"nbd/device", ours + "bridge", false},
		{"bridge", "net/http", true},
		{"bridge", "github.com/coder/websocket", true},
		{"bridge", "github.com/coder/websocketx", false},
		{"bridge", ours + "nbd", false},
		{"wasm/client", "syscall/js", true},
		{"wasm/client", "net/http", false},
		{"cmd/bridge", ours + "nbd/device", true},
		{"cmd/bridge", ours + "wasm/client", false},
		{"web", ours + "nbd", false},
	} {
		if got := rules[c.name].allows(c.imported); got != c.want {
			t.Errorf("%s importing %s: allowed %v, want %v", c.name, c.imported, got, c.want)
		}
	}
}
