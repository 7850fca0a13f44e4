package nbd_test

import (
	"bytes"
	"context"
	"errors"
	"net"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"nbdbridge/nbd"
)

// down makes every attempt but the first fail.
func (v *volatile) down() { v.onDial = func(int) error { return errDial } }

// The bound of the delays doubles up to ten seconds, the delays are drawn from
// all below it, and after GiveUpAfter the disk ends with everyone on it.
func TestRedialGivesUp(t *testing.T) {
	var longest time.Duration
	early := 0
	for range 20 {
		lasting(t, 4096, func(t *testing.T, ctx context.Context, v *volatile) {
			cfg := v.config()
			cfg.GiveUpAfter = 5 * time.Minute
			disk := v.open(cfg)
			write(t, ctx, disk, pattern(512), 1024, 0)
			v.down()
			v.cut()
			begin := time.Now()
			err := disk.Read(ctx, make([]byte, 1), 0)
			if d := time.Since(begin); d != cfg.GiveUpAfter || !errors.Is(err, errDial) {
				t.Errorf("gave up after %v: %v", d, err)
			}
			if cause := disk.Wait(); !errors.Is(err, cause) || cause == nil {
				t.Errorf("Wait: %v", cause)
			}
			for range 2 {
				if err := disk.Flush(ctx); !errors.Is(err, nbd.ErrUnflushed) || !errors.Is(err, errDial) {
					t.Errorf("Flush: %v", err)
				}
			}
			if err := disk.Close(); !errors.Is(err, nbd.ErrUnflushed) || disk.Wait() == nil {
				t.Errorf("Close: %v, Wait: %v", err, disk.Wait())
			}
			for i, e := range v.events[2:] {
				if e.Kind == nbd.EventEnded && i+3 == len(v.events) {
					break
				}
				bound := 10 * time.Second
				if i < 7 {
					bound = 100 * time.Millisecond << i
				}
				longest = max(longest, e.Delay)
				if e.Delay < bound/2 {
					early++
				}
				if e.Kind != nbd.EventRetrying || e.Attempt != i+1 || e.Delay < 0 || e.Delay > bound || e.Cause == nil {
					t.Errorf("event %d: %+v, with a bound of %v", i, e, bound)
				}
			}
			if n := v.dials; early > 20*n || n < 30 || v.events[len(v.events)-1].Kind != nbd.EventEnded {
				t.Errorf("%d attempts, the last event is %v", n, v.events[len(v.events)-1])
			}
		})
	}
	if longest < 8*time.Second || early < 300 {
		t.Errorf("the longest delay was %v, and %d were in the lower half: no full jitter", longest, early)
	}
}

// An outage that ends in time is over: the next one has its own time.
func TestRedialOutagesDoNotAddUp(t *testing.T) {
	lasting(t, 4096, func(t *testing.T, ctx context.Context, v *volatile) {
		cfg := v.config()
		cfg.GiveUpAfter = time.Minute
		disk := v.open(cfg)
		for range 5 {
			until := time.Now().Add(40 * time.Second)
			v.onDial = func(int) error {
				if time.Now().Before(until) {
					return errDial
				}
				return nil
			}
			v.cut()
			works(t, ctx, disk)
		}
		v.onDial = nil
		for range 200 { // a server that hangs up on who has nothing to say, each minute
			time.Sleep(time.Minute)
			v.cut()
		}
		works(t, ctx, disk)
	})
}

