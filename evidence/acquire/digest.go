package acquire

import (
	"context"

	"nbdbridge/evidence"
)

// NewDigest begins a hash of package evidence, or goes on with one where State
// was called, position bytes from the beginning; without a state position is 0.
// It holds nothing that must be ended.
func NewDigest(name string, state []byte, position int64) (Digest, error) {
	begin := func() (*evidence.Hash, error) { return evidence.Resume(name, state, position) }
	if len(state) == 0 && position == 0 {
		begin = func() (*evidence.Hash, error) { return evidence.New(name) }
	}
	hash, err := begin()
	if err != nil {
		return nil, err
	}
	return &digest{name: name, hash: hash}, nil
}

// A digest hashes on the goroutine that writes to it.
type digest struct {
	name string
	hash *evidence.Hash
}

func (d *digest) Name() string { return d.name }

func (d *digest) Write(_ context.Context, p []byte) error {
	_, err := d.hash.Write(p)
	return err
}

func (d *digest) Zeros(_ context.Context, n int64) error {
	d.hash.WriteZeros(n)
	return nil
}

func (d *digest) State(context.Context) ([]byte, error) { return d.hash.State() }

func (d *digest) Sum(context.Context) ([]byte, error) { return d.hash.Sum(), nil }
