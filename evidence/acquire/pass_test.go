package acquire

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"

	"nbdbridge/evidence/report"
)

func newDigests(t testing.TB, names ...string) []Digest {
	t.Helper()
	var digests []Digest
	for _, name := range names {
		d, err := NewDigest(name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		digests = append(digests, d)
	}
	return digests
}

// TestPassEqual reads disks again after their acquisition: what was lost stays
// unread, and the hashes are the same.
func TestPassEqual(t *testing.T) {
	for seed := range uint64(20) {
		synctest.Test(t, func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 10))
			data, extents := random(r)
			bad := map[int64]int{}
			for range 10 {
				bad[r.Int64N(int64(len(data))/512+1)] = -1
			}
			fails := sectors(bad)
			d := &fakeDisk{data: data, extents: extents, failing: func(offset, length int64) error {
				if fails(offset, length, 0) {
					return errBad
				}
				return nil
			}}
			g := newRig(t, d)
			g.settings.Smallest = 512
			if err := g.run(t.Context()); err != nil {
				t.Fatal(err)
			}
			d.reads = nil
			var last Progress
			hashes, err := Pass(t.Context(), d, g.log.ZeroFilled, newDigests(t, "sha256"), func(p Progress) { last = p })
			if err != nil || hashes["sha256"] != g.log.Hashes["sha256"] {
				t.Errorf("seed %d: %v, %v, want %v", seed, hashes, err, g.log.Hashes)
			}
			if last.Done != d.Size() || last.Errors > 0 {
				t.Errorf("seed %d: the last progress was %+v", seed, last)
			}
			for _, z := range g.log.ZeroFilled {
				if i := slices.IndexFunc(d.reads, func(e Extent) bool { return e.Offset < z.Offset+z.Length && e.Offset+e.Length > z.Offset }); i >= 0 {
					t.Errorf("seed %d: %v was read for %v", seed, d.reads[i], z)
				}
			}
		})
	}
}

// TestPassFails ends with why there are no hashes.
func TestPassFails(t *testing.T) {
	why := errors.New("enough")
	cases := map[string]struct {
		fail  func(d *fakeDisk, cancel func())
		zeros []report.Range
		check func(err error) bool
	}{
		"unreadable": {func(d *fakeDisk, _ func()) { d.failing = func(int64, int64) error { return errBad } }, nil, isUnreadable},
		"gone":       {func(d *fakeDisk, _ func()) { d.failing = func(int64, int64) error { return errGone } }, nil, func(err error) bool { return errors.Is(err, ErrSource) && errors.Is(err, errGone) }},
		"cancelled":  {func(d *fakeDisk, cancel func()) { d.request = func(int) error { cancel(); return nil } }, nil, func(err error) bool { return err == why }},
		"unsorted":   {func(*fakeDisk, func()) {}, []report.Range{{Offset: 10, Length: 1}, {Offset: 5, Length: 1}}, func(err error) bool { return err != nil }},
		"beyond":     {func(*fakeDisk, func()) {}, []report.Range{{Offset: 3 << 20, Length: 1}}, func(err error) bool { return err != nil }},
		"endless":    {func(*fakeDisk, func()) {}, []report.Range{{Offset: 1, Length: 1<<63 - 1}}, func(err error) bool { return err != nil }},
		"empty":      {func(*fakeDisk, func()) {}, []report.Range{{Offset: 1}}, func(err error) bool { return err != nil }},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancelCause(t.Context())
				d := &fakeDisk{data: noise(9, 3<<20)}
				c.fail(d, func() { cancel(why) })
				if hashes, err := Pass(ctx, d, c.zeros, newDigests(t, "md5"), nil); hashes != nil || !c.check(err) {
					t.Errorf("%v, %v", hashes, err)
				}
				if _, err := Pass(t.Context(), &fakeDisk{data: noise(9, 3<<20)}, nil, []Digest{badDigest{"write"}}, nil); !errors.Is(err, ErrDigest) {
					t.Errorf("with a digest that fails: %v", err)
				}
			})
		})
	}
}

// TestPassRetries reads a disk that fails now and then.
func TestPassRetries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fails := chance(3, 300).counted()
		d := &fakeDisk{data: noise(9, 20<<20), failing: func(offset, length int64) error {
			if fails(offset, length) {
				return errBad
			}
			return nil
		}}
		var last Progress
		hashes, err := Pass(t.Context(), d, nil, newDigests(t, "sha256"), func(p Progress) { last = p })
		want := sha256.Sum256(d.data)
		if err != nil || hashes["sha256"] != hex.EncodeToString(want[:]) || last.Errors == 0 {
			t.Errorf("%v, %v, with %d errors", hashes, err, last.Errors)
		}
	})
}

func TestNewDigest(t *testing.T) {
	if _, err := NewDigest("rot13", nil, 0); err == nil {
		t.Error("there is a hash rot13")
	}
	if _, err := NewDigest("md5", nil, 5); err == nil {
		t.Error("a hash goes on at byte 5 without a state")
	}
	d := newDigests(t, "md5")[0]
	_ = d.Write(t.Context(), []byte("abc"))
	state, err := d.State(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := NewDigest("md5", state, 2); err == nil {
		t.Error("a state at byte 3 will do for byte 2")
	}
	again, err := NewDigest("md5", state, 3)
	if err != nil {
		t.Fatal(err)
	}
	_ = again.Zeros(t.Context(), 2)
	if sum, _ := again.Sum(t.Context()); hex.EncodeToString(sum) != "5a6fdb6e10e458a53635a48e0f1ddae3" || again.Name() != "md5" {
		t.Errorf("the hash is %x", sum)
	}
}
