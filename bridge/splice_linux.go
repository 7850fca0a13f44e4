package bridge

import (
	"io"
	"net"
	"time"

	"golang.org/x/sys/unix"
)

// spliceFrom is the number of bytes from which splicing costs less than
// copying.
const spliceFrom = 32 << 10

// A splicer carries what a target says from socket to socket. Larger amounts
// go through a pipe and never enter user space; smaller ones are copied from
// the target's queue, where they stay until the client's has them. So a client
// that stalls holds no buffer.
type splicer struct {
	*session
	from, to *socket
	unable   bool // to splice: the kernel says so

	header [headroom]byte
	head   []byte // what is still to be sent of the header
	left   int    // and of the payload, in bytes
	pipe   *pipe  // that holds it
	more   bool   // another frame follows at once

	step                 func(fd int) error // writes some of the frame
	err                  error              // of the last step
	broken               error              // of the target, which has not what it promised
	waiting              time.Time          // for the client to take the frame, since then
	attempt              func(fd uintptr) bool
	fillPipe             func(fd int, _ []byte) (int, error)
	copyStep, spliceStep func(fd int) error
}

func newSplicer(s *session, from *socket) *splicer {
	d := &splicer{session: s, from: from, to: s.client.socket}
	d.attempt, d.fillPipe, d.copyStep, d.spliceStep = d.try, d.fill, d.copy, d.splice
	return d
}

func (d *splicer) run() error {
	for !d.ended() {
		n, err := d.from.await()
		if err == nil {
			err = d.carry(n)
		}
		if err != nil {
			return err
		}
	}
	return net.ErrClosed
}

// carry sends what is queued, n bytes at least.
func (d *splicer) carry(n int) error {
	if n >= spliceFrom && !d.unable {
		if d.pipe = pipes.take(); d.pipe != nil {
			return d.sendBatch(n)
		}
	}
	return d.send(min(n, largestFrame), d.copyStep)
}

// sendBatch fills the pipe once, and cuts what it got into frames.
func (d *splicer) sendBatch(queued int) error {
	n, err := d.from.do(d.fillPipe, nil)
	if err != nil {
		pipes.put(d.pipe)
		d.unable = true
		d.detour()
		return d.send(min(queued, largestFrame), d.copyStep)
	}
	for n > 0 && err == nil {
		size := min(n, largestFrame)
		n -= size
		d.more = n > 0
		d.spliced.Add(int64(size))
		err = d.send(size, d.spliceStep)
	}
	if err != nil {
		pipes.drop(d.pipe)
		return err
	}
	pipes.put(d.pipe)
	return nil
}

func (d *splicer) fill(fd int, _ []byte) (int, error) {
	return spliceBytes(fd, d.pipe.w, pipeSize, 0)
}

// splice is replaced in tests, by a kernel that can't.
var splice = unix.Splice

func spliceBytes(from, to, n, flags int) (int, error) {
	for {
		m, err := splice(from, nil, to, nil, n, flags|unix.SPLICE_F_MOVE|unix.SPLICE_F_NONBLOCK)
		if err != unix.EINTR {
			return int(m), err
		}
	}
}

// send sends one frame of n bytes by steps.
func (d *splicer) send(n int, step func(fd int) error) error {
	if err := d.client.claim(); err != nil {
		return clientError{err}
	}
	defer d.client.release()
	d.head, d.left = appendHeader(d.header[:0], binaryFrame, n), n
	whole := len(d.head) + n
	err := d.push(step)
	if err == nil {
		d.session.sent(n)
		return nil
	}
	d.client.shut = d.broken == nil || len(d.head)+d.left < whole
	if d.broken != nil {
		return d.broken
	}
	return clientError{err}
}

// push takes steps until the frame is out.
func (d *splicer) push(step func(fd int) error) error {
	d.step = step
	err := d.to.raw.Write(d.attempt)
	if !d.waiting.IsZero() {
		d.client.blocked.Store(false)
		d.handler.metrics.waited(sideClient, time.Since(d.waiting))
		d.waiting = time.Time{}
		if err == nil {
			d.client.heard.reset()
		}
	}
	if err != nil {
		return err
	}
	return d.err
}

func (d *splicer) try(fd uintptr) bool {
	before := len(d.head) + d.left
	d.err = d.step(int(fd))
	if d.err != unix.EAGAIN {
		return true
	}
	d.wait(len(d.head)+d.left < before)
	return false
}

// wait counts what a client took that was waited for as a sign of life.
func (d *splicer) wait(moved bool) {
	if moved {
		d.session.moved.reset()
	}
	if d.waiting.IsZero() {
		d.waiting = time.Now()
		d.client.block()
	} else if moved {
		d.client.took()
	}
}

// splice sends from the pipe. The header waits in the kernel for its payload,
// so that both travel in one packet.
func (d *splicer) splice(fd int) error {
	for len(d.head) > 0 {
		n, err := transmit(fd, d.head, unix.MSG_MORE)
		if err != nil {
			return err
		}
		d.head = d.head[n:]
	}
	flags := 0
	if d.more {
		flags = unix.SPLICE_F_MORE
	}
	for d.left > 0 {
		n, err := spliceBytes(d.pipe.r, fd, d.left, flags)
		if err == nil && n == 0 {
			err = io.ErrUnexpectedEOF
		}
		if err != nil {
			return err
		}
		d.left -= n
	}
	return nil
}

// copy sends from the target's queue, and takes from it what the client's has
// got.
func (d *splicer) copy(fd int) error {
	buf := takeBuffer()
	defer buffers.Put(buf)
	for d.left > 0 {
		p := buf[:headroom+min(d.left, bufferSize)]
		err := d.take(peekBytes, p[headroom:])
		if err == nil {
			err = d.copySome(fd, prepend(d.head, p))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// copySome sends p, which begins with what is left of the header.
func (d *splicer) copySome(fd int, p []byte) error {
	n, err := transmit(fd, p, 0)
	if err != nil {
		return err
	}
	head := min(n, len(d.head))
	d.head, d.left = d.head[head:], d.left-(n-head)
	return d.take(dropBytes, p[:n-head])
}

// take reads all of p from the target's queue, where it must be. What a Unix
// socket counts may hold less: urgent data, or bytes that come with a file.
func (d *splicer) take(op func(fd int, p []byte) (int, error), p []byte) error {
	if len(p) == 0 {
		return nil
	}
	n, err := d.from.do(op, p)
	if err == unix.EAGAIN || err == nil && n < len(p) {
		err = io.ErrUnexpectedEOF
	}
	d.broken = err
	return err
}
