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

// batchSize leaves room in a pipe for the headers.
const batchSize = pipeSize - 64<<10

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
	left   int    // and behind it, in bytes

	bulk bool                         // came last
	buf  *[headroom + bufferSize]byte // nil unless bytes were seen and are not sent
	seen int                          // of the queue's, in buf

	in, out *pipe // of what was taken, and of what goes out
	more    bool  // goes out after it

	step                 func(fd int) error // writes some of the frame
	err                  error              // of the last step
	broken               error              // of the target, which has not what it promised
	waiting              time.Time          // for the client to take the frame, since then
	attempt              func(fd uintptr) bool
	glance               func(fd uintptr) bool
	fillPipe             func(fd int, _ []byte) (int, error)
	copyStep, spliceStep func(fd int) error
}

func newSplicer(s *session, from *socket) *splicer {
	d := &splicer{session: s, from: from, to: s.client.socket}
	d.attempt, d.glance, d.fillPipe, d.copyStep, d.spliceStep = d.try, d.look, d.fill, d.copy, d.splice
	return d
}

func (d *splicer) run() error {
	defer d.blink()
	for !d.ended() {
		n, err := d.await()
		if err == nil {
			err = d.carry(n)
		}
		if err != nil {
			return err
		}
	}
	return net.ErrClosed
}

// await waits until something is queued, and tells how much at least. Where
// little came last it looks at the bytes instead of asking for their number: so
// a small reply takes one call less, twice. A Unix socket may hold what it shows
// to nobody.
func (d *splicer) await() (int, error) {
	if d.bulk || !d.from.tcp {
		n, err := d.from.await()
		d.bulk = n >= spliceFrom
		return n, err
	}
	if err := d.from.raw.Read(d.glance); err != nil {
		return 0, err
	}
	if d.bulk = d.seen >= spliceFrom; d.bulk {
		d.blink()
		return spliceFrom, nil
	}
	return d.seen, d.err
}

// look takes a buffer for as long as there is something to see.
func (d *splicer) look(fd uintptr) bool {
	d.buf = takeBuffer()
	d.seen, d.err = peekBytes(int(fd), d.buf[headroom:headroom+spliceFrom])
	if d.seen == 0 && d.err == nil {
		d.err = io.EOF
	}
	if d.err != nil {
		d.seen = 0
		d.blink()
	}
	return d.err != unix.EAGAIN
}

// blink gives the buffer back.
func (d *splicer) blink() {
	if d.buf != nil {
		buffers.Put(d.buf)
		d.buf, d.seen = nil, 0
	}
}

// carry sends what is queued, n bytes at least.
func (d *splicer) carry(n int) error {
	if n >= spliceFrom && d.takePipes() {
		return d.sendBatch(n)
	}
	return d.send(min(n, largestFrame))
}

// takePipes tells whether there are pipes to be had.
func (d *splicer) takePipes() bool {
	if d.unable {
		return false
	}
	d.in, d.out = pipes.take(), pipes.take()
	if d.in != nil && d.out != nil {
		return true
	}
	d.leavePipes(pipes.put)
	return false
}

// leavePipes gives back the pipes that are still held.
func (d *splicer) leavePipes(how func(*pipe)) {
	for _, p := range []**pipe{&d.in, &d.out} {
		if *p != nil {
			how(*p)
			*p = nil
		}
	}
}

// sendBatch takes what the target has said, cuts it into frames, and sends them
// together: a turn at a socket costs more than many frames.
func (d *splicer) sendBatch(queued int) error {
	n, err := d.from.do(d.fillPipe, nil)
	if err != nil {
		d.leavePipes(pipes.put)
		d.unable = true
		d.detour()
		return d.send(min(queued, largestFrame))
	}
	d.spliced.Add(int64(n))
	if err := d.sendFrames(n); err != nil {
		d.leavePipes(pipes.drop)
		return err
	}
	d.leavePipes(pipes.put)
	d.session.sent(n)
	return nil
}

func (d *splicer) fill(fd int, _ []byte) (int, error) {
	return spliceBytes(fd, d.in.w, batchSize, 0)
}

// sendFrames sends the n bytes that are in the first pipe, which it gives back
// when they have left it: a client that stalls holds one pipe.
func (d *splicer) sendFrames(n int) error {
	if err := d.client.claim(); err != nil {
		return clientError{err}
	}
	defer d.client.release()
	for frame := 0; n > 0; {
		var err error
		n, frame, err = d.compose(n, frame)
		if err == nil && d.left == 0 {
			err = io.ErrNoProgress
		}
		if err != nil {
			d.client.shut = true
			return err
		}
		if d.more = n > 0; !d.more {
			pipes.put(d.in)
			d.in = nil
		}
		if err := d.push(d.spliceStep); err != nil {
			d.client.shut = true
			return clientError{err}
		}
	}
	return nil
}

// compose moves bytes from the first pipe to the second, with the header of
// each frame in front of it, until one is empty or the other full. It takes and
// returns what is left in the first, and of the frame under way.
func (d *splicer) compose(n, frame int) (int, int, error) {
	for n > 0 {
		if frame == 0 {
			size := min(n, largestFrame)
			m, err := unix.Write(d.out.w, appendHeader(d.header[:0], binaryFrame, size))
			if err != nil {
				return n, 0, unlessFull(err)
			}
			frame, d.left = size, d.left+m
		}
		m, err := spliceBytes(d.in.r, d.out.w, frame, 0)
		if m <= 0 {
			return n, frame, unlessFull(err)
		}
		n, frame, d.left = n-m, frame-m, d.left+m
	}
	return n, frame, nil
}

func unlessFull(err error) error {
	if err == unix.EAGAIN {
		return nil
	}
	return err
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

// send copies one frame of n bytes.
func (d *splicer) send(n int) error {
	if err := d.client.claim(); err != nil {
		return clientError{err}
	}
	defer d.client.release()
	d.head, d.left = appendHeader(d.header[:0], binaryFrame, n), n
	whole := len(d.head) + n
	err := d.push(d.copyStep)
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

// splice sends what is in the second pipe.
func (d *splicer) splice(fd int) error {
	flags := 0
	if d.more {
		flags = unix.SPLICE_F_MORE
	}
	for d.left > 0 {
		n, err := spliceBytes(d.out.r, fd, d.left, flags)
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
	if d.buf == nil {
		d.buf = takeBuffer()
	}
	defer d.blink()
	for d.left > 0 {
		var err error
		p := d.buf[:headroom+min(d.left, bufferSize)]
		if len(p) > headroom+d.seen {
			err = d.take(peekBytes, p[headroom:])
		}
		d.seen = 0
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
