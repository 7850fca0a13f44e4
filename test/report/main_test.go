package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const (
	passes = `{"Action":"pass","Package":"p","Test":"TestA"}`
	skips  = `{"Action":"output","Package":"p","Test":"TestS","Output":"=== RUN   TestS\n"}
{"Action":"output","Package":"p","Test":"TestS","Output":"    s_test.go:7: nbdkit is missing\n"}
{"Action":"output","Package":"p","Test":"TestS","Output":"--- SKIP: TestS (0.00s)\n"}
{"Action":"skip","Package":"p","Test":"TestS"}`
	fails = `{"Action":"output","Package":"p","Test":"TestF","Output":"    f_test.go:9: wrong\n"}
{"Action":"fail","Package":"p","Test":"TestF"}`
	ends   = `{"Action":"pass","Package":"p","Elapsed":1.25}`
	breaks = `{"Action":"build-output","ImportPath":"q","Output":"q.go:1: no such name\n"}
{"Action":"build-fail","ImportPath":"q"}`
)

func TestReport(t *testing.T) {
	for name, c := range map[string]struct {
		in         []string
		out, tally string
		err        string
	}{
		"passes and skips":  {[]string{passes, skips, ends}, "ok   p 1.2s\n", "pass\nskip p TestS: s_test.go:7: nbdkit is missing\n", ""},
		"a failure":         {[]string{passes, fails}, "    f_test.go:9: wrong\n", "pass\nfail p TestF\n", "tests failed"},
		"a broken build":    {[]string{passes, breaks}, "q.go:1: no such name\nFAIL q\n", "pass\n", "tests failed"},
		"something foreign": {[]string{"go: no such flag", passes}, "go: no such flag\n", "pass\n", ""},
		"only skips":        {[]string{skips}, "", "skip p TestS: s_test.go:7: nbdkit is missing\n", "no test passed"},
		"nothing":           {nil, "", "", "no test passed"},
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "tally")
			var out strings.Builder
			err := run(strings.NewReader(strings.Join(c.in, "\n")), &out, file)
			if (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
				t.Errorf("error %v, want %q", err, c.err)
			}
			if out.String() != c.out {
				t.Errorf("printed %q, want %q", out.String(), c.out)
			}
			if tally, _ := os.ReadFile(file); string(tally) != c.tally {
				t.Errorf("tallied %q, want %q", tally, c.tally)
			}
		})
	}
}
