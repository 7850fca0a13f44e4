//go:build linux

package main

import (
	"errors"
	"time"
)

// Traffic of each session before it idles, in bytes.
const (
	idleDown = 256 << 10
	idleUp   = 64 << 10
)

// openers open sessions at the same time.
const openers = 8

// idle measures the memory of sessions that have had traffic and rest.
func idle(t task) (sample, error) {
	if _, err := raiseFiles(); err != nil {
		return sample{}, err
	}
	before, err := baseline(t)
	if err != nil {
		return sample{}, err
	}
	clients, err := openMany(t)
	defer closeAll(clients)
	if err != nil {
		return sample{}, err
	}
	after, err := settle(t.Group)
	return perSession(before, after, t.Sessions), err
}

// baseline is the contender's memory after the first session has come and gone.
func baseline(t task) (memory, error) {
	c, err := openUsed(t)
	if err != nil {
		return memory{}, err
	}
	c.conn.Close()
	return settle(t.Group)
}

func perSession(before, after memory, n int) sample {
	return sample{
		RSS: float64(after.RSS-before.RSS) / float64(n), PSS: float64(after.PSS-before.PSS) / float64(n), Sessions: n,
	}
}

// openUsed opens a session and has traffic on it both ways.
func openUsed(t task) (*client, error) {
	c, err := connect(t.Endpoint, t.MSS)
	if err != nil {
		return nil, err
	}
	if err := errors.Join(c.down(idleDown), c.up(idleUp)); err != nil {
		c.conn.Close()
		return nil, err
	}
	c.rest()
	return c, nil
}

// openMany returns those that it has opened, also with an error.
func openMany(t task) (clients []*client, failed error) {
	type opening struct {
		client *client
		err    error
	}
	slots, done := make(chan struct{}, openers), make(chan opening, t.Sessions)
	for range t.Sessions {
		slots <- struct{}{}
		go func() {
			c, err := openUsed(t)
			done <- opening{c, err}
			<-slots
		}()
	}
	for range t.Sessions {
		if o := <-done; o.err != nil {
			failed = o.err
		} else {
			clients = append(clients, o.client)
		}
	}
	return clients, failed
}

func closeAll(clients []*client) {
	for _, c := range clients {
		c.conn.Close()
	}
}

// stalled measures what sessions cost whose clients take nothing while the
// source sends all it can, and what another session gets beside them.
func stalled(t task) (sample, error) {
	clients, err := openMany(t)
	defer closeAll(clients)
	if err != nil {
		return sample{}, err
	}
	other, err := openUsed(t)
	if err != nil {
		return sample{}, err
	}
	defer other.conn.Close()
	free, err := rates(other, t.Bytes)
	if err != nil {
		return sample{}, err
	}
	before, err := settle(t.Group)
	if err != nil {
		return sample{}, err
	}
	kernel := tcpMemory()
	if err := stall(clients); err != nil {
		return sample{}, err
	}
	after, err := settle(t.Group)
	if err != nil {
		return sample{}, err
	}
	s := perSession(before, after, t.Sessions)
	s.Kernel, s.Before = float64(tcpMemory()-kernel)/float64(t.Sessions), free
	s.Rate, err = rates(other, t.Bytes)
	return s, err
}

// stallBytes is more than all queues on the way hold, and less than would hurt
// this machine where a contender keeps everything.
const stallBytes = 128 << 20

// stalledKernel is what a stalled session takes of the kernel's memory at most:
// about 28 MiB were seen, in the queues of four sockets.
const stalledKernel = 28 << 20

// stalledSessions is how many the kernel holds at ease, at most 40.
func stalledSessions() int { return int(min(40, max(2, tcpEase()/stalledKernel))) }

// stall asks each session for stallBytes, and takes none of it.
func stall(clients []*client) error {
	for _, c := range clients {
		if err := c.send(newOrder(orderDown, stallBytes)); err != nil {
			return err
		}
	}
	time.Sleep(2 * time.Second) // every queue on the way fills up
	return nil
}

// rates is the median of a few downloads, in bytes per second.
func rates(c *client, n int64) (float64, error) {
	var all []float64
	for range 5 {
		start := time.Now()
		if err := c.down(n); err != nil {
			return 0, err
		}
		all = append(all, float64(n)/time.Since(start).Seconds())
	}
	return spreadOf(all).median, nil
}
