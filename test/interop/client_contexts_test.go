package interop

import (
	"bytes"
	"context"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"nbdbridge/nbd"
)

// mapOf asks for the whole range, in as many calls as it takes.
func mapOf(ctx context.Context, t *testing.T, disk *nbd.Disk, name string, off, n int64) (extents []nbd.Extent) {
	t.Helper()
	for end := off + n; off < end; {
		got, err := disk.BlockStatus(ctx, off, end-off, 0, name)
		if err != nil {
			t.Fatal(err)
		}
		if len(got) != 1 || len(got[name]) == 0 {
			t.Fatalf("asked for %s, got %v", name, got)
		}
		for _, e := range got[name] {
			if e.Offset != off || e.Length <= 0 || off+e.Length > end {
				t.Fatalf("extent %v at %d of %d", e, off, end)
			}
			off += e.Length
		}
		extents = merge(extents, got[name])
	}
	return extents
}

// merge joins what is next to its like.
func merge(extents, more []nbd.Extent) []nbd.Extent {
	for _, e := range more {
		if last := len(extents) - 1; last >= 0 && extents[last].Status == e.Status {
			extents[last].Length += e.Length
		} else {
			extents = append(extents, e)
		}
	}
	return extents
}

const mega = 1 << 20

// hole is what reads as zeroes because nothing is there.
const hole = int64(nbd.StateHole | nbd.StateZero)

// overlayMaps is what qemu must tell of its overlay. What lies in the lower
// image is allocated too, one layer further down.
var overlayMaps = map[string][]nbd.Extent{
	"base:allocation":       runs(mega, hole, 2*mega, 0, 5*mega, hole, mega, 0, 55*mega, hole),
	"qemu:dirty-bitmap:b0":  runs(8*mega, 0, mega, 1, 55*mega, 0),
	"qemu:allocation-depth": runs(mega, 0, 2*mega, 2, 5*mega, 0, mega, 1, 55*mega, 0),
}

// runs are extents from 0 on, each of a length in bytes and a status.
func runs(pairs ...int64) (extents []nbd.Extent) {
	var off int64
	for p := range slices.Chunk(pairs, 2) {
		extents = append(extents, nbd.Extent{Offset: off, Length: p[0], Status: uint64(p[1])})
		off += p[0]
	}
	return extents
}

// TestContexts selects all of qemu's metadata contexts and asks for each, for
// all at once, and for an odd range.
func TestContexts(t *testing.T) {
	eachQemu(t, func(t *testing.T, q qemu) {
		s := q.serve(t, "--read-only", "--format=qcow2", "--allocation-depth", "--bitmap=b0", q.overlay(t))
		for _, framing := range []nbd.Framing{nbd.FramingExtended, nbd.FramingStructured} {
			ctx, cfg := testContext(t), plain()
			cfg.Framing = framing
			for name := range overlayMaps {
				cfg.MetaContexts = append(cfg.MetaContexts, name)
			}
			cfg.MetaContexts = append(cfg.MetaContexts, "x-nobody:knows", "qemu:dirty-bitmap:other")
			disk := open(ctx, t, s, cfg)
			defer disk.Close()
			if extended := framing == nbd.FramingExtended && q.extended; (disk.Framing() == nbd.FramingExtended) != extended {
				t.Errorf("framing %v", disk.Framing())
			}
			if len(disk.MetaContexts()) != 3 {
				t.Errorf("selected %q", disk.MetaContexts())
			}
			for name, want := range overlayMaps {
				if got := mapOf(ctx, t, disk, name, 0, 64*mega); !slices.Equal(got, want) {
					t.Errorf("%s: %v, want %v", name, got, want)
				}
			}
			all, err := disk.BlockStatus(ctx, mega-7, 14, nbd.FlagReqOne)
			if err != nil || len(all) != 3 {
				t.Fatalf("all contexts at once: %v, %v", all, err)
			}
			for name, extents := range all {
				if want := overlayMaps[name][0].Status; len(extents) != 1 || extents[0].Offset != mega-7 || extents[0].Status != want {
					t.Errorf("one extent of %s: %v, want status %d", name, extents, want)
				}
			}
		}
	})
}

// TestListContexts asks which there are, without selecting any.
func TestListContexts(t *testing.T) {
	eachQemu(t, func(t *testing.T, q qemu) {
		s := q.serve(t, "--read-only", "--format=qcow2", "--allocation-depth", "--bitmap=b0", q.overlay(t))
		ctx := testContext(t)
		client := dial(ctx, t, s, plain())
		defer client.Close()
		all, err := client.ListMetaContexts(ctx, "")
		if err != nil || len(all) != 3 {
			t.Errorf("all: %q, %v", all, err)
		}
		bitmaps, err := client.ListMetaContexts(ctx, "", "qemu:dirty-bitmap:")
		if err != nil || !slices.Equal(bitmaps, []string{"qemu:dirty-bitmap:b0"}) {
			t.Errorf("bitmaps: %q, %v", bitmaps, err)
		}
	})
}

