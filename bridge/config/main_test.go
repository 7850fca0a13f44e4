package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"nbdbridge/bridge/config"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// newFile writes bridge.yaml in a folder of its own.
func newFile(t testing.TB, content string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "bridge.yaml")
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// load reads and checks.
func load(path string) (*config.Config, error) {
	c, err := config.Read(path)
	if err != nil {
		return nil, err
	}
	return c, c.Check()
}

// problems are the lines of an error, without the folder of the file.
func problems(path string, err error) []string {
	if err == nil {
		return nil
	}
	return strings.Split(strings.ReplaceAll(err.Error(), filepath.Dir(path)+string(filepath.Separator), ""), "\n")
}
