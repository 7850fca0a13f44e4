package main

import (
	"context"
	"fmt"
	"maps"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"nbdbridge/bridge/config"
)

const (
	probeFor   = 3 * time.Second // all targets together
	probeKept  = 5 * time.Second // the result
	probesOnce = 32              // connections at once
)

// A prober connects to targets and keeps the result for a while, so that
// whoever asks often costs them nothing.
type prober struct {
	turn sync.Mutex
	of   *config.Config
	when time.Time
	err  error
}

// probe tells which targets can't be connected to.
func (p *prober) probe(ctx context.Context, c *config.Config) error {
	p.turn.Lock()
	defer p.turn.Unlock()
	if p.of == c && time.Since(p.when) < probeKept {
		return p.err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), probeFor)
	defer cancel()
	p.err = probeAll(ctx, c.Targets)
	p.of, p.when = c, time.Now()
	return p.err
}

func probeAll(ctx context.Context, targets map[string]config.Target) error {
	names := slices.Sorted(maps.Keys(targets))
	failed := make([]bool, len(names))
	places := make(chan struct{}, probesOnce)
	var running sync.WaitGroup
	for i, name := range names {
		places <- struct{}{}
		running.Go(func() {
			failed[i] = !answers(ctx, targets[name].Address)
			<-places
		})
	}
	running.Wait()
	var down []string
	for i, name := range names {
		if failed[i] {
			down = append(down, name)
		}
	}
	if len(down) > 0 {
		return fmt.Errorf("%d of %d targets can't be connected to: %s", len(down), len(names), strings.Join(down[:min(10, len(down))], ", "))
	}
	return nil
}

func answers(ctx context.Context, a config.Address) bool {
	var d net.Dialer
	c, err := d.DialContext(ctx, a.Network, a.Address)
	if err != nil {
		return false
	}
	c.Close()
	return true
}
