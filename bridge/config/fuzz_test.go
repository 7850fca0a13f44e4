package config_test

import (
	"net/http"
	"os"
	"strings"
	"testing"

	"nbdbridge/bridge"
	"nbdbridge/bridge/config"
)

// FuzzRead: any file is read or refused with its name, and what passes makes a
// bridge that may serve.
func FuzzRead(f *testing.F) {
	full, err := os.ReadFile("testdata/full.yaml")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(string(full))
	for _, seed := range []string{"", "a: b", "a: &a [*a]", "<<: {}", "? a\n: b", "- - -", "{{{{", "[[[[", "--- |\n x\n...", "!!x y", "a: \"", "\xff", "\t", "a: >-\n b", "%YAML 1.2\n---\n"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, file string) {
		c, err := config.Parse("bridge.yaml", []byte(file))
		if err == nil {
			err = c.Check()
		}
		if err != nil {
			if strings.TrimSpace(err.Error()) == "" {
				t.Error("an error without words")
			}
			return
		}
		h := c.Handler()
		h.Authorize = func(*http.Request, string) (bridge.Grant, error) { return bridge.Grant{}, nil }
		h.PublicURL = append(h.PublicURL, "http://localhost")
		if err := h.Validate(); err != nil {
			t.Error(err)
		}
	})
}
