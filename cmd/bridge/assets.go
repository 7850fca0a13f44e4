package main

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"slices"
	"strings"
	"time"

	"nbdbridge/web"
)

// contentPolicy is what the pages and the worker may do: run our own scripts
// and the WASM, connect to any bridge that the user types in, and save files by
// way of a frame.
const contentPolicy = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; img-src 'self' data:; " +
	"connect-src 'self' ws: wss:; worker-src 'self'; frame-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// emulatorPolicy is that of the emulator's page: V86 keeps time in a Worker that
// it makes of a blob.
var emulatorPolicy = strings.Replace(contentPolicy, "worker-src 'self'", "worker-src 'self' blob:", 1)

// Debian's minimal images have no table of MIME types, and a browser compiles
// WASM from a stream only under this one.
var contentTypes = map[string]string{
	".wasm": "application/wasm",
	".js":   "text/javascript; charset=utf-8",
	".css":  "text/css; charset=utf-8",
	".html": "text/html; charset=utf-8",
	".svg":  "image/svg+xml",
}

// assets serves the web files that are built into the binary.
type assets struct {
	files fs.FS
	tags  map[string]string // ETag of each file
}

func newAssets() (*assets, error) {
	if !web.Built() {
		return nil, errors.New("this binary was built without the web files: run `make build` in the source tree and use bin/bridge")
	}
	return tagged(web.Files)
}

// tagged makes an ETag of each file's content.
func tagged(files fs.FS) (*assets, error) {
	a := &assets{files: files, tags: map[string]string{}}
	err := fs.WalkDir(a.files, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := fs.ReadFile(a.files, name)
		a.tags[name] = fmt.Sprintf(`"%x"`, sha256.Sum256(b))
		return err
	})
	return a, err
}

func (a *assets) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name := strings.TrimPrefix(path.Clean(r.URL.Path), "/")
	if strings.HasSuffix(r.URL.Path, "/") {
		name = path.Join(name, "index.html")
	}
	if _, folder := a.tags[path.Join(name, "index.html")]; folder && path.Clean(r.URL.Path) == r.URL.Path {
		http.Redirect(w, r, path.Base(name)+"/", http.StatusTemporaryRedirect) // links in it are relative
		return
	}
	if _, known := a.tags[name]; !known {
		http.NotFound(w, r)
		return
	}
	h := w.Header()
	h.Set("Content-Security-Policy", policy(name))
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cache-Control", "no-cache")
	h.Set("Content-Type", contentType(name))
	a.send(w, r, a.encoded(w, r, name))
}

func policy(name string) string {
	if strings.HasPrefix(name, "demo/vm/") {
		return emulatorPolicy
	}
	return contentPolicy
}

func contentType(name string) string {
	if t, ok := contentTypes[path.Ext(name)]; ok {
		return t
	}
	if t := mime.TypeByExtension(path.Ext(name)); t != "" {
		return t
	}
	return "application/octet-stream"
}

// encoded picks the smallest form of a file that was compressed at build time.
func (a *assets) encoded(w http.ResponseWriter, r *http.Request, name string) string {
	for _, form := range []struct{ suffix, coding string }{{".zst", "zstd"}, {".gz", "gzip"}} {
		if _, there := a.tags[name+form.suffix]; !there {
			continue
		}
		addVary(w.Header(), "Accept-Encoding")
		if accepts(r.Header.Get("Accept-Encoding"), form.coding) {
			w.Header().Set("Content-Encoding", form.coding)
			return name + form.suffix
		}
	}
	return name
}

// addVary keeps what is there: cors says Vary too.
func addVary(h http.Header, field string) {
	if !slices.Contains(h.Values("Vary"), field) {
		h.Add("Vary", field)
	}
}

// accepts reads an Accept-Encoding header; q=0 means no.
func accepts(header, coding string) bool {
	for item := range strings.SplitSeq(header, ",") {
		name, q, _ := strings.Cut(strings.TrimSpace(item), ";")
		if strings.EqualFold(strings.TrimSpace(name), coding) {
			q = strings.ToLower(strings.ReplaceAll(q, " ", ""))
			return strings.Trim(strings.TrimPrefix(q, "q="), "0.") != "" || q == ""
		}
	}
	return false
}

// send answers whole or not at all: a range of a compressed form means nothing.
// It copies no file, which a client that takes its time would hold.
func (a *assets) send(w http.ResponseWriter, r *http.Request, name string) {
	f, err := http.FS(a.files).Open(name)
	if err != nil {
		http.Error(w, "the file could not be read", http.StatusInternalServerError)
		return
	}
	defer f.Close()
	w.Header().Set("ETag", a.tags[name])
	r.Header.Del("Range")
	http.ServeContent(w, r, "", time.Time{}, f)
}
