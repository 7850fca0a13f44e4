package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"nbdbridge/web"
)

// webFiles stands for the real ones, which need not be built.
var webFiles = fstest.MapFS{
	"client/index.js":     {Data: []byte("plain js")},
	"client/nbd.wasm":     {Data: []byte("plain wasm")},
	"client/nbd.wasm.gz":  {Data: []byte("gzipped wasm")},
	"client/nbd.wasm.zst": {Data: []byte("zstd wasm")},
	"client/only.css":     {Data: []byte("plain css")},
	"client/only.css.gz":  {Data: []byte("gzipped css")},
	"client/data.nbdtest": {Data: []byte("data")},
	"demo/index.html":     {Data: []byte("<p>")},
	"demo/vm/index.html":  {Data: []byte("<p>vm")},
	"demo/icon.svg":       {Data: []byte("<svg/>")},
	"demo/vm/lib.mjs":     {Data: []byte("module")},
}

func newWebFiles(t *testing.T) *assets {
	t.Helper()
	a, err := tagged(webFiles)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// ask sends a request to a handler; headers are names and values in turn.
func ask(h http.Handler, method, path string, headers ...string) *http.Response {
	r := httptest.NewRequest(method, path, nil)
	for i := 0; i < len(headers); i += 2 {
		if headers[i] == "Host" {
			r.Host = headers[i+1]
		}
		r.Header.Add(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result()
}

func bodyOf(t *testing.T, r *http.Response) string {
	t.Helper()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestContentTypes(t *testing.T) {
	a := newWebFiles(t)
	for path, want := range map[string]string{
		"/client/index.js":     "text/javascript; charset=utf-8",
		"/client/nbd.wasm":     "application/wasm",
		"/client/only.css":     "text/css; charset=utf-8",
		"/client/data.nbdtest": "application/octet-stream",
		"/demo/":               "text/html; charset=utf-8",
		"/demo/index.html":     "text/html; charset=utf-8",
		"/demo/vm/":            "text/html; charset=utf-8",
		"/demo/icon.svg":       "image/svg+xml",
		"/demo/vm/lib.mjs":     "text/javascript; charset=utf-8",
	} {
		r := ask(a, "GET", path)
		if got := r.Header.Get("Content-Type"); r.StatusCode != 200 || got != want {
			t.Errorf("%s: %s, %s", path, r.Status, got)
		}
	}
}

func TestSecurityHeaders(t *testing.T) {
	r := ask(newWebFiles(t), "GET", "/demo/")
	for name, want := range map[string]string{
		"Content-Security-Policy": contentPolicy, "X-Content-Type-Options": "nosniff",
		"Referrer-Policy": "no-referrer", "Cache-Control": "no-cache",
	} {
		if got := r.Header.Get(name); got != want {
			t.Errorf("%s: %q", name, got)
		}
	}
	if got := ask(newWebFiles(t), "GET", "/demo/vm/lib.mjs").Header.Get("Content-Security-Policy"); missing(got, "worker-src 'self' blob:; frame-src 'self'; base-uri 'none'") != "" {
		t.Errorf("the emulator's policy: %q", got)
	}
	directives := strings.Split(contentPolicy, "; ")
	for _, want := range []string{"default-src 'none'", "script-src 'self' 'wasm-unsafe-eval'", "frame-ancestors 'none'", "base-uri 'none'"} {
		if !slices.Contains(directives, want) {
			t.Errorf("the policy lacks %q", want)
		}
	}
	if missing(contentPolicy, "unsafe-inline") == "" || missing(contentPolicy, "'unsafe-eval'") == "" {
		t.Errorf("the policy is lax: %s", contentPolicy)
	}
}

func TestEncodings(t *testing.T) {
	a := newWebFiles(t)
	for _, c := range []struct{ path, accept, coding, body, vary string }{
		{"/client/nbd.wasm", "gzip, deflate, br, zstd", "zstd", "zstd wasm", "Accept-Encoding"},
		{"/client/nbd.wasm", "ZSTD", "zstd", "zstd wasm", "Accept-Encoding"},
		{"/client/nbd.wasm", "gzip;q=1.0, zstd;q=0.1", "zstd", "zstd wasm", "Accept-Encoding"},
		{"/client/nbd.wasm", "gzip", "gzip", "gzipped wasm", "Accept-Encoding"},
		{"/client/nbd.wasm", "zstd;q=0, gzip", "gzip", "gzipped wasm", "Accept-Encoding"},
		{"/client/nbd.wasm", "zstd ; Q=0.000 , gzip ; q=0.5", "gzip", "gzipped wasm", "Accept-Encoding"},
		{"/client/nbd.wasm", "zstd;q=0,gzip;q=0.0", "", "plain wasm", "Accept-Encoding"},
		{"/client/nbd.wasm", "br, xgzip, gzipx", "", "plain wasm", "Accept-Encoding"},
		{"/client/nbd.wasm", "", "", "plain wasm", "Accept-Encoding"},
		{"/client/only.css", "zstd, gzip", "gzip", "gzipped css", "Accept-Encoding"},
		{"/client/index.js", "zstd, gzip", "", "plain js", ""},
	} {
		r := ask(a, "GET", c.path, "Accept-Encoding", c.accept)
		coding, vary, body := r.Header.Get("Content-Encoding"), strings.Join(r.Header.Values("Vary"), ", "), bodyOf(t, r)
		if coding != c.coding || body != c.body || vary != c.vary {
			t.Errorf("%s for %q: %q with encoding %q, Vary %q", c.path, c.accept, body, coding, vary)
		}
	}
}

// A form of a file is told by its ETag: a cache must not take one for another.
func TestETags(t *testing.T) {
	a := newWebFiles(t)
	seen := map[string]string{}
	for _, accept := range []string{"", "gzip", "zstd"} {
		first := ask(a, "GET", "/client/nbd.wasm", "Accept-Encoding", accept)
		tag := first.Header.Get("ETag")
		if other, known := seen[tag]; known || !strings.HasPrefix(tag, `"`) {
			t.Errorf("the ETag for %q is %s, as for %q", accept, tag, other)
		}
		seen[tag] = accept
		again := ask(a, "GET", "/client/nbd.wasm", "Accept-Encoding", accept, "If-None-Match", tag)
		if again.StatusCode != http.StatusNotModified || bodyOf(t, again) != "" || again.Header.Get("ETag") != tag || again.Header.Get("Vary") == "" {
			t.Errorf("the same again for %q: %s, %v", accept, again.Status, again.Header)
		}
	}
	for tag, accept := range seen {
		if accept == "gzip" {
			continue
		}
		if r := ask(a, "GET", "/client/nbd.wasm", "Accept-Encoding", "gzip", "If-None-Match", tag); r.StatusCode != 200 {
			t.Errorf("the gzip form passes for that of %q: %s", accept, r.Status)
		}
	}
}

func TestETagFollowsTheContent(t *testing.T) {
	one, err := tagged(fstest.MapFS{"a.js": {Data: []byte("1")}, "b.js": {Data: []byte("1")}})
	if err != nil {
		t.Fatal(err)
	}
	two, err := tagged(fstest.MapFS{"a.js": {Data: []byte("2")}})
	if err != nil {
		t.Fatal(err)
	}
	if one.tags["a.js"] == two.tags["a.js"] || one.tags["a.js"] != one.tags["b.js"] {
		t.Errorf("%v, %v", one.tags, two.tags)
	}
}

func TestUnknownPaths(t *testing.T) {
	a := newWebFiles(t)
	for _, path := range []string{
		"/", "/client", "/client/", "/client/nothing.js", "/demo/v", "/demo/index.html/", "/index.html",
		"/client/../../go.mod", "/client/%2e%2e/%2e%2e/go.mod", "/../etc/passwd", `/client/..%5cindex.js`,
		"/client/index.js%00", "/client/index.js.gz", "/CLIENT/index.js", "/./client//./index.jsx",
	} {
		if r := ask(a, "GET", path); r.StatusCode != http.StatusNotFound || r.Header.Get("ETag") != "" {
			t.Errorf("%s: %s", path, r.Status)
		}
	}
}

func TestHead(t *testing.T) {
	r := ask(newWebFiles(t), "HEAD", "/client/index.js")
	if r.StatusCode != 200 || bodyOf(t, r) != "" || r.ContentLength != int64(len("plain js")) || r.Header.Get("ETag") == "" {
		t.Errorf("%s, %d bytes, %v", r.Status, r.ContentLength, r.Header)
	}
}

func TestRangeIsIgnored(t *testing.T) {
	a := newWebFiles(t)
	for _, accept := range []string{"", "gzip"} {
		r := ask(a, "GET", "/client/nbd.wasm", "Range", "bytes=1-2", "Accept-Encoding", accept)
		if r.StatusCode != 200 || !strings.HasSuffix(bodyOf(t, r), "wasm") || r.Header.Get("Content-Range") != "" {
			t.Errorf("%s, %v", r.Status, r.Header)
		}
	}
}

func TestAssetThatCannotBeRead(t *testing.T) {
	a := newWebFiles(t)
	a.tags["client/gone.js"] = `"x"`
	if r := ask(a, "GET", "/client/gone.js"); r.StatusCode != http.StatusInternalServerError {
		t.Error(r.Status)
	}
}

func TestAssetsOfThisBinary(t *testing.T) {
	a, err := newAssets()
	if !web.Built() {
		wantError(t, err, false, "make build", "bin/bridge")
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/demo/", "/client/index.js", "/client/nbd.wasm"} {
		if r := ask(a, "GET", path); r.StatusCode != 200 {
			t.Errorf("%s: %s", path, r.Status)
		}
	}
}

// A client that takes its time holds no copy of the file.
func TestAssetsAreNotCopied(t *testing.T) {
	const size = 64 << 20
	a, err := tagged(fstest.MapFS{"big.wasm": {Data: make([]byte, size)}})
	if err != nil {
		t.Fatal(err)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if r := ask(a, "HEAD", "/big.wasm"); r.ContentLength != size {
		t.Errorf("%s, %d bytes", r.Status, r.ContentLength)
	}
	runtime.ReadMemStats(&after)
	if took := after.TotalAlloc - before.TotalAlloc; took > size/2 {
		t.Errorf("one request took %d bytes", took)
	}
}
