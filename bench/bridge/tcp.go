//go:build linux

package main

import (
	"context"
	"net"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// ethernetMSS is what a host on Ethernet announces: 1448 bytes of payload in a
// segment, and 12 of timestamps. A socket that announces it binds both ends of
// its connection, so a contender need not know.
const ethernetMSS = 1460

// announce sets the maximum segment size of sockets to come; 0 leaves it.
func announce(mss int) func(network, address string, c syscall.RawConn) error {
	return func(_, _ string, c syscall.RawConn) error {
		var failed error
		err := c.Control(func(fd uintptr) {
			if mss > 0 {
				failed = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_MAXSEG, mss)
			}
		})
		if err != nil {
			return err
		}
		return failed
	}
}

func listen(address string, mss int) (net.Listener, error) {
	// Multipath TCP, Go's default for listeners, would be a subject of its own.
	config := net.ListenConfig{Control: announce(mss)}
	config.SetMultipathTCP(false)
	return config.Listen(context.Background(), "tcp", address)
}

func dial(address string, mss int) (*net.TCPConn, error) {
	d := net.Dialer{Timeout: 10 * time.Second, Control: announce(mss)}
	c, err := d.Dial("tcp", address)
	if err != nil {
		return nil, err
	}
	return c.(*net.TCPConn), nil
}

// segment is the payload of the segments that a connection sends, in bytes.
func segment(c *net.TCPConn) int {
	raw, err := c.SyscallConn()
	if err != nil {
		return 0
	}
	size := 0
	_ = raw.Control(func(fd uintptr) {
		size, _ = unix.GetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_MAXSEG)
	})
	return size
}
