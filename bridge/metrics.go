package bridge

import (
	"context"
	"strconv"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/coder/websocket"
	"github.com/prometheus/client_golang/prometheus"
)

// metrics counts what happens in one Handler. Its methods are called where it
// happens; bytes are counted by the sessions themselves, in their volume. The
// zero value is ready.
type metrics struct {
	once sync.Once

	present    *prometheus.GaugeVec
	opened     *prometheus.CounterVec
	refusals   *prometheus.CounterVec
	closes     *prometheus.CounterVec
	dials      *prometheus.CounterVec
	dialTime   prometheus.Histogram
	handshakes prometheus.Histogram
	waits      *prometheus.HistogramVec

	mu      sync.Mutex // guards what follows
	targets map[string]bool
	flows   map[*volume]*flow
	ended   map[string]carried
}

// Why a client was refused before the upgrade: values of the label reason.
const (
	refusedHost       = "host"
	refusedUpgrade    = "upgrade"
	refusedRate       = "rate"
	refusedHandshakes = "handshakes"
)

// refusals are the values of the label reason by which upgrades are closed.
// Other codes are no refusals: bridge_dials_total tells of targets.
var refusals = map[websocket.StatusCode]string{
	StatusForbiddenOrigin: "origin",
	StatusUnauthorised:    "unauthorised",
	StatusUnknownTarget:   "unknown_target",
	StatusLimit:           "limit",
	StatusDraining:        "draining",
}

// How dialling a target went: the values of the label result.
const (
	dialOK          = "ok"
	dialUnreachable = "unreachable"
	dialTimeout     = "timeout"
	dialCancelled   = "cancelled" // the session ended first
)

// Whom bytes waited for: the values of the label side.
const (
	sideClient = "client"
	sideTarget = "target"
)

// refused counts a client that was refused before its upgrade.
func (m *metrics) refused(reason string) {
	m.prepare()
	m.refusals.WithLabelValues(reason).Inc()
}

// closedAtOnce counts a client that was refused after it.
func (m *metrics) closedAtOnce(code websocket.StatusCode) {
	if reason := refusals[code]; reason != "" {
		m.refused(reason)
	}
}

// dialled counts an attempt to connect to a target. Only connections that were
// made count as to their time: a timeout's is known.
func (m *metrics) dialled(target, result string, took time.Duration) {
	m.prepare()
	m.dials.WithLabelValues(m.label(target), result).Inc()
	if result == dialOK {
		m.dialTime.Observe(took.Seconds())
	}
}

func dialResult(ctx context.Context, err error) string {
	switch {
	case err == nil:
		return dialOK
	case timedOut(ctx, err):
		return dialTimeout
	case ctx.Err() != nil:
		return dialCancelled
	}
	return dialUnreachable
}

// follow counts a session, or that there is none. end is for when it is over.
func (m *metrics) follow(s *session, refused *verdict) (end func()) {
	if refused != nil {
		m.closedAtOnce(refused.code)
		return func() { m.closed(s.verdict) }
	}
	m.admitted(time.Since(s.begin))
	leave := m.begin(s.name, s.way(), &s.volume)
	return func() {
		leave()
		m.closed(s.verdict)
	}
}

// admitted counts the time from a client's request to its session.
func (m *metrics) admitted(took time.Duration) {
	m.prepare()
	m.handshakes.Observe(took.Seconds())
}

// begin counts a session that was admitted. The path is how bytes go to the
// client, "splice" or "copy". end is to be called once, when no byte moves any
// more.
func (m *metrics) begin(target, path string, v *volume) (end func()) {
	m.prepare()
	label := m.label(target)
	m.opened.WithLabelValues(label, path).Inc()
	present := m.present.WithLabelValues(label, path)
	present.Inc()
	m.enter(label, v)
	return func() {
		m.leave(v)
		present.Dec()
	}
}

// closed counts the end of a WebSocket, whether or not it was a session.
func (m *metrics) closed(v *verdict) {
	m.prepare()
	m.closes.WithLabelValues(codeLabel(v)).Inc()
}

// codeLabel never is what a client chose.
func codeLabel(v *verdict) string {
	switch {
	case v.code != 0:
		return strconv.Itoa(int(v.code))
	case v.answer != nil:
		return "client"
	}
	return "gone"
}

// waited counts a write, if it had to wait for that side.
func (m *metrics) waited(side string, took time.Duration) {
	if took < stalled {
		return
	}
	m.prepare()
	m.waits.WithLabelValues(side).Observe(took.Seconds())
}

// mostTargets bounds the names that get a label. A TargetSource may make
// targets as it goes, and each would be kept for ever.
const mostTargets = 1000

// label is the name of a target that is there, or "".
func (m *metrics) label(target string) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.targets[target] {
		return target
	}
	if len(m.targets) >= mostTargets || len(target) > 128 || !utf8.ValidString(target) {
		return ""
	}
	m.targets[target] = true
	return target
}

// prepare makes what is counted. Series whose labels are known begin at zero.
func (m *metrics) prepare() {
	m.once.Do(func() {
		m.targets, m.flows, m.ended = map[string]bool{}, map[*volume]*flow{}, map[string]carried{}
		m.present = prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "bridge_sessions", Help: "Sessions under way.",
		}, []string{"target", "path"})
		m.opened = newCounter("bridge_sessions_opened_total", "Sessions that were admitted.", "target", "path")
		m.refusals = newCounter("bridge_refusals_total", "Clients that did not come to a session.", "reason")
		m.closes = newCounter("bridge_closes_total", "WebSockets that have ended.", "code")
		m.dials = newCounter("bridge_dials_total", "Attempts to connect to a target.", "target", "result")
		m.prepareRefusals()
		m.prepareTimes()
	})
}

func (m *metrics) prepareRefusals() {
	for _, reason := range []string{refusedHost, refusedUpgrade, refusedRate, refusedHandshakes} {
		m.refusals.WithLabelValues(reason)
	}
	for _, reason := range refusals {
		m.refusals.WithLabelValues(reason)
	}
}

func (m *metrics) prepareTimes() {
	m.dialTime = prometheus.NewHistogram(prometheus.HistogramOpts{
		Name: "bridge_dial_seconds", Help: "Time to connect to a target, if it succeeded.", Buckets: soon,
	})
	m.handshakes = prometheus.NewHistogram(prometheus.HistogramOpts{
		Name: "bridge_handshake_seconds", Help: "Time from a client's request to its session.", Buckets: soon,
	})
	m.waits = prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "bridge_wait_seconds", Help: "Time that bytes waited for a side that did not take them at once.", Buckets: late,
	}, []string{"side"})
	for _, side := range []string{sideClient, sideTarget} {
		m.waits.WithLabelValues(side)
	}
}

// Buckets in seconds: of what a client waits for, up to the default of
// Limits.ConnectTimeout, and of stalls, up to that of Limits.StallTimeout.
var (
	soon = []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10}
	late = []float64{.025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300, 900}
)

func newCounter(name, help string, labels ...string) *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
}
