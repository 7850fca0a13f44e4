package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"text/tabwriter"
)

// A syncReport is what the page posts that measures one read after the other.
type syncReport struct {
	Error    string
	Isolated bool
	Sizes    []int // bytes of a read
	Ways     []struct {
		Name  string
		Rates []float64 // reads per second for each size, medians of interleaved rounds
	}
}

// isolated has pages and their Workers share memory. Only that page asks for
// it, but its Workers are others' scripts.
func isolated(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cross-Origin-Embedder-Policy", "require-corp")
		if r.URL.Path == "/bench/sync.html" {
			w.Header().Set("Cross-Origin-Opener-Policy", "same-origin")
		}
		next.ServeHTTP(w, r)
	})
}

// routeSync serves what the page needs beyond the client's files: the Service
// Worker, where its scope is everything.
func (f *fileServer) routeSync(mux *http.ServeMux, posted chan<- syncReport) {
	mux.HandleFunc("GET /sw.js", func(w http.ResponseWriter, r *http.Request) {
		r.URL.Path = "/client/range/sw.js"
		f.proxy.ServeHTTP(w, r)
	})
	mux.HandleFunc("POST /sync", func(w http.ResponseWriter, r *http.Request) {
		var rep syncReport
		if err := decode(r, &rep); err != nil {
			rep.Error = err.Error()
		}
		posted <- rep
	})
}

// measureSync gives a fresh browser the page.
func measureSync(ctx context.Context, browser, page string, posted <-chan syncReport) error {
	r, err := inBrowser(ctx, browser, page, posted)
	if err != nil {
		return err
	}
	return r.print(os.Stdout)
}

func (r syncReport) print(w io.Writer) error {
	if r.Error != "" {
		return fmt.Errorf("the page failed: %s", r.Error)
	}
	if !r.Isolated {
		return errors.New("the page was not cross-origin isolated")
	}
	fmt.Fprint(w, "\nReads per second, one after the other, over TLS through bin/bridge, medians of interleaved rounds\n\n")
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprint(t, "by\t")
	for _, size := range r.Sizes {
		fmt.Fprintf(t, "%d KiB\t", size>>10)
	}
	fmt.Fprintln(t)
	for _, way := range r.Ways {
		fmt.Fprintf(t, "%s\t", way.Name)
		for _, rate := range way.Rates {
			fmt.Fprintf(t, "%.0f\t", rate)
		}
		fmt.Fprintln(t)
	}
	return t.Flush()
}
