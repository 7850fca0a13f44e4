package nbd

import "sort"

// A coverage records which bytes of a read have arrived. Chunks may come in
// any order, may not overlap, and must cover the request in the end.
type coverage struct {
	spans []covered // sorted, apart from each other
}

type covered struct{ from, to int }

// add records the bytes from to to. It reports false when some of them were
// there already.
func (c *coverage) add(from, to int) bool {
	i := sort.Search(len(c.spans), func(i int) bool { return c.spans[i].to >= from })
	j := i
	if i < len(c.spans) && c.spans[i].to == from { // joins the one before
		from, j = c.spans[i].from, i+1
	}
	if j < len(c.spans) && c.spans[j].from < to {
		return false
	}
	if j < len(c.spans) && c.spans[j].from == to { // joins the one after
		to, j = c.spans[j].to, j+1
	}
	c.spans = append(c.spans[:i], append([]covered{{from, to}}, c.spans[j:]...)...)
	return true
}

// complete tells whether all of n bytes have arrived.
func (c *coverage) complete(n int) bool {
	return len(c.spans) == 1 && c.spans[0] == covered{0, n}
}
