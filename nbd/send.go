package nbd

import (
	"fmt"
	"time"
)

// sendBatch is how many bytes of small requests go out in one write, and so in
// one TLS record and one WebSocket message.
const sendBatch = 16 << 10

// send owns the sending side. It writes what is queued, never waiting for
// more, and the goodbye when the disk is to be closed and nothing is pending.
func (d *Disk) send() {
	batch := make([]byte, 0, sendBatch)
	for {
		requests, goodbye := d.next()
		if goodbye {
			d.disconnect()
			return
		}
		if requests == nil {
			return
		}
		if err := d.writeAll(batch, requests); err != nil {
			d.fail(fmt.Errorf("nbd: sending requests: %w", err))
			return
		}
	}
}

// next waits for work: requests to send, or the time to say goodbye. Neither
// means that the connection has ended.
func (d *Disk) next() (requests []*request, goodbye bool) {
	for {
		d.mu.Lock()
		requests, d.queue = d.queue, nil
		for _, r := range requests {
			d.sentLocked(r)
		}
		goodbye = d.parting != nil && len(d.pending) == 0
		d.mu.Unlock()
		if requests != nil || goodbye {
			return requests, goodbye
		}
		select {
		case <-d.wake:
		case <-d.ended:
			return nil, false
		}
	}
}

// writeAll sends small requests together and large ones alone.
func (d *Disk) writeAll(batch []byte, requests []*request) error {
	for _, r := range requests {
		frame := r.frame
		r.frame = nil
		if len(batch)+len(frame) <= sendBatch {
			batch = append(batch, frame...)
			continue
		}
		if err := d.flushBatch(batch); err != nil {
			return err
		}
		batch = batch[:0]
		if len(frame) <= sendBatch {
			batch = append(batch, frame...)
		} else if err := d.flushBatch(frame); err != nil {
			return err
		}
	}
	return d.flushBatch(batch)
}

func (d *Disk) flushBatch(b []byte) error {
	if len(b) == 0 {
		return nil
	}
	defer d.watchWrite()()
	_, err := d.conn.Write(b)
	return err
}

// watchWrite bounds one write like the answer to a request: a server that
// answers what it has not read would else stop us for ever by reading nothing.
func (d *Disk) watchWrite() (stop func()) {
	if d.patience <= 0 {
		return func() {}
	}
	stuck := time.AfterFunc(d.patience, func() {
		d.fail(fmt.Errorf("%w: it has not taken one for %v", ErrRequestTimeout, d.patience))
	})
	return func() { stuck.Stop() }
}

// disconnect sends NBD_CMD_DISC, which has no reply, and closes, TLS first. A
// server that went away meanwhile is no error of ours, and one that does not
// read is not waited for.
func (d *Disk) disconnect() {
	d.mu.Lock()
	if d.cause == nil { // before DISC, which makes the server hang up
		d.cause = d.parting
	}
	d.mu.Unlock()
	stuck := time.AfterFunc(closeTimeout, func() { d.raw.Close() })
	defer stuck.Stop()
	goodbye := &request{cmd: cmdDisc}
	goodbye.encode(d.framing)
	_ = d.flushBatch(goodbye.frame)
	d.conn.Close()
}
