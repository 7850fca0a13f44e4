package fs

import (
	"context"
	"fmt"
	"iter"
	"sync/atomic"
)

// A volume is a Volume over a format. Here are the path, the caps, and the
// recovery from whatever a disk makes a format do.
type volume struct {
	pages  *Pages
	format format
	names  names
	closed atomic.Bool
}

func (v *volume) Facts() Facts { return v.format.facts() }

func (v *volume) Close() error {
	v.closed.Store(true)
	v.names.forget()
	v.pages.forget()
	return nil
}

func (v *volume) Stat(ctx context.Context, path string) (d Details, err error) {
	defer explain("stat", path, &err)
	at, err := v.find(ctx, path)
	if err != nil {
		return Details{}, err
	}
	d, err = v.format.details(at.source, at.node)
	d.Name = at.name
	return d, err
}

func (v *volume) Open(ctx context.Context, path, stream string) (opened File, err error) {
	defer explain("open", path, &err)
	at, err := v.find(ctx, path)
	if err != nil {
		return nil, err
	}
	if err := v.hasContent(at, stream); err != nil {
		return nil, err
	}
	c, err := v.format.content(at.source, at.node, stream)
	if err != nil {
		return nil, err
	}
	if c.size() < 0 {
		return nil, damaged("a size of %d bytes", c.size())
	}
	return &file{v, path, c}, nil
}

func (v *volume) hasContent(at place, stream string) error {
	e, err := v.format.entry(at.source, at.node)
	if err == nil && stream == "" && e.Type != TypeFile {
		return fmt.Errorf("%w: it is a %s", ErrNotFile, e.Type)
	}
	return err
}

func (v *volume) List(ctx context.Context, path string) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		l := lister{v: v, yield: yield}
		if err := l.list(ctx, path); err != nil && !l.stopped {
			yield(Entry{}, err)
		}
	}
}

// A lister gives the entries of one folder.
type lister struct {
	v       *volume
	yield   func(Entry, error) bool
	outside bool // the caller's code runs: its panics are its own
	stopped bool
}

func (l *lister) list(ctx context.Context, path string) (err error) {
	defer l.explain(path, &err)
	at, err := l.v.find(ctx, path)
	if err == nil {
		err = l.v.isFolder(at)
	}
	if err != nil {
		return err
	}
	return l.children(at)
}

func (l *lister) children(at place) error {
	n := 0
	for child, err := range l.v.format.children(at.source, at.node) {
		if err != nil {
			return err
		}
		if n++; n > MaxEntries {
			return fmt.Errorf("%w: a folder has more than %d entries", ErrLimit, MaxEntries)
		}
		at.source.renew()
		e, err := l.v.entry(at.source, child)
		if err != nil {
			return err
		}
		if !l.give(e) {
			return nil
		}
	}
	return nil
}

// explain is that of the other operations, except for panics of the caller.
func (l *lister) explain(path string, err *error) {
	if l.outside {
		return
	}
	if p := recover(); p != nil {
		*err = panicked(p)
	}
	if *err != nil {
		*err = &Error{Op: "list", Path: path, Err: *err}
	}
}

func (l *lister) give(e Entry) bool {
	l.outside = true
	l.stopped = !l.yield(e, nil)
	l.outside = false
	return !l.stopped
}

// entry is what a list shows of a child, also when the rest of it can't be
// read. Only the end of the operation is an error.
func (v *volume) entry(s *source, c child) (e Entry, err error) {
	e, err = v.readEntry(s, c)
	if err != nil {
		if s.ctx.Err() != nil {
			return Entry{}, err
		}
		e = Entry{Type: TypeOther, Problem: err.Error()}
	}
	e.Name = Escape(c.name)
	return e, nil
}

// readEntry keeps a panic over one entry from ending the list.
func (v *volume) readEntry(s *source, c child) (e Entry, err error) {
	defer rescue(&err)
	if c.entry != nil {
		return *c.entry, nil
	}
	return v.format.entry(s, c.node)
}

// A place is where a path has led, and the operation's source.
type place struct {
	source *source
	node   node
	name   string          // of the last step; "" of the root
	above  map[uint64]bool // the ID of each folder on the way
}

func (v *volume) find(ctx context.Context, path string) (place, error) {
	if v.closed.Load() {
		return place{}, ErrClosed
	}
	steps, err := splitPath(path)
	at := place{source: newSource(ctx, v.pages), node: v.format.root(), above: map[uint64]bool{}}
	for _, name := range steps {
		if err != nil {
			break
		}
		if err = v.isFolder(at); err == nil {
			at.name = name
			at.node, err = v.lookup(at.source, at.node, name)
		}
	}
	return at, err
}

// isFolder also sees to it that no folder is within itself.
func (v *volume) isFolder(at place) error {
	e, err := v.format.entry(at.source, at.node)
	switch {
	case err != nil:
		return err
	case e.Type != TypeFolder:
		return fmt.Errorf("%w: %s is a %s", ErrNotFolder, at.name, e.Type)
	case e.ID != 0 && at.above[e.ID]:
		return damaged("the folder %s is within itself", at.name)
	}
	at.above[e.ID] = true
	return nil
}

// explain makes an *Error of what an operation ended with, a panic included.
// It is to be deferred.
func explain(op, path string, err *error) {
	if p := recover(); p != nil {
		*err = panicked(p)
	}
	if *err != nil {
		*err = &Error{Op: op, Path: path, Err: *err}
	}
}

// rescue makes an error of a panic. It is to be deferred.
func rescue(err *error) {
	if p := recover(); p != nil {
		*err = panicked(p)
	}
}

func panicked(p any) error { return damaged("what it says can't be followed (%v)", p) }
