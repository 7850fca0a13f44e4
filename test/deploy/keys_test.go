// Package deploy holds the files that operators start from, and the page that
// they read, to what the bridge does.
package deploy

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"nbdbridge/bridge"
	"nbdbridge/bridge/config"
)

func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("../..", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// meant reads a configuration and demands that it can be meant.
func meant(t *testing.T, text string) *config.Config {
	t.Helper()
	file := filepath.Join(t.TempDir(), "bridge.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := config.Read(file)
	if err == nil {
		err = c.Check()
	}
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return c
}

// schema lists the keys of a configuration, dots between, as the page writes
// them: the keys of a map are NAME.
func schema(of reflect.Type, prefix string) (keys []string) {
	for field := range of.Fields() {
		name := field.Tag.Get("yaml")
		if name == "" {
			continue
		}
		inner := field.Type
		name = prefix + name
		if inner.Kind() == reflect.Map {
			inner, name = inner.Elem(), name+".NAME"
		}
		if below := sub(inner, name+"."); below != nil {
			keys = append(keys, below...)
			continue
		}
		keys = append(keys, name)
	}
	return keys
}

// sub is schema for what has keys of its own, and nil for a value.
func sub(of reflect.Type, prefix string) []string {
	if of.Kind() != reflect.Struct {
		return nil
	}
	return schema(of, prefix)
}

func allKeys() []string {
	keys := schema(reflect.TypeFor[config.Config](), "")
	slices.Sort(keys)
	return keys
}

func TestSchemaIsSeen(t *testing.T) {
	for _, key := range []string{"listen", "tls.clientCA", "targets.NAME.address", "limits.maxSessionAge", "auth.tickets.once", "proxies.protocol"} {
		if !slices.Contains(allKeys(), key) {
			t.Errorf("%s is not among %q", key, allKeys())
		}
	}
}

// row is a line of the page's table of keys.
var row = regexp.MustCompile("(?m)^\\| `([a-zA-Z.]+)` \\| ([^|]+) \\| [^|]+ \\|$")

func TestOperatorsPageHasEveryKey(t *testing.T) {
	_, table, _ := strings.Cut(read(t, "docs/operate.md"), "\n## Configuration")
	table, _, _ = strings.Cut(table, "\n## ")
	var keys []string
	for _, cells := range row.FindAllStringSubmatch(table, -1) {
		keys = append(keys, cells[1])
	}
	slices.Sort(keys)
	if want := allKeys(); !slices.Equal(keys, want) {
		t.Errorf("the table has\n%q\nand the schema\n%q", keys, want)
	}
}

// named finds the name of a metric in what describes it.
var named = regexp.MustCompile(`fqName: "(\w+)", .* variableLabels: {([^}]*)}`)

func TestOperatorsPageHasEveryMetric(t *testing.T) {
	page, seen := read(t, "docs/operate.md"), 0
	described := make(chan *prometheus.Desc)
	go func() {
		defer close(described)
		(&bridge.Handler{}).Describe(described)
	}()
	for desc := range described {
		m := named.FindStringSubmatch(desc.String())
		if m == nil {
			t.Fatalf("can't read %s", desc)
		}
		var labels []string
		for label := range strings.SplitSeq(m[2], ",") {
			if label != "" {
				labels = append(labels, "`"+label+"`")
			}
		}
		cells := fmt.Sprintf("| `%s` | %s ", m[1], strings.Join(labels, ", "))
		if !strings.Contains(page, strings.ReplaceAll(cells, "|  ", "| ")+"|") {
			t.Errorf("no row begins %s", cells)
		}
		seen++
	}
	if rows := strings.Count(page, "\n| `bridge_"); seen == 0 || rows != seen {
		t.Errorf("%d metrics, and %d rows", seen, rows)
	}
}

// hidden is a key that is commented out, not prose.
var hidden = regexp.MustCompile(`(?m)^( *)# ( *[a-zA-Z]+:( .*)?)$`)

func TestExample(t *testing.T) {
	short := meant(t, read(t, "deploy/bridge.yaml"))
	full := hidden.ReplaceAllString(read(t, "deploy/bridge.yaml"), "$1$2")
	long := meant(t, full)
	if len(short.Targets) != 1 || !long.Auth.Certificates {
		t.Errorf("not what the file says: %+v, %+v", short, long)
	}
	want := schema(reflect.TypeFor[config.Config](), "")
	if got := written(full); !slices.Equal(got, want) {
		t.Errorf("with everything in it the file has the keys\n%q\nand the schema, in this order,\n%q", got, want)
	}
}

var line = regexp.MustCompile(`^( *)([a-zA-Z0-9]+):(.*)$`)

// written lists the keys with values in a plain YAML file, as schema does.
func written(text string) (keys []string) {
	var above []string
	for _, s := range strings.Split(text, "\n") {
		m := line.FindStringSubmatch(s)
		if m == nil {
			continue
		}
		above = append(above[:len(m[1])/2], m[2])
		value, _, _ := strings.Cut(m[3], "#")
		name := strings.Replace(strings.Join(above, "."), "targets.lab7", "targets.NAME", 1)
		if strings.TrimSpace(value) != "" || name == "origins" {
			keys = append(keys, name)
		}
	}
	return keys
}
