package disks

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

// missing is need for what is no program.
func missing(t *testing.T, text string) {
	t.Helper()
	if os.Getenv("CI") != "" {
		t.Fatal(text)
	}
	t.Skip(text)
}

// tool runs a program to its end and gives what it prints.
func tool(t *testing.T, program string, args ...string) string {
	t.Helper()
	return toolWith(t, "", program, args...)
}

func toolWith(t *testing.T, input, program string, args ...string) string {
	t.Helper()
	cmd := exec.Command(program, args...)
	cmd.Stdin = strings.NewReader(input)
	cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8")
	var out, errs strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s %.300q: %v\n%.2000s", program, args, err, errs.String())
	}
	return out.String()
}
