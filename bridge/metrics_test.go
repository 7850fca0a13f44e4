package bridge_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"nbdbridge/bridge"
)

// scrape returns the samples of a registry by name and labels.
func scrape(t *testing.T, metrics prometheus.Gatherer) map[string]float64 {
	t.Helper()
	samples := map[string]float64{}
	for line := range strings.Lines(exposition(t, metrics, "")) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		if i := strings.LastIndex(line, "} "); i >= 0 {
			name, value = line[:i+1], strings.TrimSpace(line[i+2:])
		}
		if n, err := strconv.ParseFloat(value, 64); err == nil {
			samples[name] = n
		}
	}
	return samples
}

func exposition(t *testing.T, metrics prometheus.Gatherer, accept string) string {
	t.Helper()
	r, w := httptest.NewRequest("GET", "/metrics", nil), httptest.NewRecorder()
	r.Header.Set("Accept", accept)
	promhttp.HandlerFor(metrics, promhttp.HandlerOpts{EnableOpenMetrics: true}).ServeHTTP(w, r)
	if w.Code != http.StatusOK {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	return w.Body.String()
}

// waitForSample waits for what a session counts on its own goroutine.
func waitForSample(t *testing.T, metrics prometheus.Gatherer, name string, want float64) {
	t.Helper()
	for end := time.Now().Add(patience); scrape(t, metrics)[name] != want; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s is %v, want %v", name, scrape(t, metrics)[name], want)
		}
	}
}

func register(t *testing.T, h *bridge.Handler) *prometheus.Registry {
	t.Helper()
	metrics := prometheus.NewPedanticRegistry()
	if err := metrics.Register(h); err != nil {
		t.Fatal(err)
	}
	return metrics
}

