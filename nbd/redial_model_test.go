package nbd_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"nbdbridge/nbd"
)

// The model's unit is a word of 8 bytes that holds the number of the write
// that it comes from; 0 stands for zeroes.
const (
	modelWords   = 4000 // of the disk; regions end within blocks
	modelWorkers = 5
	modelSteps   = 120
	unknown      = ^uint64(0)
)

// A modeller changes words that nobody else does, and knows what they hold.
type modeller struct {
	*testing.T
	rnd    *rand.Rand
	disk   *nbd.LastingDisk
	server *volatile
	lo     int      // first word
	holds  []uint64 // what was acknowledged; unknown after a failure or a trim
	number *numbers
	hasty  bool // it gives calls up
}

type numbers struct {
	mu   sync.Mutex
	last uint64
}

func (n *numbers) next() uint64 {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.last++
	return n.last
}

// Random requests, connections that end at random bytes, and a server that
// loses random writes when it crashes: what a flush or FUA has covered is
// durable, what was acknowledged is read, nothing older ever overwrites what
// is newer, and in the end the durable disk is the model's.
func TestRedialModel(t *testing.T) {
	for range rounds() {
		for _, hasty := range []bool{false, true} {
			seed := rand.Uint64()
			ok := t.Run(fmt.Sprintf("hasty=%v/seed=%d", hasty, seed), func(t *testing.T) {
				lasting(t, modelWords*8/512*512+512, func(t *testing.T, ctx context.Context, v *volatile) {
					runModel(t, ctx, v, rand.New(rand.NewPCG(seed, 0)), hasty)
				})
			})
			if !ok {
				return
			}
		}
	}
}

func runModel(t *testing.T, ctx context.Context, v *volatile, rnd *rand.Rand, hasty bool) {
	var dice sync.Mutex
	roll := func(n int) int {
		dice.Lock()
		defer dice.Unlock()
		return rnd.IntN(n)
	}
	v.lose = func() bool { return roll(2) == 0 }
	v.fuse = func() int { return 200 + roll(150_000) }
	v.onDial = func(n int) error {
		if v.cut(); n > 1 && roll(2) == 0 {
			v.forget()
		}
		if n > 1 && roll(5) == 0 {
			return errDial
		}
		return nil
	}
	v.answer = v.neverOlder
	v.fuseFirst()
	cfg := v.config()
	cfg.MaxUnflushed = int64(4000 + roll(40_000))
	seed := rnd.Uint64()
	cfg.RequestTimeout, cfg.GiveUpAfter = 10*time.Second, 24*time.Hour
	disk := v.open(cfg)
	var group sync.WaitGroup
	workers := make([]*modeller, modelWorkers)
	count := &numbers{}
	share := modelWords / modelWorkers
	for i := range workers {
		w := &modeller{t, rand.New(rand.NewPCG(seed, uint64(i))), disk, v, i * share, make([]uint64, share), count, hasty}
		workers[i] = w
		group.Go(func() {
			for range modelSteps {
				w.step(ctx)
			}
		})
	}
	group.Wait()
	v.settle(ctx, disk, hasty)
	for _, w := range workers {
		w.compare("in the end", v.durable[w.lo*8:], 0, share)
	}
	if v.dials < 3 {
		t.Errorf("only %d connections", v.dials)
	}
}

// fuseFirst spares the first negotiation, which is not retried.
func (v *volatile) fuseFirst() {
	random := v.fuse
	v.fuse = func() int {
		if v.dials == 1 {
			return 1000
		}
		return random()
	}
}

// settle flushes on connections that hold, and crashes without mercy.
func (v *volatile) settle(ctx context.Context, disk *nbd.LastingDisk, hasty bool) {
	v.mu.Lock()
	v.fuse = nil
	v.onDial = nil
	v.mu.Unlock()
	err := disk.Flush(ctx)
	if hasty && errors.Is(err, nbd.ErrUnflushed) {
		err = disk.Flush(ctx)
	}
	if err != nil {
		v.t.Errorf("the last flush: %v", err)
	}
	if err := disk.Close(); err != nil {
		v.t.Errorf("Close: %v", err)
	}
	v.lose = func() bool { return true }
	v.crash()
}

