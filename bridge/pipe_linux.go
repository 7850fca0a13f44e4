package bridge

import (
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// A pipe holds bytes on their way from one socket to another, in the kernel.
type pipe struct {
	r, w int // file descriptors
}

const (
	// pipeSize is in bytes. A pipe has a slot for each fragment of a packet:
	// the default 16 would hold but 23 KiB of what comes over a network.
	pipeSize = 1 << 20
	// mostPipes bounds the pipes at once, two file descriptors each. A session
	// whose bytes move takes two, and a client that stalls keeps one; sessions
	// that get none copy.
	mostPipes = 256
	// keptPipes bounds those that are kept for later.
	keptPipes = 16
	// pipeRetry is the time until a pipe is asked for again after the kernel
	// has refused one: /proc/sys/fs/pipe-user-pages-soft bounds what a user
	// that is not root may have.
	pipeRetry = time.Second
)

// A pipePool is shared by all sessions: pipes are held while bytes move, and
// by no idle session.
type pipePool struct {
	mu      sync.Mutex
	free    []*pipe
	made    int
	refused time.Time // when the kernel last did
}

var pipes pipePool

// take returns an empty pipe, or nil if there is none to be had.
func (p *pipePool) take() *pipe {
	p.mu.Lock()
	defer p.mu.Unlock()
	if last := len(p.free) - 1; last >= 0 {
		taken := p.free[last]
		p.free = p.free[:last]
		return taken
	}
	if p.made >= mostPipes || time.Since(p.refused) < pipeRetry {
		return nil
	}
	made := newPipe()
	if made == nil {
		p.refused = time.Now()
		return nil
	}
	p.made++
	return made
}

func newPipe() *pipe {
	var fds [2]int
	if unix.Pipe2(fds[:], unix.O_CLOEXEC|unix.O_NONBLOCK) != nil {
		return nil
	}
	p := &pipe{r: fds[0], w: fds[1]}
	if _, err := unix.FcntlInt(uintptr(p.r), unix.F_SETPIPE_SZ, pipeSize); err != nil {
		p.close()
		return nil
	}
	return p
}

// put takes an empty pipe back.
func (p *pipePool) put(empty *pipe) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.free) < keptPipes {
		p.free = append(p.free, empty)
		return
	}
	p.made--
	empty.close()
}

// drop takes a pipe that may hold bytes: nobody may ever get those.
func (p *pipePool) drop(used *pipe) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.made--
	used.close()
}

func (p *pipe) close() {
	_ = unix.Close(p.r)
	_ = unix.Close(p.w)
}
