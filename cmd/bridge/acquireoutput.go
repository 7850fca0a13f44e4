package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"

	"nbdbridge/evidence/acquire"
	"nbdbridge/evidence/report"
)

// maxState is how many bytes of a state are read. The table of the frames of a
// compressed disk takes 11 bytes for each MiB.
const maxState = 1 << 30

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
	s, err := readState(stateName(p.name))
	if err != nil || s.Image == nil {
		return s, err
	}
	info, err := p.f.Stat()
	if err == nil && info.Size() < s.Image.File {
		err = fmt.Errorf("%s has %d bytes and had %d: it was cut since, and can't be gone on with. Remove it and its state, and begin anew", p.f.Name(), info.Size(), s.Image.File)
	}
	return s, err
}

func readState(name string) (*acquire.State, error) {
	info, err := os.Stat(name)
	if err == nil && info.Size() > maxState {
		err = fmt.Errorf("%s: %d bytes are too many for a state", name, info.Size())
	}
	if err != nil {
		return nil, err
	}
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	s := &acquire.State{}
	if err = json.Unmarshal(text, s); err == nil && (s.Log == nil || s.Log.Schema != report.Schema) {
		err = errors.New("it is of another version of bridge acquire")
	}
	if err != nil {
		return nil, fmt.Errorf("%s is no state of an acquisition: %w", name, err)
	}
	return s, nil
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

// keep makes a state durable, in the place of the one before.
func (p *partFile) keep(s *acquire.State) error {
	text, err := json.Marshal(s)
	if err != nil {
		return err
	}
	return withRoom(writeDurably(stateName(p.name), text))
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

// writeDurably replaces a file as a whole or not at all.
func writeDurably(name string, content []byte) (err error) {
	fresh := name + ".new"
	_ = os.Remove(fresh) // of one that was ended in between
	f, err := os.OpenFile(fresh, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(fresh)
		}
	}()
	_, err = f.Write(content)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err = os.Rename(fresh, name); err != nil {
		return err
	}
	return syncFolder(name)
}

// syncFolder makes durable what a file is called.
func syncFolder(name string) error {
	if runtime.GOOS == "windows" {
		return nil // it knows no such thing
	}
	d, err := os.Open(filepath.Dir(name))
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
