package bridge

import "github.com/prometheus/client_golang/prometheus"

// Describe and Collect make a Handler a prometheus.Collector.
func (h *Handler) Describe(ch chan<- *prometheus.Desc) {}

// Collect is Describe's twin.
func (h *Handler) Collect(ch chan<- prometheus.Metric) {}
