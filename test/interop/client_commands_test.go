package interop

import (
	"bytes"
	"errors"
	"os"
	"syscall"
	"testing"

	"nbdbridge/nbd"
)

// TestEveryCommand runs every command that a server offers, at odd places, and
// compares its file. What it does not offer is refused before it is sent.
func TestEveryCommand(t *testing.T) {
	eachServer(t, func(t *testing.T, s *target, p *pki) {
		ctx := testContext(t)
		disk := open(ctx, t, s, config(t, p))
		defer disk.Close()
		flags, want := disk.Info().Flags, pattern(0, diskSize)
		check := func(what string, flag nbd.TransmissionFlags, err error) (done bool) {
			if flags&flag != flag && !errors.Is(err, nbd.ENOTSUP) || flags&flag == flag && err != nil {
				t.Errorf("%s, flags %#x: %v", what, flags, err)
			}
			return err == nil
		}
		if check("zeroes", nbd.FlagSendWriteZeroes, disk.WriteZeroes(ctx, 12345, mega, nbd.FlagFUA)) {
			clear(want[12345:][:mega])
		}
		if check("zeroes without a hole", nbd.FlagSendWriteZeroes, disk.WriteZeroes(ctx, 3*mega+1, mega, nbd.FlagNoHole)) {
			clear(want[3*mega+1:][:mega])
		}
		check("cache", nbd.FlagSendCache, disk.Cache(ctx, 1, 2*mega))
		check("unfragmented read", nbd.FlagSendDF, disk.ReadUnfragmented(ctx, make([]byte, 3*mega), 11))
		check("trim", nbd.FlagSendTrim, disk.Trim(ctx, 6*mega+3, mega, nbd.FlagFUA))
		check("flush", nbd.FlagSendFlush, disk.Flush(ctx))

		got := make([]byte, diskSize)
		if err := disk.Read(ctx, got, 0); err != nil {
			t.Fatal(err)
		}
		copy(want[6*mega+3:][:mega], got[6*mega+3:]) // undefined after the trim
		if !bytes.Equal(got, want) {
			t.Error("the content differs")
		}
	})
}

// TestTrimGivesBack looks at the space that the server's file takes.
func TestTrimGivesBack(t *testing.T) {
	eachQemu(t, func(t *testing.T, q qemu) {
		file := patternFile(t)
		s := q.serve(t, "--format=raw", "--discard=unmap", file)
		ctx := testContext(t)
		disk := open(ctx, t, s, plain())
		defer disk.Close()
		before := allocated(t, file)
		if err := disk.Trim(ctx, mega, 3*mega, 0); err != nil {
			t.Fatal(err)
		}
		if err := disk.WriteZeroes(ctx, 5*mega, mega, 0); err != nil {
			t.Fatal(err)
		}
		if freed := before - allocated(t, file); freed < 3*mega {
			t.Errorf("%d of 4 MiB were given back", freed)
		}
		if err := disk.WriteZeroes(ctx, mega, 3*mega, nbd.FlagNoHole); err != nil {
			t.Fatal(err)
		}
		if gone := before - allocated(t, file); gone > 2*mega {
			t.Errorf("after zeroes without a hole, %d bytes less are allocated", gone)
		}
	})
}

// allocated is what a file takes on its disk, in bytes.
func allocated(t *testing.T, name string) int64 {
	t.Helper()
	info, err := os.Stat(name)
	if err != nil {
		t.Fatal(err)
	}
	return info.Sys().(*syscall.Stat_t).Blocks * 512
}
