package interop

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// proof is a test as docs/protocol.md names it: its folder and its function.
var proof = regexp.MustCompile("`([a-z/]+)\\.((?:Test|Fuzz)\\w+)`")

// unproved tells what is wrong with a row: feature, our client, our server,
// proof, and three others.
func unproved(row string) error {
	cells := strings.Split(strings.Trim(row, "| "), "|")
	if len(cells) != 7 {
		return fmt.Errorf("%d columns, not 7", len(cells))
	}
	proofs := proof.FindAllStringSubmatch(cells[3], -1)
	lacking := strings.HasPrefix(strings.TrimSpace(cells[1]), "no") && strings.TrimSpace(cells[2]) == "no"
	if (len(proofs) == 0) != lacking {
		return fmt.Errorf("%d tests of it", len(proofs))
	}
	if strings.Count(row, ".Test")+strings.Count(row, ".Fuzz") != len(proofs) {
		return fmt.Errorf("a test that can't be read")
	}
	for _, p := range proofs {
		if !stands(p[1], p[2]) {
			return fmt.Errorf("there is no %s in %s", p[2], p[1])
		}
	}
	return nil
}

// stands tells whether a test is there.
func stands(folder, name string) bool {
	files, _ := filepath.Glob(filepath.Join("../..", folder, "*_test.go"))
	for _, file := range files {
		if text, _ := os.ReadFile(file); strings.Contains(string(text), "\nfunc "+name+"(") {
			return true
		}
	}
	return false
}

// TestSupportTable: what is said to be supported has tests, and they are there.
func TestSupportTable(t *testing.T) {
	rows := 0
	for line := range strings.Lines(readFile(t, "../../docs/protocol.md")) {
		if !strings.HasPrefix(line, "| ") || strings.HasPrefix(line, "| feature ") {
			continue
		}
		rows++
		if err := unproved(strings.TrimSpace(line)); err != nil {
			t.Errorf("%.60s: %v", line, err)
		}
	}
	if rows < 50 {
		t.Errorf("%d rows", rows)
	}
}

// TestSupportTableCanFail tries the judge itself.
func TestSupportTableCanFail(t *testing.T) {
	for row, want := range map[string]bool{
		"| READ | yes | yes | `test/interop.TestSupportTable` | yes | yes | yes |": true,
		"| RESIZE | no: nobody has it | no | | no | no | no |":                     true,
		"| READ | yes | yes | | yes | yes | yes |":                                 false,
		"| READ | yes | yes | `nbd.TestNowhere` | yes | yes | yes |":               false,
		"| READ | yes | yes | nbd.TestReplies | yes | yes | yes |":                 false,
		"| READ | yes | yes | `nbd.TestReplies` | yes | yes |":                     false,
		"| READ | no | no | `nbd.TestReplies` | yes | yes | yes |":                 false,
	} {
		if err := unproved(row); (err == nil) != want {
			t.Errorf("%s: %v", row, err)
		}
	}
}