// A dial, or a server, that does not answer holds nobody for longer than its time.
func TestRedialStalls(t *testing.T) {
	for _, where := range []string{"dial", "greeting", "replay"} {
		t.Run(where, func(t *testing.T) {
			lasting(t, 4096, func(t *testing.T, ctx context.Context, v *volatile) {
				cfg := v.config()
				cfg.GiveUpAfter = time.Hour
				disk, err := nbd.Redial(ctx, func(ctx context.Context) (net.Conn, error) {
					if v.dials == 1 && where == "dial" {
						v.dials++
						<-ctx.Done()
						return nil, context.Cause(ctx)
					}
					return v.dial(ctx)
				}, cfg, "x")
				if err != nil {
					t.Fatal(err)
				}
				defer disk.Close()
				write(t, ctx, disk, pattern(512), 0, 0)
				if where == "greeting" {
					v.greet = func(l *liar) {
						v.greet = nil
						l.recv(1)
					}
				}
				stuck := time.Duration(0)
				if where == "replay" {
					stuck = time.Hour
					v.answer = func(c call) int {
						if c.cmd == cmdWrite {
							return ignore
						}
						return 0
					}
				}
				begin := time.Now()
				v.cut()
				err = disk.Read(ctx, make([]byte, 1), 0)
				if (err == nil) != (stuck == 0) || time.Since(begin) > max(stuck, 21*time.Second) {
					t.Errorf("Read: %v after %v", err, time.Since(begin))
				}
			})
		})
	}
}

// A request that ends every connection ends the disk, where nothing else is
// answered, and only its own call where something is.
func TestRedialPoison(t *testing.T) {
	for _, others := range []bool{false, true} {
		lasting(t, 8192, func(t *testing.T, ctx context.Context, v *volatile) {
			disk := v.open(v.config())
			write(t, ctx, disk, pattern(512), 512, 0) // its replay is no answer
			v.answer = func(c call) int {
				if c.cmd == cmdRead && c.offset == 4096 {
					return hangUp
				}
				return 0
			}
			begin := time.Now()
			over := make(chan error)
			go func() { over <- disk.Read(ctx, make([]byte, 512), 4096) }()
			var err error
			for waiting := true; waiting; {
				select {
				case err = <-over:
					waiting = false
				case <-time.After(10 * time.Millisecond):
					if others {
						works(t, ctx, disk)
					}
				}
			}
			if d := time.Since(begin); !isEnd(err) || d > nbd.DefaultGiveUpAfter+11*time.Second {
				t.Errorf("the poison failed after %v: %v", d, err)
			}
			if err := disk.Read(ctx, make([]byte, 1), 0); (err == nil) != others {
				t.Errorf("then Read: %v", err)
			}
			if n := v.dials; !others && n > 100 {
				t.Errorf("%d connections", n)
			}
		})
	}
}

// Cancelling is enough in an outage. A change that no connection got has not
// happened; that of one that did is unknown.
func TestRedialCancelDuringOutage(t *testing.T) {
	for _, end := range []string{"cancel", "close"} {
		lasting(t, 8192, func(t *testing.T, outer context.Context, v *volatile) {
			defer promptly(t)()
			disk := v.open(v.config())
			write(t, outer, disk, pattern(512), 7000, 0)
			v.answer = func(call) int { return ignore }
			ctx, cancel := context.WithCancelCause(outer)
			calls := map[string]func(int64) error{
				"read":   func(off int64) error { return disk.Read(ctx, make([]byte, 1), off) },
				"write":  func(off int64) error { return disk.Write(ctx, make([]byte, 1), off, 0) },
				"zeroes": func(off int64) error { return disk.WriteZeroes(ctx, off, 1, nbd.FlagFUA) },
				"trim":   func(off int64) error { return disk.Trim(ctx, off&^511, 512, 0) },
				"flush":  func(off int64) error { return disk.Flush(ctx) },
			}
			type outcome struct {
				name string
				sent bool
				err  error
			}
			outcomes := make(chan outcome)
			start := func(sent bool) {
				var at int64
				for name, call := range calls {
					at += 512
					off := at
					if !sent {
						off += 3072
					}
					go func() { outcomes <- outcome{name, sent, call(off)} }()
				}
				synctest.Wait()
			}
			v.offer.block = infoBlock(1, 4096, 1<<20)
			start(true)
			v.down()
			v.cut()
			synctest.Wait()
			start(false)
			want := errBroken
			if end == "cancel" {
				cancel(errBroken)
			} else {
				want = net.ErrClosed
				if err := disk.Close(); !errors.Is(err, nbd.ErrUnflushed) {
					t.Errorf("Close: %v", err)
				}
			}
			for range 2 * len(calls) {
				o := <-outcomes
				change := o.name != "read" && o.name != "flush"
				if !errors.Is(o.err, want) || errors.Is(o.err, nbd.ErrUnknownOutcome) != (o.sent && change) {
					t.Errorf("%s of a %s, sent %v: %v", end, o.name, o.sent, o.err)
				}
			}
			cancel(nil)
			if err := disk.Close(); !errors.Is(err, nbd.ErrUnflushed) {
				t.Errorf("Close: %v", err)
			}
			if err := disk.Wait(); err != nil {
				t.Errorf("Wait: %v", err)
			}
			if err := disk.Read(outer, make([]byte, 1), 0); !errors.Is(err, net.ErrClosed) {
				t.Errorf("Read after Close: %v", err)
			}
		})
	}
}

