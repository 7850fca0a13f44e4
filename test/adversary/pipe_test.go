package adversary

import (
	"io"
	"net"
	"os"
	"sync"
	"time"
)

// room is what one direction of a connection holds, in bytes. net.Pipe holds
// nothing, and two ends that fail at once would wait for each other.
const room = 1 << 20

// A lane is one direction of a connection in memory.
type lane struct {
	mu          sync.Mutex
	changed     *sync.Cond
	data        []byte
	ended, left bool // by its writer, by its reader
	read, write deadline
}

// A deadline is like that of a net.Conn.
type deadline struct {
	timer *time.Timer
	past  bool
}

// An end is a net.Conn of two lanes.
type end struct{ in, out *lane }

func newLane() *lane {
	l := &lane{}
	l.changed = sync.NewCond(&l.mu)
	return l
}

func newPipe() (a, b net.Conn) {
	there, back := newLane(), newLane()
	return &end{in: back, out: there}, &end{in: there, out: back}
}

func (l *lane) Read(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for {
		switch {
		case l.left:
			return 0, net.ErrClosed
		case l.read.past:
			return 0, os.ErrDeadlineExceeded
		case len(l.data) > 0:
			n := copy(p, l.data)
			l.data = l.data[n:]
			l.changed.Broadcast()
			return n, nil
		case l.ended:
			return 0, io.EOF
		}
		l.changed.Wait()
	}
}

func (l *lane) Write(p []byte) (n int, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for {
		switch {
		case l.ended:
			return n, net.ErrClosed
		case l.left:
			return n, io.ErrClosedPipe
		case l.write.past:
			return n, os.ErrDeadlineExceeded
		}
		m := min(len(p)-n, room-len(l.data))
		l.data = append(l.data, p[n:n+m]...)
		n += m
		l.changed.Broadcast()
		if n == len(p) {
			return n, nil
		}
		l.changed.Wait()
	}
}

func (l *lane) close(which *bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	*which = true
	for _, d := range []*deadline{&l.read, &l.write} {
		if d.timer != nil {
			d.timer.Stop()
		}
	}
	l.changed.Broadcast()
}

func (l *lane) setDeadline(d *deadline, at time.Time) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if d.timer != nil {
		d.timer.Stop()
	}
	*d = deadline{past: !at.IsZero() && !at.After(time.Now())}
	if !at.IsZero() && !d.past {
		var timer *time.Timer
		timer = time.AfterFunc(time.Until(at), func() {
			l.mu.Lock()
			defer l.mu.Unlock()
			d.past = d.past || d.timer == timer
			l.changed.Broadcast()
		})
		d.timer = timer
	}
	l.changed.Broadcast()
	return nil
}

func (e *end) Read(p []byte) (int, error)         { return e.in.Read(p) }
func (e *end) Write(p []byte) (int, error)        { return e.out.Write(p) }
func (e *end) SetReadDeadline(t time.Time) error  { return e.in.setDeadline(&e.in.read, t) }
func (e *end) SetWriteDeadline(t time.Time) error { return e.out.setDeadline(&e.out.write, t) }
func (e *end) LocalAddr() net.Addr                { return &net.UnixAddr{} }
func (e *end) RemoteAddr() net.Addr               { return &net.UnixAddr{} }

func (e *end) SetDeadline(t time.Time) error {
	_ = e.SetReadDeadline(t)
	return e.SetWriteDeadline(t)
}

// finish ends the lane out alone.
func (e *end) finish() { e.out.close(&e.out.ended) }

// Close ends both lanes; what was written before still arrives.
func (e *end) Close() error {
	e.in.close(&e.in.left)
	e.out.close(&e.out.ended)
	return nil
}
