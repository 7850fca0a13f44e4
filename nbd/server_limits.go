package nbd

import (
	"io"
	"net"
	"sync"
	"time"
)

// Limits of the server's negotiation.
const (
	serverHandshakeTimeout = 30 * time.Second // of one whole negotiation
	serverMaxOptions       = 1024             // in one negotiation, counted anew inside TLS
	serverMaxOptionData    = 64 << 10         // bytes of one option that are looked at
	serverMaxOptionSkip    = 16 << 20         // bytes of one option that are read at all
	serverMaxNegotiation   = 64 << 20         // bytes of all the options
	serverAcceptPause      = time.Second / 5  // before it tries again, without descriptors
)

// Limits of the server's transmission.
const (
	serverFarewellTimeout = 10 * time.Second // for the replies under way at DISC
	serverMaxPayload      = defaultMaxPayload
	serverMaxRequests     = 16       // of one connection, under way at once
	serverMaxInFlight     = 64 << 20 // bytes of one connection's requests under way
	serverMaxText         = 256      // bytes of an error's text

	// A client may rest between requests for as long as it likes. Amid one,
	// and amid a reply, each piece has to get through in this time.
	serverStallTimeout = 60 * time.Second
	serverPiece        = 64 << 10  // bytes of a request
	serverSendPiece    = 256 << 10 // bytes of a reply
)

// A pace ends the connection of a client that stops in the middle: one that
// leaves a request unfinished, or does not read its replies.
type pace struct {
	raw net.Conn

	mu      sync.Mutex
	leaving bool // the farewell has one time limit for all that is left
}

// reading gives the next piece of a request its time.
func (p *pace) reading() { _ = p.raw.SetReadDeadline(time.Now().Add(serverStallTimeout)) }

// resting lets the client think about its next request.
func (p *pace) resting() { _ = p.raw.SetReadDeadline(time.Time{}) }

// writing gives the next piece of a reply its time.
func (p *pace) writing() { p.writeUntil(time.Now().Add(serverStallTimeout)) }

// written ends it: TLS writes too while the client rests, to answer a key
// update.
func (p *pace) written() { p.writeUntil(time.Time{}) }

func (p *pace) writeUntil(when time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.leaving {
		_ = p.raw.SetWriteDeadline(when)
	}
}

func (p *pace) farewell() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.leaving = true
	_ = p.raw.SetDeadline(time.Now().Add(serverFarewellTimeout))
}

// A pacedReader reads what is known to be on its way.
type pacedReader struct {
	io.Reader
	pace *pace
}

// fill reads all of b.
func (r *pacedReader) fill(b []byte) error {
	for len(b) > 0 {
		r.pace.reading()
		n, err := io.ReadFull(r.Reader, b[:min(len(b), serverPiece)])
		if err != nil {
			return err
		}
		b = b[n:]
	}
	return nil
}

// skip drains n bytes.
func (r *pacedReader) skip(n uint64) error {
	scratch := make([]byte, min(n, serverPiece))
	for n > 0 {
		piece := scratch[:min(n, serverPiece)]
		if err := r.fill(piece); err != nil {
			return err
		}
		n -= uint64(len(piece))
	}
	return nil
}
