package nbd_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"testing"
	"time"

	"nbdbridge/nbd"
)

// A verdict is an error of the caller's connections.
type verdict bool

func (v verdict) Error() string { return fmt.Sprintf("a verdict, final: %t", bool(v)) }
func (v verdict) Final() bool   { return bool(v) }

// A judged connection ends with a verdict.
type judged struct {
	net.Conn
	verdict error
}

func (j judged) Read(p []byte) (int, error) {
	n, err := j.Conn.Read(p)
	return n, j.judge(err)
}

func (j judged) Write(p []byte) (int, error) {
	n, err := j.Conn.Write(p)
	return n, j.judge(err)
}

func (j judged) judge(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("the bridge says: %w", j.verdict)
}

// An error that calls itself final ends the disk, wherever it comes from; one
// that says it is not is an outage like any other.
func TestRedialLastWord(t *testing.T) {
	for _, where := range []string{"loss", "dial", "greeting"} {
		for _, final := range []verdict{true, false} {
			t.Run(fmt.Sprint(where, " ", final), func(t *testing.T) {
				lasting(t, 4096, func(t *testing.T, ctx context.Context, v *volatile) {
					cfg := v.config()
					disk, err := nbd.Redial(ctx, func(ctx context.Context) (net.Conn, error) {
						conn, err := v.dial(ctx)
						switch {
						case where == "dial" && v.dials == 2:
							conn.Close()
							return nil, fmt.Errorf("refused: %w", final)
						case where == "greeting" && v.dials == 2:
							conn.Close()
						case where != "loss" || v.dials > 1:
							return conn, err
						}
						return judged{conn, final}, err
					}, cfg, "x")
					if err != nil {
						t.Fatal(err)
					}
					defer disk.Close()
					write(t, ctx, disk, pattern(512), 0, 0)
					v.cut()
					err = disk.Read(ctx, make([]byte, 1), 0)
					if (err != nil) != bool(final) || err != nil && !errors.Is(err, final) {
						t.Fatalf("Read: %v", err)
					}
					dials := map[string][2]int{"loss": {2, 1}, "dial": {3, 2}, "greeting": {3, 2}}[where]
					if !final {
						if v.dials != dials[0] {
							t.Errorf("%d dials", v.dials)
						}
						return
					}
					if err := disk.Flush(ctx); !errors.Is(err, nbd.ErrUnflushed) || !errors.Is(err, final) {
						t.Errorf("Flush: %v", err)
					}
					if v.dials != dials[1] || !errors.Is(disk.Wait(), final) || v.events[len(v.events)-1].Kind != nbd.EventEnded {
						t.Errorf("%d dials, Wait: %v, events %v", v.dials, disk.Wait(), v.kinds())
					}
				})
			})
		}
	}
}

// The time of a program that does not run, such as a frozen page, is no
// attempt that has failed.
func TestRedialFrozen(t *testing.T) {
	lasting(t, 4096, func(t *testing.T, ctx context.Context, v *volatile) {
		cfg := v.config()
		cfg.GiveUpAfter = 2 * time.Minute
		disk := v.open(cfg)
		v.onDial = func(n int) error {
			if n == 2 {
				time.Sleep(time.Hour) // whatever its context says
			}
			if n < 6 {
				return errDial
			}
			return nil
		}
		v.cut()
		works(t, ctx, disk)
	})
}
