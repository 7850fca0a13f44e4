package fs

import "errors"

// errEnd ends a folder before its room does.
var errEnd = errors.New("the end of the folder")

// folderPart is how much of a folder is read as one, in bytes.
const folderPart = 4096

// A folderReader gives a folder of FAT or exFAT to each, piece by piece.
type folderReader struct {
	s *source
	// each takes whole entries, and where in the volume they lie. errEnd and
	// errStopped make an end.
	each func(b []byte, at int64) error

	bad   error // what could not be read doesn't hide the rest
	fails int
}

// chain reads the first bytes of a chain.
func (r *folderReader) chain(c chain, bytes int64) error {
	if c.first == 0 {
		return damaged("the folder has no clusters")
	}
	for w := c.walk(r.s); ; {
		found, more, err := w.next()
		if err != nil || !more {
			return err
		}
		start := c.offset(found.first)
		if err := r.part(start, start+min(found.count*c.size, bytes-found.index*c.size)); err != nil {
			return err
		}
	}
}

// part reads what lies together.
func (r *folderReader) part(start, end int64) error {
	for at := start; at < end; at += folderPart {
		b, err := r.s.read(int(min(folderPart, end-at)), at)
		if err == nil {
			err = r.each(b, at)
		}
		if errors.Is(err, errEnd) || errors.Is(err, errStopped) {
			return err
		}
		if err != nil && !r.forgive(err) {
			return errStopped
		}
	}
	return nil
}

// forgive tells whether to go on after an error.
func (r *folderReader) forgive(err error) bool {
	r.bad = errors.Join(r.bad, err)
	r.fails++
	return r.s.ctx.Err() == nil && !errors.Is(err, ErrLimit) && r.fails <= maxBad
}

// result is what the whole ended with, nil also where the caller has enough.
func (r *folderReader) result(err error) error {
	if errors.Is(err, errEnd) || errors.Is(err, errStopped) {
		err = nil
	}
	return errors.Join(r.bad, err)
}
