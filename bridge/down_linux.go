package bridge

import (
	"io"
	"net"
)

// carryDown carries what the target says until either side ends, by the best
// way that the two connections allow.
func (s *session) carryDown() error {
	switch {
	case s.way() == pathSplice:
		return newSplicer(s, s.source).run()
	case s.source != nil:
		return s.copyQueued(s.source)
	}
	return s.copyReads()
}

// copyQueued is the way to a client whose connection encrypts: nothing is held
// while the target is silent.
func (s *session) copyQueued(target *socket) error {
	for !s.ended() {
		n, err := target.await()
		if err != nil {
			return err
		}
		if err := s.copyFrame(target, min(n, largestFrame)); err != nil {
			return err
		}
	}
	return net.ErrClosed
}

// copyFrame sends n bytes that are queued as one message.
func (s *session) copyFrame(target *socket, n int) error {
	if err := s.client.claim(); err != nil {
		return clientError{err}
	}
	defer s.client.release()
	buf := takeBuffer()
	defer buffers.Put(buf)
	head := appendHeader(nil, binaryFrame, n)
	for n > 0 {
		m, err := target.do(readBytes, buf[headroom:headroom+min(n, bufferSize)])
		if err == nil && m == 0 {
			err = io.ErrUnexpectedEOF
		}
		if err != nil { // a message may be promised that can't be kept
			s.client.shut = head == nil
			return err
		}
		if err := s.client.write(prepend(head, buf[:headroom+m])); err != nil {
			return clientError{err}
		}
		head, n = nil, n-m
		s.sent(m)
	}
	return nil
}
