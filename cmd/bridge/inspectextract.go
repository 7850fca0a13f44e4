package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"nbdbridge/disk/fs"
	"nbdbridge/nbd"
)

// maxExtracted bounds what a folder can pretend to hold.
const maxExtracted = 10_000_000

// extract copies a file or a folder to where the flag says.
func (c *inspectCommand) extract(ctx context.Context, v fs.Volume, from string) error {
	d, err := v.Stat(ctx, from)
	if err != nil {
		return err
	}
	folder := d.Type == fs.TypeFolder && c.Stream == ""
	switch {
	case folder && c.Extract == "-":
		return usagef("%s is a folder, and standard output takes a file: give --extract a name", visible(from))
	case folder:
		return extractFolder(ctx, v, from, c.Extract)
	}
	f, err := v.Open(ctx, from, c.Stream)
	if err != nil {
		return err
	}
	if c.Extract == "-" {
		return stream(ctx, os.Stdout, f)
	}
	root, err := os.OpenRoot(filepath.Dir(c.Extract))
	if err != nil {
		return fmt.Errorf("--extract: %w", err)
	}
	defer root.Close()
	if c.Stream != "" {
		d = fs.Details{} // of the main content
	}
	return extractFile(ctx, root, filepath.Base(c.Extract), f, d)
}

// stream writes all of a file in order.
func stream(ctx context.Context, w io.Writer, f fs.File) error {
	buf := make([]byte, 1<<20)
	for at := int64(0); at < f.Size(); {
		n, err := f.ReadContext(ctx, buf[:min(int64(len(buf)), f.Size()-at)], at)
		if err != nil {
			return err
		}
		if _, err := w.Write(buf[:n]); err != nil {
			return err
		}
		at += int64(n)
	}
	return nil
}

// extractFile makes a file that is not there yet, or none: one that was cut
// short would have zeroes where content was. Zeroes become holes.
func extractFile(ctx context.Context, root *os.Root, name string, f fs.File, d fs.Details) (err error) {
	out, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		return err
	}
	defer func() {
		if err = errors.Join(err, out.Close()); err != nil {
			_ = root.Remove(name)
		}
	}()
	if err := out.Truncate(f.Size()); err != nil {
		return err
	}
	for _, r := range dataRanges(d, f.Size()) {
		if err := copyRange(ctx, out, f, r[0], r[1]); err != nil {
			return err
		}
	}
	if t := d.Modified.Time; !t.IsZero() {
		_ = root.Chtimes(name, t.Time, t.Time) // not every file system can
	}
	return nil
}

// dataRanges are the begins and ends of what is not known to be holes.
func dataRanges(d fs.Details, size int64) (ranges [][2]int64) {
	at := int64(0)
	for _, x := range d.Extents {
		if x.Offset < at || x.Length <= 0 || x.Offset >= size {
			break // out of order: all from here on is read
		}
		if x.Kind != fs.ExtentHole && x.Kind != fs.ExtentUnwritten {
			continue
		}
		if x.Offset > at {
			ranges = append(ranges, [2]int64{at, x.Offset})
		}
		at = x.Offset + min(x.Length, size-x.Offset)
	}
	if at < size {
		ranges = append(ranges, [2]int64{at, size})
	}
	return ranges
}

func copyRange(ctx context.Context, out *os.File, f fs.File, from, to int64) error {
	buf := make([]byte, min(1<<20, to-from))
	for from < to {
		n, err := f.ReadContext(ctx, buf[:min(int64(len(buf)), to-from)], from)
		if err != nil {
			return err
		}
		if slices.ContainsFunc(buf[:n], func(b byte) bool { return b != 0 }) {
			if _, err := out.WriteAt(buf[:n], from); err != nil {
				return err
			}
		}
		from += int64(n)
	}
	return nil
}

// An extraction copies a folder. It can't leave its root, whatever names and
// links say: an os.Root sees to that.
type extraction struct {
	volume          fs.Volume
	root            *os.Root
	seen            int // entries
	copied, skipped int
}

func extractFolder(ctx context.Context, v fs.Volume, from, to string) error {
	if err := os.Mkdir(to, 0o777); err != nil {
		return fmt.Errorf("--extract: %w", err)
	}
	root, err := os.OpenRoot(to)
	if err != nil {
		return fmt.Errorf("--extract: %w", err)
	}
	defer root.Close()
	x := &extraction{volume: v, root: root}
	if err := x.folder(ctx, strings.TrimRight(from, "/"), ".", nil); err != nil {
		return err
	}
	if x.skipped > 0 {
		return fmt.Errorf("%d files were copied, and %d entries were not, as told above", x.copied, x.skipped)
	}
	return nil
}

