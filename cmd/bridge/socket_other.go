//go:build !linux

package main

import "syscall"

// ownersOnly does nothing: other systems have no mode for a socket without a
// name, and listenUnix sets it right after.
func ownersOnly(_, _ string, _ syscall.RawConn) error { return nil }