// TestContextFilter has the server leave contexts out, which its trace shows.
func TestContextFilter(t *testing.T) {
	q := qemu{qemuNew, true}
	need(t, q.program("qemu-nbd"), q.program("qemu-img"), q.program("qemu-io"))
	s, p := q.serveTraced(t, "--trace=nbd_co_receive_block_status_payload_compliance", "--trace=nbd_co_send_extents",
		"--read-only", "--format=qcow2", "--allocation-depth", "--bitmap=b0", q.overlay(t))
	ctx, cfg := testContext(t), plain()
	for name := range overlayMaps {
		cfg.MetaContexts = append(cfg.MetaContexts, name)
	}
	disk := open(ctx, t, s, cfg)
	defer disk.Close()
	if disk.Info().Flags&nbd.FlagBlockStatusPayload == 0 {
		t.Fatalf("flags %#x", disk.Info().Flags)
	}
	for _, c := range [][]string{{"qemu:dirty-bitmap:b0"}, {"base:allocation", "qemu:allocation-depth"}, nil} {
		before := strings.Count(p.text(), "nbd_co_send_extents")
		got, err := disk.BlockStatus(ctx, 0, 64*mega, 0, c...)
		want := len(c)
		if want == 0 {
			want = 3
		}
		if err != nil || len(got) != want {
			t.Errorf("%q: got %v, %v", c, got, err)
		}
		p.until(t, "the trace", func() bool { return strings.Count(p.text(), "nbd_co_send_extents") >= before+want })
		if sent := strings.Count(p.text(), "nbd_co_send_extents") - before; sent != want {
			t.Errorf("%q: the server sent %d contexts, want %d", c, sent, want)
		}
	}
}

// TestLengthsOf64Bits needs one request where there were two: the trace of the
// server shows each.
func TestLengthsOf64Bits(t *testing.T) {
	const size = 10 << 30
	q := qemu{qemuNew, true}
	need(t, q.program("qemu-nbd"), q.program("qemu-img"))
	image := filepath.Join(t.TempDir(), "large.qcow2")
	run(t, q.program("qemu-img"), "create", "-q", "-f", "qcow2", image, "10G")
	s, p := q.serveTraced(t, "--trace=nbd_co_receive_request_decode_type", "--discard=unmap", "--format=qcow2", image)
	ctx, cfg := testContext(t), plain()
	cfg.MetaContexts = []string{"base:allocation"}
	disk := open(ctx, t, s, cfg)
	defer disk.Close()
	if err := disk.Write(ctx, pattern(0, 4096), size-4096, 0); err != nil {
		t.Fatal(err)
	}
	got, err := disk.BlockStatus(ctx, 0, size, 0)
	want := runs(size-65536, hole, 65536, 0)
	if err != nil || !slices.Equal(got["base:allocation"], want) {
		t.Errorf("block status: %v, %v", got, err)
	}
	requests := strings.Count(p.text(), "nbd_co_receive_request")
	if err := disk.WriteZeroes(ctx, 4096, size-4096, 0); err != nil {
		t.Errorf("zeroes: %v", err)
	}
	if err := disk.Trim(ctx, 0, size, 0); err != nil {
		t.Errorf("trim: %v", err)
	}
	if n := strings.Count(p.text(), "nbd_co_receive_request") - requests; n != 2 {
		t.Errorf("%d requests instead of 2:\n%s", n, p.text())
	}
	if got := mapOf(ctx, t, disk, "base:allocation", 0, size); !slices.Equal(got, runs(size, hole)) {
		t.Errorf("afterwards: %v", got)
	}
}

// TestLongRangesIn32Bits are split, where lengths have 32 bits.
func TestLongRangesIn32Bits(t *testing.T) {
	s, _ := nbdkit(t, "memory", "10G")
	ctx, cfg := testContext(t), plain()
	cfg.MetaContexts = []string{"base:allocation"}
	disk := open(ctx, t, s, cfg)
	defer disk.Close()
	if err := disk.Write(ctx, pattern(0, 40_000), 5<<30-20_000, 0); err != nil {
		t.Fatal(err)
	}
	for name, do := range map[string]func(context.Context, int64, int64, nbd.Flags) error{"zeroes": disk.WriteZeroes, "trim": disk.Trim} {
		if err := do(ctx, 0, 10<<30, 0); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if got := mapOf(ctx, t, disk, "base:allocation", 0, 10<<30); !slices.Equal(got, runs(10<<30, hole)) {
		t.Errorf("afterwards: %v", got)
	}
}

// TestMapAgainstContent: what is told to be a hole reads as zeroes.
func TestMapAgainstContent(t *testing.T) {
	for name, args := range map[string][]string{
		"sparse-random": {"sparse-random", "64M", "seed=7"},
		"data":          {"data", `@65536 "hello"*1000 @5000000 "x"`, "size=16M"},
		"no extents":    {"--filter=noextents", "memory", "4M"},
	} {
		t.Run(name, func(t *testing.T) {
			s, _ := nbdkit(t, args...)
			ctx, cfg := testContext(t), plain()
			cfg.MetaContexts = []string{"base:allocation"}
			disk := open(ctx, t, s, cfg)
			defer disk.Close()
			content := make([]byte, disk.Info().Size)
			if err := disk.Read(ctx, content, 0); err != nil {
				t.Fatal(err)
			}
			holes := 0
			for _, e := range mapOf(ctx, t, disk, "base:allocation", 0, disk.Info().Size) {
				if piece := content[e.Offset:][:e.Length]; e.Status&nbd.StateZero != 0 {
					holes++
					if !bytes.Equal(piece, make([]byte, len(piece))) {
						t.Errorf("%v holds data", e)
					}
				}
			}
			if (holes == 0) != (name == "no extents") {
				t.Errorf("%d holes", holes)
			}
		})
	}
}

// TestNoContexts: servers without them select none.
func TestNoContexts(t *testing.T) {
	s := startNbdServer(t, nil)
	ctx, cfg := testContext(t), plain()
	cfg.MetaContexts = []string{"base:allocation"}
	disk := open(ctx, t, s, cfg)
	defer disk.Close()
	if _, err := disk.BlockStatus(ctx, 0, 4096, 0); !errors.Is(err, nbd.ErrNoMetaContext) || len(disk.MetaContexts()) != 0 {
		t.Errorf("got %v, with %q", err, disk.MetaContexts())
	}
}
