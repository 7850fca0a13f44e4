package bridge

import (
	"io"
	"net"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A socket is a kernel's stream socket, TCP or Unix, used without waiting and
// whatever the deadlines of its connection. One goroutine at a time uses it.
//
// RawConn wants functions; they are made once, and what they work on lies in
// the fields, so that no call allocates.
type socket struct {
	raw syscall.RawConn
	tcp bool

	op  func(fd int, p []byte) (int, error)
	p   []byte
	n   int
	err error

	control func(fd uintptr)
	ready   func(fd uintptr) bool
}

// newSocket is nil if there is no socket right beneath the connection.
func newSocket(c net.Conn) *socket {
	s := &socket{}
	var err error
	switch c := c.(type) {
	case *net.TCPConn:
		s.tcp = true
		s.raw, err = c.SyscallConn()
	case *net.UnixConn:
		s.raw, err = c.SyscallConn()
	default:
		return nil
	}
	if err != nil {
		return nil
	}
	s.control = func(fd uintptr) { s.n, s.err = s.op(int(fd), s.p) }
	s.ready = func(fd uintptr) bool {
		s.n, s.err = queued(int(fd))
		return s.err != unix.EAGAIN
	}
	return s
}

// unsentBytes is what the kernel takes for a client beyond what is on its way
// already, in bytes: more would only wait there.
const unsentBytes = 4 << 20

// clientSocket finds the socket beneath a client's connection. A wrapper that
// is over once it has looked at the first bytes shows it by a method Raw.
func clientSocket(c net.Conn) *socket {
	if wrapper, ok := c.(interface{ Raw() net.Conn }); ok {
		c = wrapper.Raw()
	}
	s := newSocket(c)
	if s != nil && s.tcp {
		_, _ = s.do(boundUnsent, nil)
	}
	return s
}

func boundUnsent(fd int, _ []byte) (int, error) {
	return 0, unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NOTSENT_LOWAT, unsentBytes)
}

// do runs an operation on the socket.
func (s *socket) do(op func(fd int, p []byte) (int, error), p []byte) (int, error) {
	s.op, s.p = op, p
	err := s.raw.Control(s.control)
	s.p = nil
	if err != nil {
		return 0, err
	}
	return s.n, s.err
}

// await waits until something is queued, and tells how many bytes; io.EOF
// after the last one. The connection's read deadline ends it.
func (s *socket) await() (int, error) {
	if err := s.raw.Read(s.ready); err != nil {
		return 0, err
	}
	return s.n, s.err
}

// queued is EAGAIN while there is nothing to read.
//
// At an urgent byte, which TCP has and NBD has not, the queue counts as empty
// whatever stands behind it. Reading steps over that byte, and so finds one
// more at least.
func queued(fd int) (int, error) {
	n, err := unix.IoctlGetInt(fd, unix.TIOCINQ)
	if n > 0 || err != nil {
		return n, err
	}
	var one [1]byte
	found, err := peekBytes(fd, one[:])
	if err != nil {
		return 0, err
	}
	if found == 0 {
		return 0, io.EOF
	}
	n, err = unix.IoctlGetInt(fd, unix.TIOCINQ)
	return max(n, found), err
}

func peekBytes(fd int, p []byte) (int, error) { return receive(fd, p, unix.MSG_PEEK) }

func readBytes(fd int, p []byte) (int, error) { return receive(fd, p, 0) }

// dropBytes reads what need not be looked at: TCP does not even copy it.
func dropBytes(fd int, p []byte) (int, error) { return receive(fd, p, unix.MSG_TRUNC) }

// receive asks for no address: unix.Recvfrom would allocate room for one.
func receive(fd int, p []byte, flags int) (int, error) {
	for {
		n, _, err := unix.Syscall6(unix.SYS_RECVFROM, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(p))),
			uintptr(len(p)), uintptr(flags|unix.MSG_DONTWAIT), 0, 0)
		switch err {
		case 0:
			return int(n), nil
		case unix.EINTR:
		default:
			return 0, err
		}
	}
}

func transmit(fd int, p []byte, flags int) (int, error) {
	for {
		n, err := unix.SendmsgN(fd, p, nil, nil, flags|unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL)
		if err != unix.EINTR {
			return n, err
		}
	}
}
