package fs

import (
	"context"
	"io"
	"strings"

	"nbdbridge/disk"
)

// openers are the formats that can be browsed, by the kind that disk.Probe
// gives their signature. An opener of another's volume fails.
var openers = map[string]opener{
	"ext2": openExt, "ext3": openExt, "ext4": openExt,
	"ntfs": openNTFS, "iso9660": openISO,
	"fat12": openFAT, "fat16": openFAT, "fat32": openFAT, "exfat": openExFAT,
}

// Open finds the file system of a volume of size bytes and reads its head. It
// reads through Pages of its own, or through r where that is a *Pages of that
// size.
//
// ErrUnsupported names what was found; ErrDamaged is a file system that can't
// be opened.
func Open(r io.ReaderAt, size int64) (Volume, error) {
	return OpenContext(context.Background(), r, size)
}

// OpenContext is Open that goes on no longer than the context allows.
func OpenContext(ctx context.Context, r io.ReaderAt, size int64) (opened Volume, err error) {
	defer explain("open volume", "", &err)
	pages, ok := r.(*Pages)
	if !ok || pages.Size() != size {
		pages = NewPages(r, size, 0)
	}
	f, err := openFormat(newSource(ctx, pages))
	if err != nil {
		return nil, err
	}
	return &volume{pages: pages, format: f}, nil
}

// openFormat opens the first of what was found that can be.
func openFormat(s *source) (format, error) {
	found, failed := disk.Probe(s, 0, s.size())
	var names []string
	for _, signature := range found {
		names = append(names, signature.Name)
		open := openers[signature.Kind]
		if open == nil {
			continue
		}
		f, err := tryOpen(open, s)
		if err == nil {
			return f, nil
		}
		if failed == nil {
			failed = err
		}
	}
	failure := unsupported("nothing that is known was found")
	if len(names) > 0 {
		failure = unsupported("it is %s, which can't be browsed", strings.Join(names, " and "))
	}
	switch {
	case failed != nil:
		return nil, failed
	case len(names) == 0, saysFAT32(s):
		return openCopy(s, failure)
	}
	return nil, failure
}

// openCopy opens what has a copy of its first sector, where that shows nothing.
func openCopy(s *source, failed error) (format, error) {
	for _, open := range []func(*source, error) (format, error){openFATCopy, openExFATCopy} {
		f, err := tryOpen(func(s *source) (format, error) { return open(s, failed) }, s)
		if err == nil {
			return f, nil
		}
	}
	return nil, failed
}

// saysFAT32 tells whether the first sector has the name of FAT32, whatever else
// is wrong with it.
func saysFAT32(s *source) bool {
	b, err := s.read(512, 0)
	return err == nil && string(b[82:87]) == "FAT32"
}

// tryOpen keeps a panic over one format from hiding the next.
func tryOpen(open opener, s *source) (f format, err error) {
	defer rescue(&err)
	return open(s)
}
