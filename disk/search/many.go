package search

import (
	"bytes"
	"slices"
)

// few is how many needles are faster to look for one by one.
const few = 6

// Sizes of the filter: how many bytes of a needle it looks at, and the bits that
// tell of them.
const (
	prefix     = 4
	filterBits = 18
)

// A many looks for all of its needles in one pass: at each byte a filter tells,
// by a hash of the next four, whether a needle may begin there, and then the
// needles in sorted order are narrowed byte by byte. All of that is in folded
// letters; what is found so is held to the needle itself. Its cost hangs on how
// much of the disk begins like needles, and hardly on how many they are.
type many struct {
	needles []Needle
	keys    []key
	first   [257]int                      // where the keys that begin with a byte stand: up to where those of the next do
	short   [256]bool                     // whether a needle that is too short for the filter begins so
	filter  [1 << (filterBits - 6)]uint64 // of the others
	found   []int                         // needles at the present offset
}

// A key is a needle in folded letters.
type key struct {
	bytes  []byte
	needle int
}

// lower has A to Z as a to z.
var lower = func() (t [256]byte) {
	for c := range t {
		t[c] = byte(c)
		if c >= 'A' && c <= 'Z' {
			t[c] |= 0x20
		}
	}
	return t
}()

func newMany(needles []Needle) *many {
	m := &many{needles: needles}
	for i, n := range needles {
		m.add(n, i)
	}
	slices.SortFunc(m.keys, func(a, b key) int { return bytes.Compare(a.bytes, b.bytes) })
	for _, k := range m.keys {
		m.first[int(k.bytes[0])+1]++
	}
	for c := range 256 {
		m.first[c+1] += m.first[c]
	}
	return m
}

func (m *many) add(n Needle, index int) {
	folded := make([]byte, n.Len())
	for i, c := range n.bytes {
		folded[i] = lower[c]
	}
	m.keys = append(m.keys, key{folded, index})
	if len(folded) < prefix {
		m.short[folded[0]] = true
		return
	}
	h := hash(uint32(folded[0])<<24 | uint32(folded[1])<<16 | uint32(folded[2])<<8 | uint32(folded[3]))
	m.filter[h>>6] |= 1 << (h & 63)
}

func hash(w uint32) uint32 { return w * 0x9e3779b1 >> (32 - filterBits) }

// each yields the matches that begin in [from, to), by offset and then by
// needle, and tells whether to go on.
func (m *many) each(hay []byte, from, to int, yield func(at, needle int) bool) bool {
	var w uint32
	for i := from; i < min(from+prefix-1, len(hay)); i++ {
		w = w<<8 | uint32(lower[hay[i]])
	}
	for at := from; at < to; at++ {
		may := m.short[lower[hay[at]]]
		if at+prefix <= len(hay) {
			w = w<<8 | uint32(lower[hay[at+prefix-1]])
			h := hash(w)
			may = may || m.filter[h>>6]&(1<<(h&63)) != 0
		}
		if may && !m.at(hay[at:], at, yield) {
			return false
		}
	}
	return true
}

// at yields the needles that stand at the beginning of p.
func (m *many) at(p []byte, at int, yield func(at, needle int) bool) bool {
	m.found = m.found[:0]
	c := int(lower[p[0]])
	for keys, depth := m.keys[m.first[c]:m.first[c+1]], 1; ; depth++ {
		for len(keys) > 0 && len(keys[0].bytes) == depth { // those that end sort before those that go on
			if m.needles[keys[0].needle].matches(p) {
				m.found = append(m.found, keys[0].needle)
			}
			keys = keys[1:]
		}
		if len(keys) == 0 || depth == len(p) {
			break
		}
		keys = narrowed(keys, depth, lower[p[depth]])
	}
	slices.Sort(m.found)
	for _, needle := range m.found {
		if !yield(at, needle) {
			return false
		}
	}
	return true
}

// narrowed are the keys that have this byte at this place; before it they are
// the same.
func narrowed(keys []key, place int, c byte) []key {
	keys = keys[below(keys, place, int(c)):]
	return keys[:below(keys, place, int(c)+1)]
}

// below counts the keys whose byte at this place is less.
func below(keys []key, place, c int) int {
	from, to := 0, len(keys)
	for from < to {
		if half := (from + to) / 2; int(keys[half].bytes[place]) < c {
			from = half + 1
		} else {
			to = half
		}
	}
	return from
}
