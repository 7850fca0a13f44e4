package bridge

import (
	"context"
	"errors"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/prometheus/client_golang/prometheus"
)

func (v *volume) carry(up, copied, spliced int64) {
	v.up.Add(up)
	v.spliced.Add(spliced)
	v.down.Add(copied + spliced)
}

func TestVolumesAreSummed(t *testing.T) {
	var m metrics
	var one, two, other volume
	endOne, endTwo := m.begin("lab", "splice", &one), m.begin("lab", "copy", &two)
	defer m.begin("other", "copy", &other)()
	check := func(when string, want carried) {
		t.Helper()
		if got := m.sum()["lab"]; got != want {
			t.Errorf("%s: %+v, want %+v", when, got, want)
		}
	}
	check("at first", carried{})
	one.carry(1, 10, 100)
	two.carry(2, 20, 0)
	check("under way", carried{up: 3, down: 130, spliced: 100, copied: 30})
	check("asked again", carried{up: 3, down: 130, spliced: 100, copied: 30})
	endOne()
	check("one has ended", carried{up: 3, down: 130, spliced: 100, copied: 30})
	two.carry(1, 1, 1)
	endTwo()
	check("both have ended", carried{up: 4, down: 132, spliced: 101, copied: 31})
	if len(m.flows) != 1 {
		t.Errorf("%d sessions are kept", len(m.flows))
	}
}

// A splice that is half added must not take copied bytes back.
func TestCopiedBytesNeverFall(t *testing.T) {
	var m metrics
	var v volume
	end := m.begin("lab", "splice", &v)
	v.carry(0, 10, 0)
	before := m.sum()["lab"].copied
	v.spliced.Add(100)
	if got := m.sum()["lab"].copied; got != before || before != 10 {
		t.Errorf("copied %d, then %d, want 10", before, got)
	}
	v.down.Add(100)
	end()
	if got, want := m.sum()["lab"], (carried{down: 110, spliced: 100, copied: 10}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
}

// Counters only grow while sessions come, go and carry.
func TestMetricsAtOnce(t *testing.T) {
	var m metrics
	var sessions sync.WaitGroup
	for range 8 {
		sessions.Go(func() {
			for range 200 {
				var v volume
				end := m.begin("lab", "splice", &v)
				v.carry(1, 2, 3)
				m.waited(sideClient, time.Second)
				end()
			}
		})
	}
	done := make(chan struct{})
	go func() { sessions.Wait(); close(done) }()
	var last carried
	for over := false; !over; {
		select {
		case <-done:
			over = true
		default:
		}
		now := m.sum()["lab"]
		if now.up < last.up || now.down < last.down || now.spliced < last.spliced || now.copied < last.copied {
			t.Fatalf("%+v after %+v", now, last)
		}
		last = now
	}
	if want := (carried{up: 1600, down: 8000, spliced: 4800, copied: 3200}); last != want {
		t.Errorf("%+v, want %+v", last, want)
	}
}

func TestLabelsAreBounded(t *testing.T) {
	var m metrics
	m.prepare()
	for name, want := range map[string]string{
		"lab": "lab", "": "", "\xff": "", strings.Repeat("x", 129): "", strings.Repeat("x", 128): strings.Repeat("x", 128),
	} {
		if got := m.label(name); got != want {
			t.Errorf("%q has the label %q", name, got)
		}
	}
	for i := range 2 * mostTargets {
		m.dialled(strconv.Itoa(i), dialOK, 0)
	}
	if len(m.targets) != mostTargets || m.label("lab") != "lab" || m.label("late") != "" {
		t.Errorf("%d labels", len(m.targets))
	}
}

// gather returns how often each combination of labels was counted, as text.
func gather(t *testing.T, m *metrics) map[string]float64 {
	t.Helper()
	registry := prometheus.NewPedanticRegistry()
	for _, c := range m.collectors() {
		registry.MustRegister(c)
	}
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	counts := map[string]float64{}
	for _, family := range families {
		for _, metric := range family.GetMetric() {
			name := family.GetName()
			for _, label := range metric.GetLabel() {
				name += " " + label.GetValue()
			}
			counts[name] = metric.GetCounter().GetValue() + metric.GetGauge().GetValue() + float64(metric.GetHistogram().GetSampleCount())
		}
	}
	return counts
}

func TestMetricsByLabel(t *testing.T) {
	var m metrics
	m.waited(sideClient, stalled-1)
	m.waited(sideClient, stalled)
	m.waited(sideTarget, time.Minute)
	m.waited(sideTarget, time.Minute)
	m.closed(&verdict{})
	m.closed(&verdict{answer: newClose(4999, "")})
	m.closed(&verdict{code: StatusIdle})
	for code := range refusals {
		m.closedAtOnce(code)
	}
	m.closedAtOnce(StatusTargetUnreachable)
	m.closedAtOnce(websocket.StatusInternalError)
	got := gather(t, &m)
	for name, want := range map[string]float64{
		"bridge_wait_seconds client": 1, "bridge_wait_seconds target": 2,
		"bridge_closes_total gone": 1, "bridge_closes_total client": 1, "bridge_closes_total 4008": 1, "bridge_closes_total 4999": 0,
		"bridge_refusals_total origin": 1, "bridge_refusals_total limit": 1, "bridge_refusals_total draining": 1,
		"bridge_refusals_total rate": 0, "bridge_refusals_total ": 0,
	} {
		if got[name] != want {
			t.Errorf("%s is %v, want %v", name, got[name], want)
		}
	}
}

func TestDialResults(t *testing.T) {
	over, cancel := context.WithCancel(context.Background())
	cancel()
	late, cancel := context.WithTimeout(context.Background(), 0)
	defer cancel()
	failure := errors.New("no")
	for _, c := range []struct {
		ctx  context.Context
		err  error
		want string
	}{
		{context.Background(), nil, dialOK},
		{context.Background(), failure, dialUnreachable},
		{context.Background(), os.ErrDeadlineExceeded, dialTimeout},
		{late, failure, dialTimeout},
		{over, failure, dialCancelled},
		{over, nil, dialOK},
	} {
		if got := dialResult(c.ctx, c.err); got != c.want {
			t.Errorf("%v, %v: %s, want %s", c.ctx, c.err, got, c.want)
		}
	}
}
