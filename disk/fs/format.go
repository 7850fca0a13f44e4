package fs

import (
	"fmt"
	"iter"
)

// A format is a file system's adapter. The volume around it has found the
// path, holds the caps, and turns a panic into ErrDamaged. A format has no
// lock: what opening has filled in is never changed, and all that is read goes
// through the operation's source.
type format interface {
	facts() Facts
	root() node
	// children yields what a folder holds, without "." and "..". It must come
	// to an end on any disk; the source's budget helps.
	children(s *source, folder node) iter.Seq2[child, error]
	// entry is what a list shows of n. Its Name is filled in by the volume.
	// The Type must be TypeFolder exactly for what children can list, and two
	// folders have the same ID only if they are the same.
	entry(s *source, n node) (Entry, error)
	// details is entry and more; of extents the first MaxExtents.
	details(s *source, n node) (Details, error)
	// content is that of a stream, "" being the main one. It is only asked of
	// what entry says is a TypeFile, or for a stream's name.
	content(s *source, n node, stream string) (content, error)
}

// A node is what a format knows a file by: a value that stays valid as long as
// the volume, small, and comparable by ==.
type node any

// A child is a name in a folder.
type child struct {
	name []byte // as on the disk; UTF-16 as utf16Name makes it
	node node
	// entry is what a list shows, where the folder itself tells it; else nil.
	entry *Entry
}

// A content is what a file holds.
type content interface {
	size() int64
	// readAt fills p, which lies within the size. Nothing short of all of p is
	// a success.
	readAt(s *source, p []byte, offset int64) error
}

// An opener reads a volume's head and makes a format of it.
type opener func(s *source) (format, error)

// noStream keeps the error of a stream that is not there in one wording.
func noStream(stream string) error {
	return fmt.Errorf("%w: there is no stream %q", ErrNotFound, stream)
}
