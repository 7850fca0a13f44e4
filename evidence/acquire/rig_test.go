package acquire

import (
	"bytes"
	"context"
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"testing"
	"time"

	"nbdbridge/evidence/image"
	"nbdbridge/evidence/report"
)

// A file is an Output in memory.
type file struct {
	bytes  []byte
	synced int
	write  func(ctx context.Context) error // asked first
}

func (f *file) Write(ctx context.Context, p []byte) error {
	if f.write != nil {
		if err := f.write(ctx); err != nil {
			return err
		}
	}
	f.bytes = append(f.bytes, p...)
	return nil
}

func (f *file) Skip(ctx context.Context, n int64) error { return f.Write(ctx, make([]byte, n)) }

func (f *file) Sync(context.Context) error {
	f.synced = len(f.bytes)
	return nil
}

// A rig acquires, keeps states as their owners do, and goes on from the last.
type rig struct {
	t          testing.TB
	disk       Source
	settings   report.Settings
	offset     int64 // of what is acquired, in the export
	hashes     []string
	format     image.Format
	file       *file
	states     []string // JSON
	log        *report.Log
	digests    []Digest // beside those of the hashes
	checkpoint func(ctx context.Context, s *State) error
	progress   func(Progress)
}

func newRig(t testing.TB, disk Source) *rig {
	return &rig{
		t: t, disk: disk, hashes: []string{"sha256", "md5"}, format: image.Raw, file: new(file),
		settings: report.Settings{Retries: 2, Smallest: 4096, SkipHoles: true},
	}
}

// run goes on from the last state.
func (g *rig) run(ctx context.Context) error {
	g.t.Helper()
	s := g.last()
	job := Job{Source: g.disk, Log: s.Log, Image: g.writer(s), Progress: g.progress, Checkpoint: g.keep}
	for _, name := range g.hashes {
		d, err := NewDigest(name, s.Hashes[name], s.Offset)
		if err != nil {
			g.t.Fatal(err)
		}
		job.Digests = append(job.Digests, d)
	}
	job.Digests = append(job.Digests, g.digests...)
	job.Connection.Protocol = "TLS 1.3"
	job.Outages = func() []report.Outage { return []report.Outage{{Reason: "reset"}} }
	g.log = s.Log
	return Run(ctx, job, s.Offset)
}

// last is the last state, or that of the beginning.
func (g *rig) last() *State {
	g.t.Helper()
	if len(g.states) == 0 {
		return &State{Log: &report.Log{Schema: report.Schema, Settings: g.settings, Source: report.Source{Size: g.offset + g.disk.Size(), Offset: g.offset, Length: g.disk.Size()}}}
	}
	s := new(State)
	if err := json.Unmarshal([]byte(g.states[len(g.states)-1]), s); err != nil {
		g.t.Fatal(err)
	}
	return s
}

// writer cuts the file off where the state is, as one after a crash.
func (g *rig) writer(s *State) *image.Writer {
	g.t.Helper()
	if s.Image == nil {
		g.file.bytes = nil
		w, err := image.NewWriter(g.format, g.file)
		if err != nil {
			g.t.Fatal(err)
		}
		return w
	}
	g.file.bytes = g.file.bytes[:s.Image.File]
	w, err := image.Resume(*s.Image, g.file)
	if err != nil {
		g.t.Fatal(err)
	}
	return w
}

func (g *rig) keep(ctx context.Context, s *State) error {
	if g.checkpoint != nil {
		if err := g.checkpoint(ctx, s); err != nil {
			return err
		}
	}
	if int64(g.file.synced) < s.Image.File {
		g.t.Errorf("a state has %d bytes of the file, and %d are durable", s.Image.File, g.file.synced)
	}
	if s.Image.Disk != s.Offset {
		g.t.Errorf("a state at byte %d has an image of %d bytes", s.Offset, s.Image.Disk)
	}
	encoded, err := json.Marshal(s)
	g.states = append(g.states, string(encoded))
	return err
}

// complete holds a rig to an acquisition that is complete.
func (g *rig) complete(want []byte) {
	g.t.Helper()
	if g.log.Status != report.Complete || g.log.End.IsZero() || g.log.Image.Size != int64(len(g.file.bytes)) {
		g.t.Errorf("the log is %s, ended %v, with an image of %d bytes", g.log.Status, g.log.End, g.log.Image.Size)
	}
	if g.format == image.Raw && !bytes.Equal(g.file.bytes, want) {
		g.t.Errorf("the image of %d bytes differs from the disk, at byte %d", len(g.file.bytes), differ(g.file.bytes, want))
	}
	sha, md := sha256.Sum256(want), md5.Sum(want)
	if g.log.Hashes["sha256"] != hex.EncodeToString(sha[:]) || g.log.Hashes["md5"] != hex.EncodeToString(md[:]) {
		g.t.Errorf("the hashes are %v", g.log.Hashes)
	}
	if last := g.last(); last.Log.Status != report.Complete || last.Offset != int64(len(want)) {
		g.t.Errorf("the last state is %s, at byte %d", last.Log.Status, last.Offset)
	}
	if err := g.log.Check(); err != nil {
		g.t.Error(err)
	}
}

func differ(a, b []byte) int {
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return i
		}
	}
	return min(len(a), len(b))
}

// lasting is what two logs of the same acquisition have in common, however
// often it was interrupted.
func (g *rig) lasting() string {
	log := *g.log
	log.Start, log.End, log.Sessions = time.Time{}, time.Time{}, nil
	log.Errors = nil
	for _, e := range g.log.Errors {
		e.Time = time.Time{}
		log.Errors = append(log.Errors, e)
	}
	encoded, err := json.Marshal(log)
	if err != nil {
		g.t.Fatal(err)
	}
	return string(encoded)
}
