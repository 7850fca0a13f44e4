package fs

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"testing"
)

// A file may name many records, and all of them be the same few bytes of the
// disk: what they take in memory is bounded all the same.
func TestNTFSRecordsWithoutEnd(t *testing.T) {
	full := func(attribute []byte, size int64) []byte {
		raw := make([]byte, size)
		copy(raw, "FILE")
		le.PutUint16(raw[4:], 48)
		le.PutUint16(raw[6:], 1)
		le.PutUint16(raw[20:], 56)
		le.PutUint32(raw[24:], uint32(size))
		le.PutUint64(raw[32:], 7)
		at := 56
		for ; at+len(attribute)+4 <= len(raw); at += len(attribute) {
			copy(raw[at:], attribute)
		}
		le.PutUint32(raw[at:], ntfsEnd)
		return raw
	}
	small := make([]byte, 24)
	small[0], small[4] = ntfsData, byte(len(small))
	runs := make([]byte, 60<<10)
	runs[0], runs[8], runs[32] = ntfsData, 1, 64
	le.PutUint32(runs[4:], uint32(len(runs)))
	for i := 64; i+2 < len(runs); i += 2 {
		runs[i], runs[i+1] = 1, 1
	}
	for name, c := range map[string]struct {
		attribute []byte
		size      int64
		records   int
	}{"attributes": {small, 64 << 10, 500}, "runs": {runs, 64 << 10, 500}, "records": {runs, 64 << 10, 513}} {
		t.Run(name, func(t *testing.T) {
			raw := full(c.attribute, c.size)
			n := &ntfs{ntfsBoot: &ntfsBoot{cluster: c.size, recordSize: c.size}, mft: &ntfsAttribute{size: 1 << 40, written: 1 << 40}}
			list := make([]byte, 32*c.records)
			for i := range c.records {
				n.mft.runs = append(n.mft.runs, run{first: int64(i), count: 1, kind: ExtentData})
				le.PutUint16(list[32*i+4:], 32)
				le.PutUint64(list[32*i+16:], uint64(i))
			}
			f := &ntfsFile{ref: ntfsRef{number: 7}, attributes: []*ntfsAttribute{{kind: ntfsList, resident: true, value: list, size: int64(len(list))}}}
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			err := n.addListed(newSource(context.Background(), NewPages(&testDisk{data: raw}, c.size, 0)), f)
			runtime.ReadMemStats(&after)
			if took := after.TotalAlloc - before.TotalAlloc; !errors.Is(err, ErrLimit) || took > 256<<20 {
				t.Errorf("%d MiB, error %v", took>>20, fmt.Sprintf("%.200v", err))
			}
		})
	}
}
