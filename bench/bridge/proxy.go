//go:build linux

package main

import (
	"io"
	"net"
	"sync"
)

// proxyMain is the plain proxy: it relays LISTEN to TARGET, and knows nothing
// else. Go's io.Copy splices between two TCP connections.
func proxyMain(args []string) error {
	l, err := listen(args[0], 0)
	if err != nil {
		return err
	}
	for {
		c, err := l.Accept()
		if err != nil {
			return err
		}
		go proxySession(c.(*net.TCPConn), args[1])
	}
}

func proxySession(client *net.TCPConn, address string) {
	defer client.Close()
	target, err := dial(address, 0)
	if err != nil {
		return
	}
	defer target.Close()
	var both sync.WaitGroup
	both.Go(func() { proxyHalf(client, target) })
	both.Go(func() { proxyHalf(target, client) })
	both.Wait()
}

func proxyHalf(to, from *net.TCPConn) {
	_, _ = io.Copy(to, from)
	_ = to.CloseWrite()
}