// Close with a connection is polite, and tells of no loss where there is none.
func TestRedialClose(t *testing.T) {
	lasting(t, 4096, func(t *testing.T, ctx context.Context, v *volatile) {
		disk := v.open(v.config())
		write(t, ctx, disk, pattern(512), 0, 0)
		for range 2 {
			if err := disk.Close(); err != nil {
				t.Errorf("Close: %v", err)
			}
		}
		if err := disk.Write(ctx, pattern(1), 0, 0); !errors.Is(err, net.ErrClosed) || errors.Is(err, nbd.ErrUnknownOutcome) {
			t.Errorf("Write: %v", err)
		}
		if err := disk.Wait(); err != nil || v.dials != 1 || !slices.Equal(v.kinds(), []nbd.EventKind{nbd.EventConnected}) {
			t.Errorf("Wait: %v, %d dials, events %v", err, v.dials, v.kinds())
		}
	})
}

// A server that announces its end, and then does not come to it, is left.
func TestRedialLeavesAServerThatShutsDown(t *testing.T) {
	lasting(t, 4096, func(t *testing.T, ctx context.Context, v *volatile) {
		disk := v.open(v.config())
		answers := []int{ignore, 108}
		v.answer = func(call) (errno int) {
			if len(answers) > 0 {
				errno, answers = answers[0], answers[1:]
			}
			return errno
		}
		begin := time.Now()
		errs := make(chan error)
		go func() { errs <- disk.Read(ctx, make([]byte, 1), 0) }()
		synctest.Wait()
		works(t, ctx, disk)
		if err := <-errs; err != nil || time.Since(begin) > 6*time.Second {
			t.Errorf("the request that was ignored: %v after %v", err, time.Since(begin))
		}
		if cause := v.events[1].Cause; !errors.Is(cause, nbd.ESHUTDOWN) {
			t.Errorf("lost by %v", cause)
		}
	})
}

// A connection that dies in the middle of the replay, or whose server crashes
// then, loses nothing: the next one starts it over.
func TestRedialReplayStartsOver(t *testing.T) {
	lasting(t, 1<<20, func(t *testing.T, ctx context.Context, v *volatile) {
		disk := v.open(v.config())
		write(t, ctx, disk, pattern(1<<20), 0, 0)
		v.onDial = func(int) error { v.cut(); v.forget(); return nil }
		left := 5
		v.answer = func(c call) int {
			if c.cmd == cmdWrite && c.offset == 5*65536 && left > 0 {
				left--
				return hangAfter
			}
			return 0
		}
		v.cut()
		flush(t, ctx, disk)
		v.isDurable(pattern(1<<20), 0)
		if v.dials != 7 {
			t.Errorf("%d connections", v.dials)
		}
	})
}

// What a caller does with its buffer after a write is of no concern to the replay.
func TestRedialKeepsACopy(t *testing.T) {
	lasting(t, 4096, func(t *testing.T, ctx context.Context, v *volatile) {
		disk := v.open(v.config())
		p := pattern(600)
		write(t, ctx, disk, p, 0, 0)
		clear(p)
		v.crash()
		got := make([]byte, 600)
		if err := disk.Read(ctx, got, 0); err != nil || !bytes.Equal(got, pattern(600)) {
			t.Errorf("Read: %v, or other bytes", err)
		}
	})
}
