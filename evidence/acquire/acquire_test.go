package acquire

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"testing"
	"testing/synctest"

	"nbdbridge/evidence/report"
)

func TestRunHashes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &fakeDisk{data: bytes.Repeat([]byte("disk"), 1<<20+5)}
		h, err := NewDigest("sha256", nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		log := &report.Log{Source: report.Source{Length: d.Size()}}
		if err := Run(t.Context(), Job{Source: d, Digests: []Digest{h}, Log: log}, 0); err != nil {
			t.Fatal(err)
		}
		want := sha256.Sum256(d.data)
		if log.Hashes["sha256"] != hex.EncodeToString(want[:]) {
			t.Errorf("hashes %v", log.Hashes)
		}
	})
}
