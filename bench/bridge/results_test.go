//go:build linux

package main

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"
)

// sampled are results in which every contender did the same, but for the
// splicing bridge.
func sampled(cell string, ours, others sample) *results {
	r := &results{samples: map[string]map[string][]sample{}, plan: planFor(true)}
	for _, name := range names() {
		r.add(cell, name, others)
	}
	r.samples[cell][ourSplice] = []sample{ours}
	return r
}

func TestVerdicts(t *testing.T) {
	for _, c := range []struct {
		name, cell   string
		ours, others sample
		verdict      int
		met          bool
	}{
		{"CPU at the bound", downEthernet, sample{CPU: 1.25}, sample{CPU: 1}, 0, true},
		{"CPU over it", downEthernet, sample{CPU: 1.26}, sample{CPU: 1}, 0, false},
		{"half of websockify's", downEthernet, sample{CPU: 0.5}, sample{CPU: 1}, 1, true},
		{"more than half", downEthernet, sample{CPU: 0.51}, sample{CPU: 1}, 1, false},
		{"throughput", downEthernet, sample{Rate: 90}, sample{Rate: 100}, 2, true},
		{"slower", downEthernet, sample{Rate: 89}, sample{Rate: 100}, 2, false},
		{"requests", depth16, sample{IOPS: 90}, sample{IOPS: 100}, 3, true},
		{"fewer", depth16, sample{IOPS: 89}, sample{IOPS: 100}, 3, false},
		{"idle", idleMany, sample{RSS: 32 << 10}, sample{}, 5, true},
		{"idle and fat", idleMany, sample{RSS: 33 << 10}, sample{}, 5, false},
		{"not measured", depth1, sample{}, sample{}, 5, false},
	} {
		if v := sampled(c.cell, c.ours, c.others).verdicts()[c.verdict]; v.met != c.met {
			t.Errorf("%s: %q at %v, met: %v", c.name, v.target, v.got, v.met)
		}
	}
}

func TestEscape(t *testing.T) {
	if got := escape(`<a & "b">`); strings.ContainsAny(got, `<>"`) || !strings.Contains(got, "&amp;") {
		t.Errorf("escaped: %s", got)
	}
}

func TestPlotIsXML(t *testing.T) {
	var plot bytes.Buffer
	sampled(downEthernet, sample{CPU: 0.5, Rate: 1000 << 20}, sample{CPU: 1, Rate: 900 << 20}).plot(&plot)
	for d := xml.NewDecoder(&plot); ; {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			return
		} else if err != nil {
			t.Fatal(err)
		}
	}
}
