package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"text/tabwriter"
)

// hashAim is of the slower of the link and the hash alone.
const hashAim = 0.9

// A copyReport is what the page posts that copies and hashes whole disks.
type copyReport struct {
	Error string
	Rows  []struct {
		What  string
		Rate  float64 // MiB/s, the median of rounds
		Ratio float64 // of the slower of the link and the hash alone; 0 for what is no hash of the disk
	}
}

func routeCopy(mux *http.ServeMux, posted chan<- copyReport) {
	mux.HandleFunc("POST /copy", func(w http.ResponseWriter, r *http.Request) {
		var rep copyReport
		if err := decode(r, &rep); err != nil {
			rep.Error = err.Error()
		}
		posted <- rep
	})
}

// measureCopy gives a fresh browser the page.
func measureCopy(ctx context.Context, browser, page string, posted <-chan copyReport) error {
	r, err := inBrowser(ctx, browser, page, posted)
	if err != nil {
		return err
	}
	return r.print(os.Stdout)
}

func (r copyReport) print(w io.Writer) error {
	if r.Error != "" {
		return fmt.Errorf("the page failed: %s", r.Error)
	}
	fmt.Fprint(w, "\nWhole disks, over TLS through bin/bridge or made up in the page, medians of rounds\n\n")
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "job\tMiB/s\tof the slower of link and hash")
	for _, row := range r.Rows {
		ratio := ""
		if row.Ratio > 0 {
			ratio = fmt.Sprintf("%.2f (aim %.1f)", row.Ratio, hashAim)
		}
		fmt.Fprintf(t, "%s\t%.0f\t%s\n", row.What, row.Rate, ratio)
	}
	return t.Flush()
}
