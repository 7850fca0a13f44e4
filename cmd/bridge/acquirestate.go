package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"time"

	"nbdbridge/evidence/acquire"
	"nbdbridge/evidence/report"
)

// maxState is how many bytes of a state are read. The table of the frames of a
// compressed disk takes 11 bytes for each MiB: 1.4 GiB when it is full.
const maxState = 2 << 30

// keep makes a state durable, in the place of the one before.
func (p *partFile) keep(s *acquire.State) error {
	text, err := json.Marshal(s)
	if err != nil {
		return err
	}
	return withRoom(writeDurably(stateName(p.name), text))
}

// keepBegun has the state tell of a session that may be ended from outside
// before it has a state of its own.
func (a *acquisition) keepBegun() error {
	s, log := *a.state, *a.log
	session := report.Session{Start: time.Now().UTC(), From: s.Offset, To: s.Offset, Connection: a.connection}
	if log.Start.IsZero() {
		log.Start = session.Start
	}
	log.Status, log.Sessions = report.Running, append(slices.Clone(log.Sessions), session)
	s.Log = &log
	return a.part.keep(&s)
}

// keepFailed has the last state tell of the end of a session that had no state
// of its own then. What was written after it makes room for that.
func (a *acquisition) keepFailed() {
	s, err := readState(stateName(a.File))
	if err != nil || a.part.cutTo(s.Image.File) != nil {
		return
	}
	n := len(a.log.Sessions) - 1
	last := a.log.Sessions[n]
	last.To = s.Offset
	s.Log.Status, s.Log.Sessions = report.Paused, append(s.Log.Sessions[:n], last)
	_ = a.part.keep(s) // or it stays as one that was ended from outside
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
	if err = json.Unmarshal(text, s); err == nil && (s.Log == nil || s.Image == nil || s.Log.Schema != report.Schema) {
		err = errors.New("it is of another version of bridge acquire")
	}
	if err != nil {
		return nil, fmt.Errorf("%s is no state of an acquisition: %w", name, err)
	}
	return s, nil
}

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
