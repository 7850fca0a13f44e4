package image

import (
	"bytes"
	"io"
	"runtime"
	"testing"
)

// FuzzOpen reads what is no image, or is one that is damaged: every read is
// right, as far as checksums tell, or an error, and memory is bounded.
func FuzzOpen(f *testing.F) {
	f.Add([]byte{})
	f.Add(imageOf(f, Zstd))
	f.Add(imageOf(f, Zstd, part{data: []byte("abc")}, part{zeros: 5}))
	f.Add(imageOf(f, Zstd, part{data: bytes.Repeat([]byte("text "), 100)}, part{zeros: 3 * MaxPiece}))
	f.Add(damaged([]byte("28b52ffd0400"), appendEntry(nil, 12, maxFrame), nil))
	f.Fuzz(func(t *testing.T, file []byte) {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		read(t, file)
		runtime.ReadMemStats(&after)
		// Buffers, and what was read of a file that the fuzzer made.
		if got := after.TotalAlloc - before.TotalAlloc; got > 16<<20+20*uint64(len(file)) {
			t.Errorf("%d bytes were allocated for a file of %d", got, len(file))
		}
	})
}

// read reads the beginning of each frame and the end of the disk.
func read(t *testing.T, file []byte) {
	i, err := Open(Zstd, bytes.NewReader(file), int64(len(file)))
	if err != nil {
		return
	}
	p := make([]byte, 100)
	for k, at := 0, int64(0); k < 5 && at < i.Size(); k, at = k+1, at+i.Size()/4+1 {
		n, err := i.ReadAt(p, at)
		if n < len(p) && err == nil || n > len(p) {
			t.Errorf("%d bytes at %d without an error", n, at)
		}
		if err == io.EOF && at+int64(n) != i.Size() {
			t.Errorf("the disk of %d bytes ends at %d", i.Size(), at+int64(n))
		}
	}
}
