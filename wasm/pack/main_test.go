package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
)

// TestWindow checks the promise to browsers on a file larger than the window.
func TestWindow(t *testing.T) {
	raw := bytes.Repeat([]byte("webassembly "), 2<<20)
	packed, err := zstandard(raw)
	if err != nil {
		t.Fatal(err)
	}
	var header zstd.Header
	if err := header.Decode(packed); err != nil {
		t.Fatal(err)
	}
	if header.WindowSize > maxWindow {
		t.Errorf("window of %d bytes, at most %d are decoded", header.WindowSize, maxWindow)
	}
	r, err := zstd.NewReader(nil, zstd.WithDecoderMaxWindow(maxWindow))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if got, err := r.DecodeAll(packed, nil); err != nil || !bytes.Equal(got, raw) {
		t.Errorf("does not unpack: %v", err)
	}
}

func TestBudget(t *testing.T) {
	file := filepath.Join(t.TempDir(), "a.wasm")
	if err := os.WriteFile(file, []byte("not much"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := run(file, 1000); err != nil {
		t.Errorf("within the budget: %v", err)
	}
	if err := run(file, 10); err == nil || !strings.Contains(err.Error(), "over the budget") {
		t.Errorf("over the budget: %v", err)
	}
}
