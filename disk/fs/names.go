package fs

import (
	"errors"
	"fmt"
	"sync"
)

// maxNames bounds the names that a volume remembers, in bytes, each counted
// with namesOverhead.
const (
	maxNames      = 16 << 20
	namesOverhead = 100
)

// names remember what the folders hold that were searched last, so that
// opening all files of a large folder doesn't read it once for each.
type names struct {
	mu      sync.Mutex
	folders []searched // the latest first
}

type searched struct {
	folder  node
	nodes   map[string]node
	cost    int
	damaged error // that ended the folder
}

// get is what a folder holds, or nil if that isn't remembered.
func (n *names) get(folder node) *searched {
	n.mu.Lock()
	defer n.mu.Unlock()
	for i, s := range n.folders {
		if s.folder == folder {
			copy(n.folders[1:i+1], n.folders[:i])
			n.folders[0] = s
			return &s
		}
	}
	return nil
}

// put remembers a folder, and forgets older ones.
func (n *names) put(s searched) {
	n.mu.Lock()
	defer n.mu.Unlock()
	kept, cost := []searched{s}, s.cost
	for _, old := range n.folders {
		if cost += old.cost; cost <= maxNames && old.folder != s.folder {
			kept = append(kept, old)
		}
	}
	n.folders = kept
}

func (n *names) forget() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.folders = nil
}

// lookup finds a name in a folder.
func (v *volume) lookup(s *source, folder node, name string) (node, error) {
	all := v.names.get(folder)
	if all == nil {
		var err error
		if all, err = v.search(s, folder, name); err != nil {
			return nil, err
		}
	}
	return all.find(name)
}

// find gives a name's node. Where damage has ended the folder, the name may
// have been behind it.
func (s *searched) find(name string) (node, error) {
	if found, ok := s.nodes[name]; ok {
		return found, nil
	}
	if s.damaged != nil {
		return nil, s.damaged
	}
	return nil, fmt.Errorf("%w: there is no %s", ErrNotFound, name)
}

// search reads a folder for a name. It reads all of it, to remember it, unless
// that is too much. Of two equal names the first counts.
func (v *volume) search(s *source, folder node, name string) (*searched, error) {
	all := &searched{folder: folder, nodes: map[string]node{}, cost: namesOverhead}
	entries := 0
	for child, err := range v.format.children(s, folder) {
		if err != nil {
			all.damaged = err
			break
		}
		if entries++; entries > MaxEntries {
			return nil, fmt.Errorf("%w: a folder has more than %d entries", ErrLimit, MaxEntries)
		}
		s.renew()
		all.add(Escape(child.name), child.node, name)
		if _, ok := all.nodes[name]; ok && all.cost > maxNames {
			return all, nil
		}
	}
	if all.cost <= maxNames && (all.damaged == nil || errors.Is(all.damaged, ErrDamaged)) {
		v.names.put(*all)
	}
	return all, nil
}

// add remembers a name if there is room, or if it is the wanted one.
func (s *searched) add(name string, n node, wanted string) {
	if _, again := s.nodes[name]; again {
		return
	}
	if s.cost += len(name) + namesOverhead; s.cost <= maxNames || name == wanted {
		s.nodes[name] = n
	}
}
