package main

import (
	"embed"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"text/tabwriter"

	"nbdbridge/bridge"
)

//go:embed bench
var page embed.FS

// A report is what the page posts.
type report struct {
	Browser string
	Error   string
	Rows    []row
}

// A row is one request size, its rates the medians of interleaved rounds.
type row struct {
	Size        int     // bytes of one request
	Depth       int     // requests in flight
	Raw         float64 // MiB/s, raw WebSocket
	Disk        float64 // MiB/s, disk.read over TLS
	RawMessage  int     // bytes of one message of the last round, mean
	DiskMessage int     // the same
	Latency     float64 // ms of one disk.read at depth 1, median
}

func routes(tunnel *bridge.Handler, fair *fairness, config map[string]any, results chan<- report) *http.ServeMux {
	mux := http.NewServeMux()
	mux.Handle("GET /nbd/{target}", fair.watch(tunnel))
	mux.Handle("GET /bench/", typed(http.FileServerFS(page)))
	mux.HandleFunc("GET /config.json", func(w http.ResponseWriter, r *http.Request) {
		_ = json.NewEncoder(w).Encode(config)
	})
	mux.HandleFunc("POST /lap/{target}", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, fair.lap(r.PathValue("target")))
	})
	mux.HandleFunc("POST /results", func(w http.ResponseWriter, r *http.Request) {
		var rep report
		if err := decode(r, &rep); err != nil {
			rep.Error = err.Error()
		}
		results <- rep
	})
	return mux
}

func decode(r *http.Request, into any) error {
	return json.NewDecoder(io.LimitReader(r.Body, 1<<20)).Decode(into)
}

// typed sets the types that a minimal system does not know.
func typed(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case strings.HasSuffix(r.URL.Path, ".wasm"):
			w.Header().Set("Content-Type", "application/wasm")
		case strings.HasSuffix(r.URL.Path, ".js"):
			w.Header().Set("Content-Type", "text/javascript")
		}
		next.ServeHTTP(w, r)
	})
}

func (r report) print(w io.Writer) error {
	if r.Error != "" {
		return fmt.Errorf("the page failed: %s", r.Error)
	}
	fmt.Fprintf(w, "%s\nraw WebSocket receive against disk.read over TLS, through the same bridge, medians of interleaved rounds\n\n", r.Browser)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "request\tdepth\traw MiB/s\tdisk.read MiB/s\tratio\traw message\tdisk message\tlatency at depth 1\t")
	for _, x := range r.Rows {
		fmt.Fprintf(t, "%d KiB\t%d\t%.0f\t%.0f\t%.2f\t%d B\t%d B\t%.2f ms\t\n", x.Size>>10, x.Depth, x.Raw, x.Disk, x.Disk/x.Raw, x.RawMessage, x.DiskMessage, x.Latency)
	}
	return t.Flush()
}
