package adversary

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// proof is a test as SECURITY.md names it: its folder, its function, and the
// subtest where one is named.
var proof = regexp.MustCompile("`([a-z/]+)\\.((?:Test|Fuzz)\\w+)(?:/(\\w+))?`")

// story is a test in JavaScript as SECURITY.md names it: its file and its title.
var story = regexp.MustCompile("`(web/test/[a-z/-]+\\.test\\.js): ([^`]+)`")

// titles are those of a file of such tests, and varying the part of a title
// that is filled in when it runs.
var (
	titles  = regexp.MustCompile("\\btest\\((?:\"([^\"]+)\"|`([^`]+)`),")
	varying = regexp.MustCompile(`\\\$\\{.*?\\}`)
)

// rows are the lines of the tables of SECURITY.md, without their heads.
func rows(t *testing.T) (rows []string) {
	t.Helper()
	text, err := os.ReadFile("../../SECURITY.md")
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(string(text), "\n")
	for i, line := range lines {
		head := i+1 < len(lines) && strings.HasPrefix(lines[i+1], "|---")
		if strings.HasPrefix(line, "| ") && !head {
			rows = append(rows, line)
		}
	}
	return rows
}

// unproved tells what is wrong with the proofs of a row.
func unproved(row string) error {
	proofs, stories := proof.FindAllStringSubmatch(row, -1), story.FindAllStringSubmatch(row, -1)
	if len(proofs)+len(stories) == 0 && !strings.Contains(row, "No test:") && !strings.Contains(row, "can't apply:") {
		return fmt.Errorf("neither a test nor a reason")
	}
	if strings.Count(row, ".Test")+strings.Count(row, ".Fuzz") != len(proofs) || strings.Count(row, ".test.js") != len(stories) {
		return fmt.Errorf("a test that can't be read")
	}
	for _, s := range stories {
		if err := told(s[1], s[2]); err != nil {
			return err
		}
	}
	for _, p := range proofs {
		if err := stands(p[1], p[2], p[3]); err != nil {
			return err
		}
	}
	return nil
}

// stands tells whether a test is there.
func stands(folder, name, subtest string) error {
	files, err := filepath.Glob(filepath.Join("../..", folder, "*_test.go"))
	if err != nil {
		return err
	}
	found := slices.ContainsFunc(files, func(file string) bool {
		text, _ := os.ReadFile(file)
		return strings.Contains(string(text), "\nfunc "+name+"(")
	})
	row := func(a attack) bool { return a.name == subtest }
	switch {
	case !found:
		return fmt.Errorf("there is no %s in %s", name, folder)
	case subtest != "" && name != "TestAttack":
		return fmt.Errorf("subtests of %s are not looked at", name)
	case subtest != "" && !slices.ContainsFunc(attacks, row):
		return fmt.Errorf("there is no row %s", subtest)
	}
	return nil
}

// told tells whether a test in JavaScript is there.
func told(file, title string) error {
	text, err := os.ReadFile(filepath.Join("../..", file))
	if err != nil {
		return err
	}
	for _, m := range titles.FindAllStringSubmatch(string(text), -1) {
		pattern := varying.ReplaceAllString(regexp.QuoteMeta(m[1]+m[2]), ".+")
		if regexp.MustCompile("^" + pattern + "$").MatchString(title) {
			return nil
		}
	}
	return fmt.Errorf("there is no test %q in %s", title, file)
}

// SECURITY.md names every attack, and tests that are there.
func TestSecurityTables(t *testing.T) {
	seen := map[string]int{}
	text := ""
	for _, row := range rows(t) {
		if err := unproved(row); err != nil {
			t.Errorf("%.60s: %v", row, err)
		}
		seen[strings.TrimSpace(strings.Split(row, "|")[1])]++
		text += row
	}
	for n := 1; n <= 27; n++ {
		if name := fmt.Sprintf("A%d", n); seen[name] != 1 {
			t.Errorf("%s stands there %d times", name, seen[name])
		}
	}
	for _, a := range attacks {
		if !strings.Contains(text, "TestAttack/"+a.name+"`") {
			t.Errorf("no row names %s", a.name)
		}
	}
}

// The judge itself can say no.
func TestSecurityTablesCanFail(t *testing.T) {
	for _, row := range []string{
		"| A1 | something | happens | |",
		"| A1 | something | happens | `nbd.TestThatIsNot` |",
		"| A1 | something | happens | `elsewhere.TestAttack` |",
		"| A1 | something | happens | `test/adversary.TestAttack/A0_nothing` |",
		"| A1 | something | happens | `nbd.TestTrust/by_pin` |",
		"| A1 | something | happens | `web/test/browser/admin.test.js: nothing` |",
		"| A1 | something | happens | `web/test/browser/none.test.js: a page` |",
		"| A1 | something | happens | `nbd.TestTrust`, `web/test/browser/admin.test.js` |",
	} {
		if unproved(row) == nil {
			t.Errorf("%s is fine", row)
		}
	}
	for _, row := range []string{
		"| A1 | something | happens | `nbd.TestTrust` |",
		"| A1 | something | happens | `web/test/browser/admin.test.js: a page of this machine is refused` |",
	} {
		if err := unproved(row); err != nil {
			t.Error(err)
		}
	}
}
