package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"

	"nbdbridge/evidence/acquire"
	"nbdbridge/evidence/report"
)

// A partFile is an image that is not whole yet: FILE.part, and the state of its
// acquisition in FILE.part.state. FILE is made of it at the end, so that nothing
// of that name is ever cut short. It is an image.Output.
type partFile struct {
	name string // FILE
	f    *os.File
	end  int64 // of what was appended; the file may end before it, in zeros
}

func partName(name string) string  { return name + ".part" }
func stateName(name string) string { return name + ".part.state" }

// refuseExisting finds out early that there is no place for an image.
func refuseExisting(name string) error {
	if _, err := os.Lstat(name); !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s is there already, and is not overwritten: choose another name, or remove it", name)
	}
	if _, err := os.Lstat(partName(name)); !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s is there already: an acquisition has begun. Go on with it with --resume, or remove it and %s", partName(name), stateName(name))
	}
	return nil
}

// createPart begins an image, of which there is a state from the first byte on.
func createPart(name string, s *acquire.State) (*partFile, error) {
	if err := refuseExisting(name); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(partName(name), os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		return nil, err
	}
	p := &partFile{name: name, f: f}
	if err = lockAlone(f); err == nil {
		err = p.keep(s)
	}
	if err != nil {
		p.Close()
		_ = os.Remove(f.Name())
		return nil, err
	}
	return p, nil
}

// openPart takes an image up again where its state says.
func openPart(name string) (*partFile, *acquire.State, error) {
	f, err := os.OpenFile(partName(name), os.O_RDWR, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, fmt.Errorf("%w: there is nothing to --resume", err)
	}
	if err != nil {
		return nil, nil, err
	}
	p := &partFile{name: name, f: f}
	s, err := p.takeUp()
	if err != nil {
		p.Close()
		return nil, nil, err
	}
	return p, s, nil
}

func (p *partFile) takeUp() (*acquire.State, error) {
	if err := lockAlone(p.f); err != nil {
		return nil, err
	}
	if _, err := os.Lstat(p.name); !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s is there already, and is not overwritten: move it away before you --resume", p.name)
	}
	size, err := p.ownSize()
	if err != nil {
		return nil, err
	}
	s, err := readState(stateName(p.name))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		err = fmt.Errorf("%w: %s can't be gone on with. Remove it, and begin anew", err, p.f.Name())
	case err == nil && size < s.Image.File:
		err = fmt.Errorf("%s has %d bytes and had %d: it was cut since, and can't be gone on with. Remove it and its state, and begin anew", p.f.Name(), size, s.Image.File)
	case err == nil && size > s.Image.File && s.Log.Status == report.Complete:
		err = fmt.Errorf("%s has %d bytes, and had %d when it was whole: somebody has changed it since. Remove it and its state, and begin anew", p.f.Name(), size, s.Image.File)
	}
	return s, err
}

// ownSize is that of a file that is no way to another one, which must not be cut
// or written to because of what a state says that anybody may have put there.
func (p *partFile) ownSize() (int64, error) {
	there, err := os.Lstat(p.f.Name())
	if err != nil {
		return 0, err
	}
	info, err := p.f.Stat()
	if err == nil && (!os.SameFile(there, info) || !info.Mode().IsRegular()) {
		err = fmt.Errorf("%s is no file, but leads to another one: to go on elsewhere, move it there with its state, and say so in place of FILE", p.f.Name())
	}
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

// cutTo drops what is after n bytes, and what was said to be there.
func (p *partFile) cutTo(n int64) error {
	p.end = n
	return p.f.Truncate(n)
}

func (p *partFile) Write(_ context.Context, b []byte) error {
	_, err := p.f.WriteAt(b, p.end)
	if err == nil {
		p.end += int64(len(b))
	}
	return withRoom(err)
}

// Skip makes a hole: the bytes are there once Sync was called.
func (p *partFile) Skip(_ context.Context, n int64) error {
	p.end += n
	return nil
}

func (p *partFile) Sync(context.Context) error {
	info, err := p.f.Stat()
	if err == nil && info.Size() < p.end {
		err = p.f.Truncate(p.end)
	}
	if err == nil {
		err = p.f.Sync()
	}
	return withRoom(err)
}

// finish gives the image its name. Its state is dropped after that: what is
// left when the machine stops in between hinders nobody.
func (p *partFile) finish() error {
	if _, err := os.Lstat(p.name); !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s has come to be meanwhile, and is not overwritten: the whole image is %s; move the other away, and --resume", p.name, p.f.Name())
	}
	if runtime.GOOS == "windows" {
		p.Close() // an open file keeps its name there
	}
	if err := os.Rename(p.f.Name(), p.name); err != nil {
		return err
	}
	if err := syncFolder(p.name); err != nil {
		return err
	}
	return os.Remove(stateName(p.name))
}

// Close gives up the lock.
func (p *partFile) Close() { p.f.Close() }
