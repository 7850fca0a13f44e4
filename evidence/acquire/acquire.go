// Package acquire reads a disk into an image.
package acquire

import (
	"context"

	"nbdbridge/evidence/image"
	"nbdbridge/evidence/report"
)

// A Source is a disk. Its methods are called from several goroutines at once.
type Source interface {
	Size() int64 // bytes
	// Read fills p. An *Unreadable says that these bytes can't be had now; any
	// other error ends the acquisition, which can go on later.
	Read(ctx context.Context, p []byte, offset int64) error
	// Status tells of the bytes from offset on, in order and without gaps, at
	// most length of them and at least one. ErrNoStatus is a server that tells
	// nothing.
	Status(ctx context.Context, offset, length int64) ([]Extent, error)
}

// An Extent is a run of bytes with one status.
type Extent struct {
	Offset, Length int64
	Kind           Kind
}

// A Kind is what blocks hold.
type Kind string

const (
	Data Kind = "data" // also what is not known
	Zero Kind = "zero" // allocated, and reads as zeros
	Hole Kind = "hole" // not allocated, and reads as zeros
)

// A Digest is a hash under way, which may be computed elsewhere.
type Digest interface {
	Name() string // such as "sha256"
	// Write takes the next bytes. It may return before they are hashed, but
	// does not keep p.
	Write(ctx context.Context, p []byte) error
	Zeros(ctx context.Context, n int64) error
	// State and Sum await what was written.
	State(ctx context.Context) ([]byte, error) // for evidence.Resume, at the position that was written up to
	Sum(ctx context.Context) ([]byte, error)
}

// A Job is one acquisition, or one pass over a disk.
type Job struct {
	Source  Source
	Image   *image.Writer // nil: nothing is kept, as in a second pass
	Digests []Digest
	// Log gets sessions, errors, ranges and hashes; its Settings say how to
	// read. It must not be touched by others while Run runs, but in the calls
	// of Checkpoint.
	Log *report.Log
	// Connection is asked at the beginning of the session, and Outages
	// whenever a checkpoint is made.
	Connection report.Connection
	Outages    func() []report.Outage // nil: none
	// Checkpoint is given a state every few seconds, with the image synced,
	// and at the end, also of an acquisition that fails. Nil: no states.
	Checkpoint func(ctx context.Context, s *State) error
	Progress   func(Progress) // nil: nobody asks; at most 10 times a second
}

// A State is all that it takes to go on. It is kept as JSON.
type State struct {
	Offset int64             `json:"offset"` // all before it is in the image
	Image  *image.State      `json:"image,omitempty"`
	Hashes map[string][]byte `json:"hashes"` // states of the digests, by name
	Log    *report.Log       `json:"log"`
}

// A Progress is how far an acquisition has come, in bytes.
type Progress struct {
	Done       int64 `json:"done"`
	Total      int64 `json:"total"`
	Skipped    int64 `json:"skipped"`    // of Done: zeros that were not read
	Lost       int64 `json:"lost"`       // of Done: zeros in place of what could not be read
	Errors     int64 `json:"errors"`     // requests that failed
	Recovering bool  `json:"recovering"` // it reads again what it could not read
}
