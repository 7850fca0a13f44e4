package main

import (
	"context"
	"iter"
	"sync"
	"syscall/js"
	"time"

	"nbdbridge/disk/fs"
	"nbdbridge/wasm/boundary"
)

const (
	batchEntries = 1000
	batchBytes   = 1 << 20                // of names and what is said of them
	batchTime    = 100 * time.Millisecond // after which what is there is given
)

// A list is open from list to endList, or to its end.
type list struct {
	volume *volume
	cancel context.CancelFunc
	turn   sync.Mutex // of one call at a time
	next   func() (fs.Entry, error, bool)
	stop   func()
}

// list(volume, path) resolves with a number, for next.
func (s *session) list(_ context.Context, args []js.Value) (any, error) {
	v, path, err := s.place(args)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(v.ctx)
	l := &list{volume: v, cancel: cancel}
	l.next, l.stop = iter.Pull2(v.List(ctx, path))
	id, err := s.lists.add(l)
	if err != nil {
		l.end()
		return nil, err
	}
	return id, nil
}

func (l *list) end() {
	l.cancel()
	l.turn.Lock()
	defer l.turn.Unlock()
	l.stop()
}

// next(list) resolves with {entries, ended}. A call that is aborted ends the list.
func (s *session) next(ctx context.Context, args []js.Value) (any, error) {
	l, err := s.lists.get(args[0])
	if err != nil {
		return nil, err
	}
	b, err := l.batch(ctx)
	if err != nil || b.Ended {
		s.lists.remove(args[0])
		l.end()
	}
	return boundary.JSON(b, err)
}

type batch struct {
	Entries []fs.Entry `json:"entries"`
	Ended   bool       `json:"ended"`
}

func (l *list) batch(ctx context.Context) (batch, error) {
	l.turn.Lock()
	defer l.turn.Unlock()
	defer context.AfterFunc(ctx, l.cancel)()
	b := batch{Entries: []fs.Entry{}}
	begun, size := time.Now(), 0
	for len(b.Entries) < batchEntries && size < batchBytes {
		e, err, more := l.next()
		if !more || err != nil {
			b.Ended = true
			return b, err
		}
		b.Entries = append(b.Entries, e)
		size += len(e.Name) + len(e.Problem)
		if time.Since(begun) > batchTime {
			break
		}
	}
	return b, nil
}

// endList(list)
func (s *session) endList(_ context.Context, args []js.Value) (any, error) {
	if l, open := s.lists.remove(args[0]); open {
		l.end()
	}
	return boundary.Done(nil)
}
