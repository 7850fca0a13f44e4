package search

// A finder looks for one needle, by Horspool's algorithm: the byte under the
// needle's last one tells how far the needle can move.
type finder struct {
	Needle
	core  int        // how much of the needle is moved by; the rest of it are zeroes
	skip  [256]int32 // zero where the core's last byte matches
	again int        // how far to move after a byte that matched
}

// newFinder leaves zeroes at the end out of the core: disks have so many that
// they would match all the time.
func newFinder(n Needle) *finder {
	f := &finder{Needle: n, core: len(n.bytes)}
	for f.core > 1 && n.bytes[f.core-1] == 0 {
		f.core--
	}
	if n.bytes[f.core-1] == 0 {
		f.core = len(n.bytes) // nothing but zeroes
	}
	for c := range f.skip {
		f.skip[c] = int32(f.core)
	}
	last := f.core - 1
	for i := range last {
		f.set(i, int32(last-i))
	}
	f.again = int(f.skip[n.bytes[last]])
	if f.folds(last) {
		f.again = min(f.again, int(f.skip[n.bytes[last]&^0x20]))
	}
	f.set(last, 0)
	return f
}

func (f *finder) folds(i int) bool { return f.fold != nil && f.fold[i] }

func (f *finder) set(i int, skip int32) {
	f.skip[f.bytes[i]] = skip
	if f.folds(i) {
		f.skip[f.bytes[i]&^0x20] = skip
	}
}

// index is where the first match at or after from begins; -1 is none.
func (f *finder) index(hay []byte, from int) int {
	last := f.core - 1
	end := len(hay) - (len(f.bytes) - f.core)
	for i := from + last; i < end; {
		if skip := f.skip[hay[i]]; skip > 0 {
			i += int(skip)
			continue
		}
		if f.matches(hay[i-last:]) {
			return i - last
		}
		i += f.again
	}
	return -1
}
