//go:build linux

package main

import (
	"encoding/binary"
	"fmt"
	"io"
	"time"
)

// A stream is requests and replies of one session, so many in flight. Each
// request is a message of its own, and sent as soon as a reply has come.
type stream struct {
	client  *client
	request []byte
	reply   []byte
	sent    []time.Time // by cookie, modulo its length
	next    uint64      // cookie
	await   uint64      // cookie; the source answers in order
}

// requests measures for a time, after a fifth of it to warm up.
func requests(t task) (sample, error) {
	c, err := connect(t.Endpoint, t.MSS)
	if err != nil {
		return sample{}, err
	}
	defer c.conn.Close()
	s := &stream{client: c, request: make([]byte, requestSize), reply: make([]byte, replyHeader), sent: make([]time.Time, t.Depth)}
	if err := s.open(); err != nil {
		return sample{}, err
	}
	if _, err := s.run(t.Time / 5); err != nil {
		return sample{}, err
	}
	m := startMeter(t)
	took, err := s.run(t.Time)
	if err != nil {
		return sample{}, err
	}
	result, passed := m.stop()
	result.Requests = float64(len(took))
	result.IOPS = result.Requests / passed.Seconds()
	result.P50, result.P99 = percentile(took, 50).Seconds(), percentile(took, 99).Seconds()
	result.Segment = segment(c.conn)
	return result, nil
}

func (s *stream) open() error {
	if err := s.client.send(newOrder(orderRequests, 0)); err != nil {
		return err
	}
	for range s.sent {
		if err := s.ask(); err != nil {
			return err
		}
	}
	return nil
}

// run keeps the requests going and returns what each one took.
func (s *stream) run(d time.Duration) ([]time.Duration, error) {
	took := make([]time.Duration, 0, 1<<20)
	for end := time.Now().Add(d); ; {
		latency, now, err := s.take()
		if err != nil {
			return nil, err
		}
		took = append(took, latency)
		if err := s.ask(); err != nil {
			return nil, err
		}
		if now.After(end) {
			return took, nil
		}
	}
}

func (s *stream) ask() error {
	binary.BigEndian.PutUint64(s.request[requestSize-8:], s.next)
	s.sent[s.next%uint64(len(s.sent))] = time.Now()
	s.next++
	return s.client.send(s.request)
}

// take reads one reply and holds it to its cookie, so that a contender that
// loses or garbles bytes is found out.
func (s *stream) take() (time.Duration, time.Time, error) {
	if _, err := io.ReadFull(s.client, s.reply); err != nil {
		return 0, time.Time{}, err
	}
	if got := binary.BigEndian.Uint64(s.reply[replyHeader-8:]); got != s.await {
		return 0, time.Time{}, fmt.Errorf("the reply to request %d came where %d's was due", got, s.await)
	}
	err := s.client.discard(replySize - replyHeader)
	now := time.Now()
	latency := now.Sub(s.sent[s.await%uint64(len(s.sent))])
	s.await++
	return latency, now, err
}