// folder copies what a folder holds; above are the numbers of those that it
// lies in. Its error is one that ends the whole.
func (x *extraction) folder(ctx context.Context, from, to string, above []uint64) error {
	for e, err := range x.volume.List(ctx, from+"/") {
		if err == nil {
			if x.seen++; x.seen > maxExtracted {
				return fmt.Errorf("more than %d entries: the file system may be damaged", maxExtracted)
			}
			err = x.entry(ctx, from+"/"+e.Name, path.Join(to, nameFor(e.Name)), e, above)
		}
		if err = x.told(from+"/"+e.Name, err); err != nil {
			return err
		}
	}
	return nil
}

// told reports what failed for one entry alone.
func (x *extraction) told(from string, err error) error {
	var errno nbd.Errno
	var failed *os.PathError
	var linked *os.LinkError
	switch {
	case err == nil:
		return nil
	case errors.As(err, new(*fs.Error)) && isOfDisk(err), errors.As(err, &errno), errors.As(err, &failed), errors.As(err, &linked), errors.Is(err, errSkipped):
		x.skipped++
		fmt.Fprintf(os.Stderr, "bridge: %s: %s\n", visible(from), visible(err.Error()))
		return nil
	}
	return err
}

// isOfDisk tells what is wrong on the disk from what is wrong with the way to it.
func isOfDisk(err error) bool {
	return slices.ContainsFunc([]error{fs.ErrDamaged, fs.ErrUnsupported, fs.ErrLimit, fs.ErrNotFound, fs.ErrNotFile, fs.ErrNotFolder, fs.ErrPath}, func(kind error) bool { return errors.Is(err, kind) })
}

// errSkipped is what is left out on purpose.
var errSkipped = errors.New("left out")

func (x *extraction) entry(ctx context.Context, from, to string, e fs.Entry, above []uint64) error {
	switch e.Type {
	case fs.TypeFolder:
		if e.ID != 0 && slices.Contains(above, e.ID) {
			return fmt.Errorf("%w: the folder contains itself", errSkipped)
		}
		if err := x.root.Mkdir(to, 0o777); err != nil {
			return err
		}
		return x.folder(ctx, from, to, append(slices.Clone(above), e.ID))
	case fs.TypeFile:
		return x.file(ctx, from, to)
	case fs.TypeSymlink:
		return x.link(ctx, from, to)
	}
	return fmt.Errorf("%w: %s %s", errSkipped, e.Type, e.Problem)
}

func (x *extraction) file(ctx context.Context, from, to string) error {
	d, err := x.volume.Stat(ctx, from)
	if err != nil {
		return err
	}
	f, err := x.volume.Open(ctx, from, "")
	if err != nil {
		return err
	}
	if err := extractFile(ctx, x.root, to, f, d); err != nil {
		return err
	}
	x.copied++
	return nil
}

func (x *extraction) link(ctx context.Context, from, to string) error {
	d, err := x.volume.Stat(ctx, from)
	if err != nil {
		return err
	}
	target, err := fs.Unescape(d.Target)
	if err != nil {
		return err
	}
	if !staysWithin(to, string(target)) {
		return fmt.Errorf("%w: a link to %s, which is not within the folder", errSkipped, d.Target)
	}
	return x.root.Symlink(string(target), to)
}

// staysWithin tells whether a link leads nowhere outside of the root. Beyond
// its first names no ".." is let through: what it leads out of may be a link.
func staysWithin(link, target string) bool {
	if target == "" || strings.ContainsAny(target, "\x00\\:") || path.IsAbs(target) {
		return false
	}
	depth := strings.Count(link, "/")
	names := strings.Split(target, "/")
	for len(names) > 0 && names[0] == ".." {
		names, depth = names[1:], depth-1
	}
	return depth >= 0 && !slices.Contains(names, "..")
}

// nameFor is what a name of the disk is called here.
func nameFor(name string) string {
	raw, err := fs.Unescape(name)
	if err != nil {
		raw = []byte(name)
	}
	forbidden := `/\`
	if runtime.GOOS == "windows" {
		forbidden += `<>:"|?*`
	}
	safe := strings.Map(func(r rune) rune {
		if r == utf8.RuneError || !unicode.IsPrint(r) || strings.ContainsRune(forbidden, r) {
			return '_'
		}
		return r
	}, string(raw))
	if safe == "." || safe == ".." {
		return strings.Repeat("_", len(safe))
	}
	return safe
}
