//go:build unix

package main

import (
	"os/exec"
	"syscall"
)

// alone keeps Ctrl-C in a terminal from a child, so that it ends after what
// uses it, and not as if it had failed.
func alone(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }
