//go:build !linux

package bridge

import "net"

// A socket is what the kernel can be asked about; here it can't.
type socket struct{}

func clientSocket(net.Conn) *socket { return nil }

func newSocket(net.Conn) *socket { return nil }

// A meter is for a client on a slow line; here nothing tells.
type meter struct{}

func newMeter(net.Conn) *meter { return nil }

func (m *meter) advances() bool { return false }

func (s *session) carryDown() error { return s.copyReads() }