// neverOlder fails when a word is overwritten by one with a smaller number. It
// is told each request before that is carried out.
func (v *volatile) neverOlder(c call) int {
	if c.cmd != cmdWrite {
		return 0
	}
	for i := 0; i < len(c.payload); i += 8 {
		was, is := binary.LittleEndian.Uint64(v.current[int(c.offset)+i:]), binary.LittleEndian.Uint64(c.payload[i:])
		if is < was && is != 0 && was>>56 != trimmed {
			v.t.Errorf("word %d: write %d came over write %d", int(c.offset)/8+i/8, is, was)
		}
	}
	return 0
}

// words are the bytes of n words that hold the number.
func words(n int, number uint64) (b []byte) {
	for range n {
		b = binary.LittleEndian.AppendUint64(b, number)
	}
	return b
}

func (w *modeller) step(ctx context.Context) {
	from := w.rnd.IntN(len(w.holds))
	n := 1 + w.rnd.IntN(min(len(w.holds)-from, 1+w.rnd.IntN(300)))
	off := int64(w.lo+from) * 8
	f := nbd.Flags(0)
	if w.rnd.IntN(6) == 0 {
		f = nbd.FlagFUA
	}
	if w.hasty && w.rnd.IntN(4) == 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Duration(w.rnd.IntN(200))*time.Millisecond)
		defer cancel()
	}
	switch w.rnd.IntN(10) {
	case 0, 1, 2, 3:
		number := w.number.next()
		w.changed(w.disk.Write(ctx, words(n, number), off, f), number, from, n, f)
	case 4:
		w.changed(w.disk.WriteZeroes(ctx, off, int64(n)*8, f), 0, from, n, f)
	case 5:
		w.changed(w.disk.Trim(ctx, off, int64(n)*8, f), unknown, from, n, 0)
	case 6:
		if err := w.disk.Flush(ctx); err == nil {
			w.durable(0, len(w.holds))
		} else {
			w.tolerate(err)
		}
	case 7:
		time.Sleep(time.Duration(w.rnd.IntN(100)) * time.Millisecond)
	default:
		p := make([]byte, n*8)
		if err := w.disk.Read(ctx, p, off); err != nil {
			w.tolerate(err)
		} else {
			w.compare("read", p, from, n)
		}
	}
}

// changed notes the outcome of a change, and looks at the promise of FUA.
func (w *modeller) changed(err error, number uint64, from, n int, f nbd.Flags) {
	if err != nil && !errors.Is(err, nbd.ErrUnflushed) {
		w.tolerate(err)
		if !errors.Is(err, nbd.ErrUnknownOutcome) { // it has not happened
			return
		}
		number = unknown
	} else if err != nil {
		w.tolerate(err)
	}
	for i := from; i < from+n; i++ {
		w.holds[i] = number
	}
	if f != 0 && number != unknown {
		w.durable(from, n)
	}
}

// tolerate takes only the errors that the modeller has brought about.
func (w *modeller) tolerate(err error) {
	if !w.hasty || !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, nbd.ErrUnflushed) {
		w.Errorf("a call failed: %v", err)
	}
}

func (w *modeller) durable(from, n int) {
	w.server.mu.Lock()
	p := slices.Clone(w.server.durable[(w.lo+from)*8:][:n*8])
	w.server.mu.Unlock()
	w.compare("durable", p, from, n)
}

func (w *modeller) compare(what string, p []byte, from, n int) {
	for i := range n {
		got, want := binary.LittleEndian.Uint64(p[i*8:]), w.holds[from+i]
		if got != want && want != unknown {
			w.Errorf("%s: word %d holds write %d, want %d", what, w.lo+from+i, got, want)
			return
		}
	}
}

func rounds() int {
	if runtime.GOOS == "js" {
		return 5 // one thread
	}
	return 25
}
