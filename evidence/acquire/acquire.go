// Package acquire reads a disk into an image, whatever it takes, and hashes it.
package acquire

import (
	"context"
	"errors"

	"nbdbridge/evidence/image"
	"nbdbridge/evidence/report"
)

// Why an acquisition ended before its end. Each wraps what happened. One whose
// context ended ends with the context's cause.
var (
	// ErrSource is a disk that is gone. With another connection the acquisition
	// can go on from its last state, which is that of its end.
	ErrSource = errors.New("the disk is gone for now, and the acquisition can go on with another connection")
	// ErrImage is a file that can't be written, ErrDigest a hash that can't be
	// computed, and ErrCheckpoint a state that could not be kept. The last state
	// that was kept counts; there is none of the end.
	ErrImage      = errors.New("the image can't be written")
	ErrDigest     = errors.New("a hash can't be computed")
	ErrCheckpoint = errors.New("the state of the acquisition can't be kept")
)

// ErrNoStatus is a Source that tells nothing of its blocks.
var ErrNoStatus = errors.New("the server tells nothing of its blocks")

// An Unreadable is a request that failed while the connection goes on.
type Unreadable struct{ Err error }

func (e *Unreadable) Error() string { return e.Err.Error() }

func (e *Unreadable) Unwrap() error { return e.Err }

// A Source is a disk. Its methods are called from several goroutines at once,
// and return soon after their context has ended.
type Source interface {
	Size() int64 // bytes; always the same
	// Read fills p, of at most image.MaxPiece bytes, and does not touch it after
	// it has returned. An *Unreadable says that these bytes can't be had now;
	// any other error ends the acquisition, which can go on later.
	Read(ctx context.Context, p []byte, offset int64) error
	// Status tells of the bytes from offset on, in order and without gaps, at
	// most length of them and at least one. What it tells otherwise is not
	// believed: then all of them are read, as after an *Unreadable. ErrNoStatus
	// is a server that tells nothing, and is not asked again.
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

// A Digest is a hash under way, which may be computed elsewhere. Its methods are
// not called at once, but those of several digests are. Whoever made it ends it,
// after Run or Pass has returned.
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

// A Job is one acquisition.
type Job struct {
	Source  Source
	Image   *image.Writer // at the position from which Run goes on; nil: nothing is kept
	Digests []Digest      // the same
	// Log gets sessions, errors, ranges and hashes; its Settings say how to
	// read, and its Source.Length is the Size of the Source. Settings.Smallest
	// becomes a power of two, no less than 512 and the server's minimum block,
	// and at most image.MaxPiece. A log that has sessions must pass its Check.
	// It must not be touched by others while Run runs, but in the calls of
	// Checkpoint and Progress.
	Log *report.Log
	// Connection is that of the session that begins. Outages are asked for
	// whenever a checkpoint is made, and at the end.
	Connection report.Connection
	Outages    func() []report.Outage // nil: none
	// Checkpoint is given a state every few seconds, with the image synced,
	// and at the end, but not when the image, a digest or a checkpoint has
	// failed. The state's Log is the Job's, so it must be encoded before
	// Checkpoint returns. After the end of Run's context it has a few seconds.
	// Nil: no states.
	Checkpoint func(ctx context.Context, s *State) error
	Progress   func(Progress) // nil: nobody asks; at most 10 times a second, and at the end
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
