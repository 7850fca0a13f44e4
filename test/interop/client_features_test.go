package interop

import (
	"bytes"
	"errors"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"nbdbridge/nbd"
)

// TestFraming is what becomes of the best that we ask for.
func TestFraming(t *testing.T) {
	for _, c := range []struct {
		name string
		args []string
		asks nbd.Framing
		want nbd.Framing
	}{
		{"no extended headers there", nil, nbd.FramingExtended, nbd.FramingStructured},
		{"structured replies asked for", nil, nbd.FramingStructured, nbd.FramingStructured},
		{"none asked for", nil, nbd.FramingSimple, nbd.FramingSimple},
		{"no structured replies there", []string{"--no-sr"}, nbd.FramingExtended, nbd.FramingSimple},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, _ := nbdkit(t, append(c.args, "--filter=error", "pattern", "4M", "error-pread=EIO", "error-pread-rate=100%", "error-file=/nonexistent")...)
			ctx, cfg := testContext(t), plain()
			cfg.Framing, cfg.MetaContexts = c.asks, []string{"base:allocation"}
			disk := open(ctx, t, s, cfg)
			defer disk.Close()
			if disk.Framing() != c.want {
				t.Errorf("framing %v, want %v", disk.Framing(), c.want)
			}
			got := make([]byte, 3<<20)
			if err := disk.Read(ctx, got, 17); err != nil || !bytes.Equal(got, pattern(17, len(got))) {
				t.Errorf("read: %v", err)
			}
			_, err := disk.BlockStatus(ctx, 0, 4096, 0)
			if simple := c.want == nbd.FramingSimple; errors.Is(err, nbd.ErrNoMetaContext) != simple || (err != nil) != simple {
				t.Errorf("block status: %v", err)
			}
			err = disk.ReadUnfragmented(ctx, got[:4096], 17)
			if simple := c.want == nbd.FramingSimple; errors.Is(err, nbd.ENOTSUP) != simple || (err != nil) != simple {
				t.Errorf("unfragmented read: %v", err)
			}
		})
	}
}

// TestTransmissionFlags: a command that is not offered is refused before it
// is sent, and no other.
func TestTransmissionFlags(t *testing.T) {
	const trim, zeroes, fast, multi, cache = nbd.FlagSendTrim, nbd.FlagSendWriteZeroes, nbd.FlagSendFastZero, nbd.FlagCanMultiConn, nbd.FlagSendCache
	for _, c := range []struct {
		name      string
		args      []string
		has, lack nbd.TransmissionFlags
		slow      bool
	}{
		{"memory", []string{"memory", "1M"}, trim | zeroes | fast | multi | cache, nbd.FlagReadOnly, false},
		{"nozero", []string{"--filter=nozero", "memory", "1M"}, trim, zeroes | fast, false},
		{"nozero emulates", []string{"--filter=nozero", "memory", "1M", "zeromode=emulate"}, zeroes | fast, 0, true},
		{"no multi-conn", []string{"--filter=multi-conn", "memory", "1M", "multi-conn-mode=disable"}, trim, multi, false},
		{"no cache", []string{"--filter=nocache", "memory", "1M"}, trim, cache, false},
		{"no trim", []string{"eval", "get_size=echo 1M", "pread=head -c $3 /dev/zero", "pwrite=cat >/dev/null", "can_write=exit 0"}, zeroes | fast, trim, true},
		{"read-only", []string{"-r", "memory", "1M"}, nbd.FlagReadOnly, trim | zeroes | fast, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			ctx, disk := openNbdkit(t, c.args...)
			flags := disk.Info().Flags
			if flags&c.has != c.has || flags&c.lack != 0 {
				t.Errorf("flags %#x: want %#x in them, %#x not", flags, c.has, c.lack)
			}
			for _, o := range []struct {
				flag nbd.TransmissionFlags
				err  error
			}{
				{trim, disk.Trim(ctx, 0, 4096, 0)},
				{zeroes, disk.WriteZeroes(ctx, 0, 4096, nbd.FlagNoHole)},
				{fast, disk.WriteZeroes(ctx, 0, 4096, nbd.FlagFastZero)},
				{cache, disk.Cache(ctx, 0, 4096)},
			} {
				want := error(nil)
				if flags&o.flag == 0 {
					want = nbd.ENOTSUP
				}
				if flags&nbd.FlagReadOnly != 0 && o.flag != cache {
					want = nbd.ErrReadOnly
				}
				if c.slow && o.flag == fast { // offered, but zeroes are as slow as a write
					want = nbd.ENOTSUP
				}
				if !errors.Is(o.err, want) {
					t.Errorf("the command of flag %#x: got %v, want %v", o.flag, o.err, want)
				}
			}
		})
	}
}

