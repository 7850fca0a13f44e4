package main

import (
	"sync"
	"syscall/js"
)

// A table holds what stays open between two calls, by numbers that are never
// used again.
type table[T any] struct {
	what  string // one of it
	limit int

	mu   sync.Mutex
	last int
	open map[int]T
}

func (t *table[T]) add(v T) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.open) >= t.limit {
		return 0, &limitError{t.what + "s", t.limit}
	}
	if t.open == nil {
		t.open = map[int]T{}
	}
	t.last++
	t.open[t.last] = v
	return t.last, nil
}

func (t *table[T]) get(id js.Value) (T, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	v, open := t.open[number(id)]
	if !open {
		return v, &closedError{t.what}
	}
	return v, nil
}

// remove tells whether there was one.
func (t *table[T]) remove(id js.Value) (T, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	v, open := t.open[number(id)]
	delete(t.open, number(id))
	return v, open
}

// removeAll removes what passes, and gives it.
func (t *table[T]) removeAll(passes func(T) bool) (removed []T) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for id, v := range t.open {
		if passes(v) {
			removed = append(removed, v)
			delete(t.open, id)
		}
	}
	return removed
}

// number is zero, which nothing has, for what is none.
func number(v js.Value) int {
	if v.Type() != js.TypeNumber {
		return 0
	}
	return v.Int()
}
