package ticket

import (
	"container/heap"
	"errors"
	"fmt"
	"sync"
	"time"
)

// MaxUsed is how many used tickets a Once remembers at a time.
const MaxUsed = 1 << 16

var (
	errUsed = errors.New("the ticket was used before: the client must get a fresh one for each connection")
	errLate = errors.New("the ticket expired while it was checked: the client must get a fresh one")
	errNoID = errors.New("the ticket has no jti, and this bridge takes each ticket once: the issuer must give it one")
	errFull = fmt.Errorf("%d used tickets are remembered and none has expired, so no more can be taken: the issuer should give them a shorter life", MaxUsed)
)

// Once remembers the IDs of tickets until they expire, at most MaxUsed of them:
// when it is full it refuses, and never forgets what could be used again. It
// outlives a Verifier, so that a changed configuration forgets nothing. The zero
// value is ready, and safe for concurrent use.
type Once struct {
	mu    sync.Mutex
	ids   map[string]struct{}
	queue expiries
}

// use succeeds for one caller of each ID.
func (o *Once) use(c Claims) error {
	if c.ID == "" {
		return errNoID
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	now, until := time.Now(), c.Expires.Add(Leeway)
	if !now.Before(until) { // since it was verified: its ID may be forgotten already
		return errLate
	}
	o.forget(now)
	if _, used := o.ids[c.ID]; used {
		return errUsed
	}
	if len(o.queue) >= MaxUsed {
		return errFull
	}
	if o.ids == nil {
		o.ids = map[string]struct{}{}
	}
	o.ids[c.ID] = struct{}{}
	heap.Push(&o.queue, use{c.ID, until})
	return nil
}

// forget drops what no Verifier accepts any more.
func (o *Once) forget(now time.Time) {
	for len(o.queue) > 0 && !now.Before(o.queue[0].until) {
		delete(o.ids, heap.Pop(&o.queue).(use).id)
	}
}

type use struct {
	id    string
	until time.Time
}

// expiries is a heap, the first to expire in front.
type expiries []use

func (e expiries) Len() int           { return len(e) }
func (e expiries) Less(i, j int) bool { return e[i].until.Before(e[j].until) }
func (e expiries) Swap(i, j int)      { e[i], e[j] = e[j], e[i] }
func (e *expiries) Push(v any)        { *e = append(*e, v.(use)) }
func (e *expiries) Pop() any {
	last := len(*e) - 1
	v := (*e)[last]
	(*e)[last] = use{}
	*e = (*e)[:last]
	return v
}
