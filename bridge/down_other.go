//go:build !linux

package bridge

import "net"

// A socket is what the kernel can be asked about; here it can't.
type socket struct{}

func clientSocket(net.Conn) *socket { return nil }

func newSocket(net.Conn) *socket { return nil }

func (s *session) carryDown() error { return s.copyReads() }
