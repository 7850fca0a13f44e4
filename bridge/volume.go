package bridge

import (
	"maps"
	"sync/atomic"
)

// A volume counts the bytes of one session as they are carried. Adding to it is
// all that a byte costs for being counted.
type volume struct {
	up      atomic.Int64 // bytes from the client
	down    atomic.Int64 // bytes to the client
	spliced atomic.Int64 // of down: what never was in our memory; added to before down
}

// carried is bytes that were counted.
type carried struct{ up, down, spliced, copied int64 }

func (c carried) plus(d carried) carried {
	return carried{c.up + d.up, c.down + d.down, c.spliced + d.spliced, c.copied + d.copied}
}

// A flow is the volume of a session under way.
type flow struct {
	*volume
	target string // its label
	copied int64  // as it was told last
}

// told reads a volume that changes meanwhile. A counter never falls: of a
// splice that is only half added the copied bytes are told too low, or as they
// were.
func (f *flow) told() carried {
	down := f.down.Load() // before spliced
	spliced := f.spliced.Load()
	f.copied = max(f.copied, down-spliced)
	return carried{f.up.Load(), down, spliced, f.copied}
}

func (m *metrics) enter(target string, v *volume) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.flows[v] = &flow{volume: v, target: target}
	m.ended[target] = m.ended[target].plus(carried{}) // its series begin at zero
}

func (m *metrics) leave(v *volume) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if f := m.flows[v]; f != nil {
		m.ended[f.target] = m.ended[f.target].plus(f.told())
		delete(m.flows, v)
	}
}

// sum is what was carried so far, by target.
func (m *metrics) sum() map[string]carried {
	m.prepare()
	m.mu.Lock()
	defer m.mu.Unlock()
	sum := maps.Clone(m.ended)
	for _, f := range m.flows {
		sum[f.target] = sum[f.target].plus(f.told())
	}
	return sum
}
