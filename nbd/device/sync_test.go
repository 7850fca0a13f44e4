package device

import (
	"errors"
	"os"
	"testing"

	"nbdbridge/nbd"
)

// A write that the system has lost is told to every client that asks, and not
// to the first one alone.
func TestFileSyncFailsForGood(t *testing.T) {
	d := &File{lost: nbd.EIO}
	for range 2 {
		if err := d.Sync(); !errors.Is(err, nbd.EIO) {
			t.Error(err)
		}
	}
	f, err := os.CreateTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	f.Close()
	d = &File{f: f}
	if first, second := d.Sync(), d.Sync(); first == nil || first != second {
		t.Errorf("%v, then %v", first, second)
	}
}
