package bridge

import (
	"cmp"
	"maps"
	"net/netip"
	"slices"
	"sync"
)

// A registry knows the sessions under way: http.Server forgets a connection
// once it is a WebSocket. The zero value is ready.
type registry struct {
	mu       sync.Mutex
	last     uint64 // the ID that was given last
	present  map[uint64]*session
	waiting  int                 // clients that are not admitted, from before their upgrade
	refused  map[uint64]*session // those of them that only have to go
	draining bool

	// The admitted sessions.
	total      int
	addresses  tally[netip.Prefix]
	principals tally[string]
	targets    tally[string]
}

// A tally counts sessions by something. It has no entry for those that have
// none.
type tally[K comparable] map[K]int

func (t *tally[K]) add(key K, n int) {
	if *t == nil {
		*t = tally[K]{}
	}
	if (*t)[key] += n; (*t)[key] == 0 {
		delete(*t, key)
	}
}

// reached tells whether a limit leaves no room for one more. There is none at
// or below 0.
func reached(n, limit int) bool { return limit > 0 && n >= limit }

// knock counts a client before its upgrade, unless too many wait already. One
// that was refused and has not gone is cut to make room: else a few clients
// that never go would keep everybody out.
func (g *registry) knock(limit int) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if reached(g.waiting, limit) && !g.hurry() {
		return false
	}
	g.waiting++
	return true
}

// hurry cuts the one that has had the longest time to go, if there is one.
func (g *registry) hurry() bool {
	if len(g.refused) == 0 {
		return false
	}
	s := g.refused[slices.Min(slices.Collect(maps.Keys(g.refused)))]
	g.dismiss(s)
	s.cut()
	return true
}

// dismiss takes a client that was refused out of those who wait.
func (g *registry) dismiss(s *session) {
	if g.refused[s.id] != nil {
		delete(g.refused, s.id)
		g.waiting--
	}
}

// refuse is for a client that will not be admitted any more.
func (g *registry) refuse(s *session) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if s.admitted { // and its target can't be connected to
		return
	}
	if g.refused == nil {
		g.refused = map[uint64]*session{}
	}
	g.refused[s.id] = s
}

// forget is for a client whose upgrade failed.
func (g *registry) forget() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.waiting--
}

// enter takes a session in, so that Shutdown finds it.
func (g *registry) enter(s *session) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.present == nil {
		g.present = map[uint64]*session{}
	}
	g.last++
	s.id = g.last
	g.present[s.id] = s
}

// room tells what would refuse a session whoever it belongs to.
func (g *registry) room(s *session) *verdict {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.refuses(s)
}

func (g *registry) refuses(s *session) *verdict {
	switch {
	case g.draining:
		return &draining
	case s.address.IsValid() && reached(g.addresses[s.address], s.limits.SessionsPerAddress):
		return limitReached("too many sessions from this address; end one first")
	case reached(g.total, s.limits.Connections):
		return limitReached("too many sessions; try again later")
	}
	return nil
}

var draining = verdict{code: StatusDraining, reason: "the bridge is shutting down"}

func limitReached(reason string) *verdict { return &verdict{code: StatusLimit, reason: reason} }

// admit counts a session, unless the bridge drains or there is no room.
func (g *registry) admit(s *session, ofTarget int) *verdict {
	g.mu.Lock()
	defer g.mu.Unlock()
	if refused := g.refuses(s); refused != nil {
		return refused
	}
	principal := s.grant.Principal
	if principal != "" && reached(g.principals[principal], s.limits.SessionsPerPrincipal) {
		return limitReached("too many sessions of this principal; end one first")
	}
	if reached(g.targets[s.name], ofTarget) {
		return limitReached("too many sessions of this target; try again later")
	}
	s.admitted = true
	g.waiting--
	g.count(s, 1)
	return nil
}

func (g *registry) count(s *session, n int) {
	g.total += n
	g.addresses.add(s.address, n)
	g.principals.add(s.grant.Principal, n)
	g.targets.add(s.name, n)
}

func (g *registry) leave(s *session) {
	if s.expiry != nil {
		s.expiry.Stop()
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if s.admitted {
		g.count(s, -1)
	}
	g.dismiss(s)
	delete(g.present, s.id)
	close(s.done)
}

// find returns the admitted session of an ID, or nil.
func (g *registry) find(id uint64) *session {
	g.mu.Lock()
	defer g.mu.Unlock()
	if s := g.present[id]; s != nil && s.admitted {
		return s
	}
	return nil
}

// list returns the sessions under way, oldest first: the admitted ones, or all.
func (g *registry) list(all bool) []*session {
	g.mu.Lock()
	defer g.mu.Unlock()
	var list []*session
	for _, s := range g.present {
		if all || s.admitted {
			list = append(list, s)
		}
	}
	slices.SortFunc(list, func(a, b *session) int { return cmp.Compare(a.id, b.id) })
	return list
}

// drain refuses newcomers from now on.
func (g *registry) drain() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.draining = true
}
