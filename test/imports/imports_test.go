// Package imports holds the project to its table of who may import whom.
package imports

import (
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// A rule is one row of the table in ARCHITECTURE.md. Imports are of the
// package itself, without its tests; the standard library is allowed unless
// never names it.
type rule struct {
	may   []string // modules and packages beyond the standard library
	never []string
	js    bool // judged under GOOS=js GOARCH=wasm
}

const ours = "nbdbridge/"

var rules = map[string]rule{
	"nbd":          {never: []string{"net/http", "os", "syscall/js"}},
	"nbd/device":   {may: []string{ours + "nbd", "golang.org/x/sys"}},
	"bridge":       {may: []string{"github.com/coder/websocket", "golang.org/x/sys", "golang.org/x/time/rate"}, never: []string{ours + "nbd"}},
	"wasm/client":  {may: []string{ours + "nbd"}, never: []string{"net/http", ours + "bridge"}, js: true},
	"wasm/pack":    {may: []string{"github.com/klauspost/compress"}},
	"web":          {},
	"cmd/bridge":   {may: []string{ours + "bridge", ours + "nbd", ours + "web", "github.com"}, never: []string{ours + "wasm"}},
	"bench":        {may: []string{ours + "bridge", ours + "nbd", ours + "web"}},
	"test/report":  {},
	"test/interop": {},
	"test/imports": {},
}

// closureNever must not be reachable from the WASM program at all.
var closureNever = []string{"net/http", ours + "bridge", "github.com/coder/websocket", "github.com/gorilla/websocket"}

func goList(t *testing.T, js bool, args ...string) []string {
	t.Helper()
	cmd := exec.Command("go", append([]string{"list"}, args...)...)
	cmd.Dir = "../.."
	cmd.Env = os.Environ()
	if js {
		cmd.Env = append(cmd.Env, "GOOS=js", "GOARCH=wasm")
	}
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list %v: %v", args, err)
	}
	return strings.Fields(string(out))
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
	for name, r := range rules {
		for _, imported := range goList(t, r.js, "-f", `{{join .Imports "\n"}}`, "./"+name) {
			if !r.allows(imported) {
				t.Errorf("%s imports %s, which the table does not allow", name, imported)
			}
		}
	}
}

// TestEveryPackageHasARule makes a new package state its place.
func TestEveryPackageHasARule(t *testing.T) {
	for _, js := range []bool{false, true} {
		for _, p := range goList(t, js, "./...") {
			if _, ok := rules[strings.TrimPrefix(p, ours)]; !ok {
				t.Errorf("%s is not in the table: give it a row here and in ARCHITECTURE.md", p)
			}
		}
	}
}

func TestWASMClosure(t *testing.T) {
	for _, p := range goList(t, true, "-deps", "./wasm/client") {
		if slices.ContainsFunc(closureNever, func(never string) bool { return within(p, never) }) {
			t.Errorf("the WASM program links %s", p)
		}
	}
}