// withFUA is a request in the log of nbdkit, as opposed to what it can.
var withFUA = regexp.MustCompile(` (Write|Zero|Trim) id=.* fua=1 `)

// TestFUA looks at what reaches the server: the flag where it is offered, and
// a flush of its own where it is not.
func TestFUA(t *testing.T) {
	// nbdkit 1.32 refuses "fuamode=none", which is its default.
	for mode, native := range map[string]bool{"": false, "fuamode=native": true, "fuamode=emulate": true, "fuamode=force": true, "fuamode=pass": true, "fuamode=discard": true} {
		t.Run(mode, func(t *testing.T) {
			logFile := filepath.Join(t.TempDir(), "log")
			args := []string{"--filter=log", "--filter=fua", "memory", "1M", "logfile=" + logFile}
			if mode != "" {
				args = append(args, mode)
			}
			ctx, disk := openNbdkit(t, args...)
			if got := disk.Info().Flags&nbd.FlagSendFUA != 0; got != native {
				t.Fatalf("FUA offered: %t", got)
			}
			for _, err := range []error{
				disk.Write(ctx, make([]byte, 4096), 0, nbd.FlagFUA),
				disk.WriteZeroes(ctx, 0, 4096, nbd.FlagFUA),
				disk.Trim(ctx, 0, 4096, nbd.FlagFUA),
			} {
				if err != nil {
					t.Error(err)
				}
			}
			log := readFile(t, logFile)
			flushes, flags := strings.Count(log, " Flush id="), len(withFUA.FindAllString(log, -1))
			if native && (flushes != 0 || flags != 3) || !native && (flushes != 3 || flags != 0) {
				t.Errorf("%d flushes, %d with FUA:\n%s", flushes, flags, log)
			}
		})
	}
}

// TestExportsByName lists three exports and opens each; another one is unknown.
func TestExportsByName(t *testing.T) {
	s, _ := nbdkit(t, "--filter=exportname", "memory", "1M", "exportname=foo", "exportname=bar", "exportname=ä/ö", "exportname-list=explicit", "exportname-strict=true")
	ctx := testContext(t)
	client := dial(ctx, t, s, plain())
	entries, err := client.List(ctx)
	if err != nil || len(entries) != 3 {
		t.Fatalf("list: %v, %v", entries, err)
	}
	if err := client.Abort(ctx); err != nil {
		t.Error(err)
	}
	for _, e := range entries {
		disk, err := dial(ctx, t, s, plain()).Open(ctx, e.Name)
		if err != nil {
			t.Fatalf("%q: %v", e.Name, err)
		}
		disk.Close()
	}
	client = dial(ctx, t, s, plain())
	defer client.Close()
	if _, err := client.Open(ctx, "baz"); !errors.As(err, new(*nbd.OptionError)) {
		t.Errorf("an unknown export: %v", err)
	}
	if info, err := client.Info(ctx, "foo"); err != nil || info.Size != 1<<20 {
		t.Errorf("after it, on the same connection: %v, %v", info, err)
	}
}

// TestLegacyServers are those of the time before GO and before names.
func TestLegacyServers(t *testing.T) {
	for name, arg := range map[string]string{"newstyle without options": "--mask-handshake=0", "oldstyle": "--oldstyle"} {
		t.Run(name, func(t *testing.T) {
			s, _ := nbdkit(t, arg, "pattern", "1M")
			if err := tryClient(t, s, plain()); err == nil {
				t.Error("opened without Legacy")
			}
			if err := tryClient(t, s, &nbd.Config{TLS: nbd.TLSConfig{Insecure: true}}); !errors.Is(err, nbd.ErrDowngrade) {
				t.Errorf("with TLS required: %v", err)
			}
			ctx, cfg := testContext(t), plain()
			cfg.Legacy = true
			disk := open(ctx, t, s, cfg)
			got := make([]byte, 100_000)
			if err := disk.Read(ctx, got, 77); err != nil || !bytes.Equal(got, pattern(77, len(got))) || disk.Info().Size != 1<<20 {
				t.Errorf("reading: %v; %v", err, disk.Info())
			}
			if err := disk.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}
