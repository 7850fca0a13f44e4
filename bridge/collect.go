package bridge

import "github.com/prometheus/client_golang/prometheus"

var (
	bytesDesc = prometheus.NewDesc("bridge_bytes_total",
		"Bytes of NBD that were carried, without the frames around them.", []string{"target", "direction"}, nil)
	splicedDesc = prometheus.NewDesc("bridge_spliced_bytes_total",
		"Bytes to clients that never were in this process's memory.", []string{"target"}, nil)
	copiedDesc = prometheus.NewDesc("bridge_copied_bytes_total",
		"Bytes to clients that were copied through this process.", []string{"target"}, nil)
)

// Describe is Collect's twin.
func (h *Handler) Describe(ch chan<- *prometheus.Desc) {
	for _, c := range h.metrics.collectors() {
		c.Describe(ch)
	}
	ch <- bytesDesc
	ch <- splicedDesc
	ch <- copiedDesc
}

// Collect makes a Handler a prometheus.Collector. Counters begin at zero with
// the Handler, and Reload leaves them alone. Times are in seconds.
//
//   - bridge_sessions{target, path}: gauge, sessions under way. The path is
//     how bytes go to the client: "splice", through the kernel alone, or "copy".
//   - bridge_sessions_opened_total{target, path}: counter, sessions that were
//     admitted and whose target was connected to.
//   - bridge_bytes_total{target, direction}: counter, bytes of NBD that were
//     carried, counted as they go. The direction is "up", from the client, or
//     "down".
//   - bridge_spliced_bytes_total{target}, bridge_copied_bytes_total{target}:
//     counters, the two parts of the bytes down. Small pieces are copied on
//     either path, since that costs less.
//   - bridge_refusals_total{reason}: counter, clients that did not come to a
//     session. The reason is "host" (421), "upgrade" (no WebSocket, or without
//     the subprotocol), "rate" (429), "handshakes" (503), "origin" (4003),
//     "unauthorised" (4001), "unknown_target" (4004, also for a target that is
//     not for this client), "limit" (4009) or "draining" (4503). Targets that
//     could not be connected to are in bridge_dials_total.
//   - bridge_closes_total{code}: counter, WebSockets that have ended, refused
//     ones too, by the close code that they were sent; "client" for those that
//     the client closed, "gone" for those whose client went without a word.
//   - bridge_dials_total{target, result}: counter, attempts to connect to a
//     target. The result is "ok", "unreachable", "timeout" or "cancelled", when
//     the session ended before there was an answer.
//   - bridge_dial_seconds: histogram, the time of those that succeeded.
//   - bridge_handshake_seconds: histogram, the time from a client's request to
//     its session: authorising and dialling.
//   - bridge_wait_seconds{side}: histogram, how long a write waited for the
//     "client" or the "target" to take it, of writes that had to wait, for 10
//     ms and more.
//
// Labels are bounded, and no client chooses one. The label target is "" for
// names beyond the first 1000, beyond 128 bytes, and that are not UTF-8.
//
// Two Handlers have the same metrics. The second one to be registered in one
// registry is refused, with prometheus.AlreadyRegisteredError, unless
// prometheus.WrapRegistererWith gives each a label of its own.
func (h *Handler) Collect(ch chan<- prometheus.Metric) {
	for _, c := range h.metrics.collectors() {
		c.Collect(ch)
	}
	for target, n := range h.metrics.sum() {
		ch <- newTotal(bytesDesc, n.up, target, "up")
		ch <- newTotal(bytesDesc, n.down, target, "down")
		ch <- newTotal(splicedDesc, n.spliced, target)
		ch <- newTotal(copiedDesc, n.copied, target)
	}
}

func newTotal(desc *prometheus.Desc, n int64, labels ...string) prometheus.Metric {
	return prometheus.MustNewConstMetric(desc, prometheus.CounterValue, float64(n), labels...)
}

// collectors are all metrics but those of bytes.
func (m *metrics) collectors() []prometheus.Collector {
	m.prepare()
	return []prometheus.Collector{
		m.present, m.opened, m.refusals, m.closes, m.dials, m.dialTime, m.handshakes, m.waits,
	}
}