func TestMetricsOfSession(t *testing.T) {
	h := &bridge.Handler{CopyOnly: true}
	metrics := register(t, h)
	c, target := pair(t, h)
	if err := c.Write(context.Background(), websocket.MessageBinary, noise(1, 300)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(target, make([]byte, 300)); err != nil {
		t.Fatal(err)
	}
	_, _ = target.Write(noise(2, 100<<10))
	for n := 0; n < 100<<10; {
		_, message, err := c.Read(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		n += len(message)
	}
	// While it is under way.
	for name, want := range map[string]float64{
		`bridge_bytes_total{direction="up",target="lab"}`:        300,
		`bridge_bytes_total{direction="down",target="lab"}`:      100 << 10,
		`bridge_sessions{path="copy",target="lab"}`:              1,
		`bridge_sessions_opened_total{path="copy",target="lab"}`: 1,
		`bridge_dials_total{result="ok",target="lab"}`:           1,
		`bridge_dial_seconds_count`:                              1,
		`bridge_handshake_seconds_count`:                         1,
		`bridge_refusals_total{reason="origin"}`:                 0,
	} {
		waitForSample(t, metrics, name, want)
	}
	both := scrape(t, metrics)
	if n := both[`bridge_copied_bytes_total{target="lab"}`] + both[`bridge_spliced_bytes_total{target="lab"}`]; n != 100<<10 {
		t.Errorf("%v bytes copied and spliced", n)
	}
	_ = c.Close(websocket.StatusNormalClosure, "")
	target.Close()
	for name, want := range map[string]float64{
		`bridge_closes_total{code="client"}`:                     1,
		`bridge_sessions{path="copy",target="lab"}`:              0,
		`bridge_sessions_opened_total{path="copy",target="lab"}`: 1,
		`bridge_bytes_total{direction="up",target="lab"}`:        300,
		`bridge_bytes_total{direction="down",target="lab"}`:      100 << 10,
	} {
		waitForSample(t, metrics, name, want)
	}
}

func TestMetricsOfRefusals(t *testing.T) {
	for _, c := range []struct {
		name    string
		handler *bridge.Handler
		target  string
		headers []string
		want    []string
	}{
		{"host", &bridge.Handler{}, "lab", []string{"Host", "evil.example"}, []string{`bridge_refusals_total{reason="host"}`}},
		{
			"origin", &bridge.Handler{}, "lab", []string{"Origin", "https://evil.example"},
			[]string{`bridge_refusals_total{reason="origin"}`, `bridge_closes_total{code="4003"}`},
		},
		{
			"unauthorised", &bridge.Handler{Authorize: func(*http.Request, string) (bridge.Grant, error) { return bridge.Grant{}, errors.New("no") }},
			"lab", nil, []string{`bridge_refusals_total{reason="unauthorised"}`, `bridge_closes_total{code="4001"}`},
		},
		{"unknown target", &bridge.Handler{}, "nothing", nil, []string{`bridge_refusals_total{reason="unknown_target"}`, `bridge_closes_total{code="4004"}`}},
		{
			"unreachable", &bridge.Handler{Dial: func(context.Context, bridge.Target) (net.Conn, error) { return nil, errors.New("no") }}, "lab", nil,
			[]string{`bridge_dials_total{result="unreachable",target="lab"}`, `bridge_closes_total{code="4502"}`},
		},
		{
			"timeout", &bridge.Handler{Dial: func(context.Context, bridge.Target) (net.Conn, error) { return nil, os.ErrDeadlineExceeded }}, "lab", nil,
			[]string{`bridge_dials_total{result="timeout",target="lab"}`, `bridge_closes_total{code="4504"}`},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := c.handler
			h.Targets = bridge.Targets{"lab": {Network: "tcp", Address: "192.0.2.1:10809"}}
			metrics := register(t, h)
			base := serve(t, h)
			ws, _, err := tryDial(t, base, c.target, c.headers...)
			if err == nil {
				_, _, _ = ws.Read(context.Background())
				_ = ws.CloseNow()
			}
			for _, name := range c.want {
				waitForSample(t, metrics, name, 1)
			}
			samples := scrape(t, metrics)
			if samples["bridge_dial_seconds_count"]+samples["bridge_handshake_seconds_count"]+samples[`bridge_sessions_opened_total{path="copy",target="lab"}`] > 0 {
				t.Errorf("counted as a session: %v", samples)
			}
			for name, n := range samples {
				if strings.Contains(name, `target="nothing"`) {
					t.Errorf("a name that is no target is a label: %s is %v", name, n)
				}
			}
		})
	}
}

func TestMetricsBeforeUpgrade(t *testing.T) {
	entered, leave := make(chan bool), make(chan bool)
	h := &bridge.Handler{
		Limits: bridge.Limits{Handshakes: 1, AddressRate: 0.4}, // two at once
		Authorize: func(*http.Request, string) (bridge.Grant, error) {
			entered <- true
			<-leave
			return bridge.Grant{}, errors.New("no")
		},
	}
	metrics := register(t, h)
	base := serve(t, h)
	answer, err := client(nil).Get(base + "/nbd/lab")
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	held := dial(t, base, "lab")
	<-entered
	for range 2 { // one handshake too many, and then too fast
		if _, _, err := tryDial(t, base, "lab"); err == nil {
			t.Error("not refused")
		}
	}
	close(leave)
	wantClose(t, held, bridge.StatusUnauthorised)
	for _, reason := range []string{"upgrade", "handshakes", "rate", "unauthorised"} {
		waitForSample(t, metrics, `bridge_refusals_total{reason="`+reason+`"}`, 1)
	}
}

// Two bridges in one registry need a label each.
func TestMetricsOfTwoHandlers(t *testing.T) {
	one, two := &bridge.Handler{}, &bridge.Handler{}
	metrics := register(t, one)
	var already prometheus.AlreadyRegisteredError
	if err := metrics.Register(two); !errors.As(err, &already) || already.ExistingCollector != one {
		t.Errorf("the second: %v", err)
	}
	labelled := prometheus.NewPedanticRegistry()
	for name, h := range map[string]*bridge.Handler{"one": one, "two": two} {
		if err := prometheus.WrapRegistererWith(prometheus.Labels{"bridge": name}, labelled).Register(h); err != nil {
			t.Error(err)
		}
	}
	samples := scrape(t, labelled)
	for _, name := range []string{"one", "two"} {
		if _, ok := samples[`bridge_refusals_total{bridge="`+name+`",reason="rate"}`]; !ok {
			t.Errorf("%s is not there", name)
		}
	}
}

// In OpenMetrics a counter has the name of its family, which no other may have.
func TestMetricNames(t *testing.T) {
	h := &bridge.Handler{}
	metrics := register(t, h)
	c, target := pair(t, h)
	target.Close()
	wantClose(t, c, websocket.StatusNormalClosure)
	waitForSample(t, metrics, `bridge_closes_total{code="1000"}`, 1)
	seen := map[string]bool{}
	for line := range strings.Lines(exposition(t, metrics, "application/openmetrics-text; version=1.0.0")) {
		if fields := strings.Fields(line); fields[0] == "#" && fields[1] == "TYPE" {
			if seen[fields[2]] || !strings.HasPrefix(fields[2], "bridge_") {
				t.Errorf("a second or foreign metric: %s", line)
			}
			seen[fields[2]] = true
		}
	}
	if len(seen) != 11 {
		t.Errorf("%d metrics, want 11: %v", len(seen), seen)
	}
}
