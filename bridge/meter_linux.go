package bridge

import (
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// A meter tells whether a client on a slow line takes what waits for it in our
// kernel. That may be megabytes, and hours go by until a ping behind them is
// answered; and the kernel wants a third of them gone before it takes more.
type meter struct {
	raw   syscall.RawConn
	acked uint64 // bytes at the last look
	last  uint64 // of those that were queued then
}

// newMeter is nil if the connection is not TCP, whatever it is wrapped in.
func newMeter(c net.Conn) *meter {
	if secure, ok := c.(interface{ NetConn() net.Conn }); ok {
		c = secure.NetConn()
	}
	if wrapper, ok := c.(interface{ Raw() net.Conn }); ok {
		c = wrapper.Raw()
	}
	tcp, ok := c.(*net.TCPConn)
	if !ok {
		return nil
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return nil
	}
	return &meter{raw: raw}
}

// advances tells whether part of what was queued at the last look, and not all
// of it, has been acknowledged since. A client that does keep up is heard
// otherwise: if its kernel alone lives, that acknowledges what fits in there.
func (m *meter) advances() (yes bool) {
	if m == nil {
		return false
	}
	_ = m.raw.Control(func(fd uintptr) { yes = m.look(int(fd)) })
	return yes
}

func (m *meter) look(fd int) bool {
	info, err := unix.GetsockoptTCPInfo(fd, unix.IPPROTO_TCP, unix.TCP_INFO)
	if err != nil {
		return false
	}
	waiting, err := unix.IoctlGetInt(fd, unix.TIOCOUTQ)
	if err != nil {
		return false
	}
	acked := info.Bytes_acked
	yes := acked > m.acked && acked < m.last
	m.acked, m.last = acked, acked+uint64(waiting)
	return yes
}
