package acquire

import (
	"context"
	"strings"
	"testing"

	"nbdbridge/evidence/image"
	"nbdbridge/evidence/report"
)

// A void takes an image and forgets it.
type void struct{}

func (void) Write(context.Context, []byte) error { return nil }
func (void) Skip(context.Context, int64) error   { return nil }
func (void) Sync(context.Context) error          { return nil }

// BenchmarkRun acquires from memory: several hashes should take no longer than
// the slowest of them, as far as there are processors.
func BenchmarkRun(b *testing.B) {
	for _, hashes := range []string{"", "md5", "sha1", "sha256", "sha256,md5", "md5,sha1,sha256"} {
		b.Run("hashes="+hashes, func(b *testing.B) {
			d := &fakeDisk{data: noise(1, 256<<20)}
			b.SetBytes(d.Size())
			for b.Loop() {
				w, err := image.NewWriter(image.Raw, void{})
				if err != nil {
					b.Fatal(err)
				}
				d.reads = d.reads[:0]
				job := Job{Source: d, Image: w, Log: &report.Log{Source: report.Source{Length: d.Size()}}}
				if hashes != "" {
					job.Digests = newDigests(b, strings.Split(hashes, ",")...)
				}
				if err := Run(b.Context(), job, 0); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
