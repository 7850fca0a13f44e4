package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"

	"nbdbridge/bridge"
	"nbdbridge/evidence/acquire"
	"nbdbridge/nbd"
	"nbdbridge/nbd/device"
)

// A failing device answers every read with an errno.
type failing struct {
	*device.Memory
	errno nbd.Errno
}

func (f failing) ReadAt([]byte, int64) (int, error) { return 0, f.errno }

// appendTo lets a file grow to a size, with bytes at its end so far.
func appendTo(name string, b []byte, size int64) error {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	return errors.Join(err, f.Close(), os.Truncate(name, size))
}

// openLab opens a device over NBD.
func openLab(t *testing.T, d nbd.Device) *nbd.LastingDisk {
	t.Helper()
	e, err := parseEndpoint("nbd://" + newServer(t, serverOf(nil, nbd.Export{Name: "a", Device: d, ReadOnly: true})))
	if err != nil {
		t.Fatal(err)
	}
	disk, err := openSource(t.Context(), e, &nbd.Config{TLSMode: nbd.TLSOff, ReadOnly: true}, "a", time.Second, &outages{tell: func(string) {}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { disk.Close() })
	return disk
}

func TestExportSource(t *testing.T) {
	name := newFile(t, "disk", "")
	err := os.Truncate(name, 512<<10)
	if err == nil {
		err = appendTo(name, []byte("content"), 1<<20)
	}
	if err != nil {
		t.Fatal(err)
	}
	file, err := device.OpenFile(name, true)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	disk := openLab(t, file)
	s := &exportSource{disk, 256 << 10, 512 << 10}
	p := make([]byte, 7)
	if err := s.Read(t.Context(), p, 256<<10); err != nil || string(p) != "content" || s.Size() != 512<<10 {
		t.Errorf("%q of %d bytes, error %v", p, s.Size(), err)
	}
	extents, err := s.Status(t.Context(), 0, s.Size())
	end := int64(0)
	for _, x := range extents {
		if x.Offset != end || x.Length <= 0 || x.Offset <= 256<<10 && 256<<10 < x.Offset+x.Length && x.Kind != acquire.Data {
			t.Errorf("%+v", extents)
		}
		end += x.Length
	}
	if err != nil || end != s.Size() || !slices.ContainsFunc(extents, func(x acquire.Extent) bool { return x.Kind == acquire.Hole }) {
		t.Errorf("up to %d, error %v: %+v", end, err, extents)
	}
}

// A server that says that it can't read is another thing than one that is gone.
func TestUnreadable(t *testing.T) {
	for errno, want := range map[nbd.Errno]bool{
		nbd.EIO: true, nbd.ENOMEM: true, nbd.EINVAL: true, nbd.EOVERFLOW: true, nbd.EPERM: true, nbd.ENOSPC: true, nbd.ENOTSUP: true, nbd.ESHUTDOWN: false,
	} {
		err := unreadable(fmt.Errorf("reading: %w", &nbd.OpError{Op: "read", Errno: errno}))
		if got := errors.As(err, new(*acquire.Unreadable)); got != want || !errors.Is(err, errno) {
			t.Errorf("%v: %v, want %v", errno, got, want)
		}
	}
	for _, err := range []error{net.ErrClosed, nbd.ErrRequestTimeout, &nbd.IdentityError{}, &nbd.ProtocolError{}} {
		if errors.As(unreadable(err), new(*acquire.Unreadable)) {
			t.Errorf("%v is taken for an answer", err)
		}
	}
	if !errors.As(unreadable(fmt.Errorf("reading: %w", nbd.ErrOutOfRange)), new(*acquire.Unreadable)) {
		t.Error("what no request reaches ends an acquisition")
	}
	disk := openLab(t, failing{device.NewMemory(make([]byte, 4096)), nbd.EIO})
	if err := (&exportSource{disk, 0, 4096}).Read(t.Context(), make([]byte, 512), 0); !errors.As(err, new(*acquire.Unreadable)) {
		t.Error(err)
	}
}

func TestKindOf(t *testing.T) {
	for state, want := range map[uint64]acquire.Kind{
		0: acquire.Data, nbd.StateHole: acquire.Data, nbd.StateZero: acquire.Zero, nbd.StateHole | nbd.StateZero: acquire.Hole, 1 << 20: acquire.Data,
	} {
		if got := kindOf(state); got != want {
			t.Errorf("%b: %s, want %s", state, got, want)
		}
	}
}

func TestOutages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var told []string
		o := &outages{tell: func(text string) { told = append(told, text) }}
		events := func(kinds ...nbd.EventKind) {
			for _, k := range kinds {
				o.heard(nbd.Event{Kind: k, Cause: errors.New("gone")})
				time.Sleep(time.Second)
			}
		}
		events(nbd.EventConnected, nbd.EventLost, nbd.EventRetrying, nbd.EventConnected, nbd.EventLost)
		got := o.all()
		if len(got) != 2 || got[0].End.Sub(got[0].Start) != 2*time.Second || got[0].Reason != "gone" || got[0].Start.Location() != time.UTC || !got[1].End.IsZero() || len(told) != 3 {
			t.Errorf("%+v, %q", got, told)
		}
		for range maxOutages {
			events(nbd.EventConnected, nbd.EventLost)
		}
		got = o.all()
		if last := got[len(got)-1]; len(got) != maxOutages || !last.End.IsZero() || missing(last.Reason, "more of them", "gone") != "" {
			t.Errorf("%d, the last %+v", len(got), last)
		}
	})
}

// What another dial can't mend is not dialled again.
func TestEndsForGood(t *testing.T) {
	for code, want := range map[websocket.StatusCode]bool{
		bridge.StatusUnknownTarget: true, bridge.StatusEnded: true, bridge.StatusUnauthorised: false, bridge.StatusDraining: false, bridge.StatusSessionAge: false,
	} {
		var word interface{ Final() bool }
		if !errors.As(explain(websocket.CloseError{Code: code}), &word) || word.Final() != want {
			t.Errorf("%d: final %v", code, !want)
		}
	}
}
