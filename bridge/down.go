package bridge

import "errors"

// A clientError is a client that could not be written to.
type clientError struct{ error }

// copyDown sends what the target says: a message is what is queued, and never
// waits for more. A slow client stalls the target's connection and nothing
// else.
func (s *session) copyDown() {
	err := s.carryDown()
	var client clientError
	if errors.As(err, &client) {
		s.abandon("the client is gone", client.error)
		return
	}
	s.targetEnded(err)
}

// sent counts what went to the client.
func (s *session) sent(n int) {
	s.down.Add(int64(n))
	s.moved.reset()
}

// smallRead is the size of the one buffer that is held while a session is idle,
// in bytes, and only if nothing tells when there is something to read.
const smallRead = 4 << 10

// copyReads is the way of all connections: each read is one message. A read
// that fills a small buffer is followed by larger ones.
func (s *session) copyReads() error {
	small := make([]byte, headroom+smallRead)
	for buf, n := small, 0; ; buf = s.nextBuffer(small, n) {
		var err error
		n, err = s.copyRead(buf)
		if len(buf) > len(small) {
			buffers.Put((*[headroom + bufferSize]byte)(buf))
		}
		if err != nil {
			return err
		}
	}
}

func (s *session) nextBuffer(small []byte, last int) []byte {
	if last < smallRead {
		return small
	}
	return takeBuffer()[:]
}

func (s *session) copyRead(buf []byte) (int, error) {
	n, err := s.target.Read(buf[headroom:])
	if n == 0 {
		return 0, err
	}
	if err := s.client.send(frame(binaryFrame, buf[:headroom+n])); err != nil {
		return n, clientError{err}
	}
	s.sent(n)
	return n, err
}
