package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"slices"
	"text/tabwriter"
	"time"
)

// coldStarts is how many browsers measure: only the first open() of a browser
// is cold.
const coldStarts = 5

// milestones are those that the page posts, in the order of a cold start.
var milestones = []struct{ mark, title string }{
	{"worker", "the Worker's script runs"},
	{"runtime", "wasm_exec.js has run"},
	{"compiled", "the WASM is compiled"},
	{"instantiated", "the WASM is instantiated"},
	{"started", "Go is up"},
	{"dialled", "the WebSocket is begun"},
	{"connected", "the WebSocket is open"},
	{"opened", "open() has resolved: TLS, NBD"},
	{"sector", "the first sector is there"},
}

// Aims for the last milestone, in ms on loopback.
const coldAim, warmAim = 400, 250

// A start is what the page posts: when it passed the milestones, in ms after
// open() was called.
type start struct {
	Error string
	Cold  map[string]float64
	Warm  []map[string]float64
}

// A fileServer is a bridge that serves the web files as it does to users, with
// their caching and compression, and the disk.
type fileServer struct {
	addr  string
	stop  func()
	proxy *httputil.ReverseProxy // for pages of ours, which its files must share an origin with
}

// startFileServer's targets are names and TCP addresses.
func startFileServer(program, origin string, targets map[string]string) (*fileServer, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	addr := l.Addr().String()
	l.Close()
	args := []string{"serve", "--ui", "--listen", addr, "--origin", origin}
	for name, at := range targets {
		args = append(args, "--target", name+"=tcp://"+at)
	}
	cmd := exec.Command(program, args...)
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting the bridge: %w (run `make build`)", err)
	}
	stop := func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}
	for range 200 {
		if c, err := net.Dial("tcp", addr); err == nil {
			c.Close()
			bridge := &url.URL{Scheme: "http", Host: addr}
			return &fileServer{addr, stop, &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(bridge) }}}, nil
		}
		time.Sleep(25 * time.Millisecond)
	}
	stop()
	return nil, errors.New("the bridge does not answer")
}

// route serves the client's files, and what belongs to the page that starts.
func (f *fileServer) route(mux *http.ServeMux, config map[string]any, posted chan<- start) {
	mux.Handle("GET /client/", f.proxy)
	mux.HandleFunc("GET /start.json", func(w http.ResponseWriter, r *http.Request) {
		_ = json.NewEncoder(w).Encode(map[string]any{
			"url": "ws://" + f.addr + "/nbd/disk", "export": "disk",
			"tls": map[string]any{"ca": config["ca"], "serverName": config["serverName"]},
		})
	})
	mux.HandleFunc("POST /start", func(w http.ResponseWriter, r *http.Request) {
		var s start
		if err := decode(r, &s); err != nil {
			s.Error = err.Error()
		}
		posted <- s
	})
}

// measureStarts gives fresh browsers the page, one after the other.
func measureStarts(ctx context.Context, browser, page string, posted <-chan start) error {
	var cold, warm []map[string]float64
	for range coldStarts {
		s, err := inBrowser(ctx, browser, page, posted)
		if err != nil {
			return err
		}
		if s.Error != "" {
			return fmt.Errorf("the page failed: %s", s.Error)
		}
		cold, warm = append(cold, s.Cold), append(warm, s.Warm...)
	}
	return printStarts(os.Stdout, cold, warm)
}

func printStarts(w io.Writer, cold, warm []map[string]float64) error {
	fmt.Fprintf(w, "From open() to the first sector, over TLS through bin/bridge, medians of %d and %d; ms after the call\n\n", len(cold), len(warm))
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "milestone\tcold\twarm")
	for _, m := range milestones {
		fmt.Fprintf(t, "%s\t%s\t%s\n", m.title, medianOf(m.mark, cold), medianOf(m.mark, warm))
	}
	fmt.Fprintf(t, "aim\t%d\t%d\n", coldAim, warmAim)
	if err := t.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintln(w)
	return err
}

// medianOf a milestone that was not passed, because its work was done before
// the call, is "-".
func medianOf(mark string, rounds []map[string]float64) string {
	var values []float64
	for _, r := range rounds {
		if at, passed := r[mark]; passed {
			values = append(values, at)
		}
	}
	if len(values) == 0 {
		return "-"
	}
	slices.Sort(values)
	return fmt.Sprintf("%.0f", values[len(values)/2])
}
