package main

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"text/tabwriter"
)

// bootRounds is how many browsers boot from each source, in turn.
const bootRounds = 3

// bootAim is what a boot over NBD may take, as a multiple of one from memory.
const bootAim = 1.5

// bootSources are where the page may have its disk from.
var bootSources = []string{"memory", "nbd"}

// A boot is what the page posts that starts Linux.
type boot struct {
	Error    string
	Prompt   float64 // ms from the click to the shell's prompt
	Requests int     // of NBD, up to then; 0 from memory
}

// A bootServer is nbdkit with the image that is booted, over TLS.
type bootServer struct {
	image, addr, ca string
	stop            func()
}

func startBootServer(image string) (*bootServer, error) {
	folder, err := os.MkdirTemp("", "bench-boot")
	if err != nil {
		return nil, err
	}
	b := &bootServer{image: image, stop: func() { os.RemoveAll(folder) }}
	if err := b.start(folder); err != nil {
		b.stop()
		return nil, err
	}
	return b, nil
}

func (b *bootServer) start(folder string) (err error) {
	if b.ca, err = writePKI(folder); err != nil {
		return err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	b.addr = l.Addr().String()
	_, port, _ := net.SplitHostPort(b.addr)
	l.Close()
	cmd := exec.Command("nbdkit", "--foreground", "--readonly", "--ipaddr=127.0.0.1", "--port="+port,
		"--tls=require", "--tls-certificates="+folder, "file", b.image)
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("starting nbdkit: %w (apt-get install nbdkit)", err)
	}
	clean := b.stop
	b.stop = func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		clean()
	}
	return nil
}

// writePKI leaves a certificate under the names that nbdkit looks for.
func writePKI(folder string) (ca string, err error) {
	pair, ca, err := selfSigned()
	if err != nil {
		return "", err
	}
	key, err := privateKey(pair)
	if err != nil {
		return "", err
	}
	for name, text := range map[string]string{"ca-cert.pem": ca, "server-cert.pem": ca, "server-key.pem": key} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
			return "", err
		}
	}
	return ca, nil
}

func privateKey(pair tls.Certificate) (string, error) {
	der, err := x509.MarshalPKCS8PrivateKey(pair.PrivateKey)
	if err != nil {
		return "", err
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})), nil
}

// routeBoot serves what the page needs beyond the client's files: V86's, which
// are beside the page that boots, and the image as a whole.
func (f *fileServer) routeBoot(mux *http.ServeMux, b *bootServer, posted chan<- boot) {
	mux.Handle("GET /demo/", f.proxy)
	mux.HandleFunc("GET /boot.img", func(w http.ResponseWriter, r *http.Request) { http.ServeFile(w, r, b.image) })
	mux.HandleFunc("GET /boot.json", func(w http.ResponseWriter, r *http.Request) {
		_ = json.NewEncoder(w).Encode(map[string]any{
			"url": "ws://" + f.addr + "/nbd/boot",
			"tls": map[string]any{"ca": b.ca, "serverName": serverName},
		})
	})
	mux.HandleFunc("POST /boot", func(w http.ResponseWriter, r *http.Request) {
		var found boot
		if err := decode(r, &found); err != nil {
			found.Error = err.Error()
		}
		posted <- found
	})
}

// measureBoot gives fresh browsers the page, from memory and over NBD in turn.
func measureBoot(ctx context.Context, browser, page string, posted <-chan boot) error {
	rounds := map[string][]boot{}
	for range bootRounds {
		for _, source := range bootSources {
			found, err := inBrowser(ctx, browser, page+"?from="+source, posted)
			if err != nil {
				return err
			}
			if found.Error != "" {
				return fmt.Errorf("the page failed: %s", found.Error)
			}
			rounds[source] = append(rounds[source], found)
		}
	}
	return printBoots(os.Stdout, rounds)
}

func printBoots(w io.Writer, rounds map[string][]boot) error {
	fmt.Fprintf(w, "\nFrom the click to the prompt of Linux in V86, medians of %d interleaved rounds; over NBD: nbdkit, TLS, bin/bridge, caches cold\n\n", bootRounds)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "disk\tseconds\tspread\tratio\taim\tNBD requests\t")
	memory := median(rounds["memory"])
	for _, source := range bootSources {
		all := rounds[source]
		m := median(all)
		fmt.Fprintf(t, "%s\t%.1f\t%.1f–%.1f\t%.2f\t%.1f\t%d\t\n", source, seconds(m), seconds(all[0]), seconds(all[len(all)-1]), m.Prompt/memory.Prompt, bootAim, m.Requests)
	}
	return t.Flush()
}

func seconds(b boot) float64 { return b.Prompt / 1000 }

// median sorts rounds by their time, and returns the one in the middle.
func median(rounds []boot) boot {
	slices.SortFunc(rounds, func(a, b boot) int { return cmp.Compare(a.Prompt, b.Prompt) })
	return rounds[len(rounds)/2]
}
