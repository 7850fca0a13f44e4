// Command pack compresses the WASM program for serving and holds it to its
// size budget.
package main

import (
	"bytes"
	"flag"
	"fmt"
	"os"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// maxWindow is the largest zstd window that browsers decode, in bytes (RFC 9659).
const maxWindow = 8 << 20

func main() {
	budget := flag.Int("budget", 0, "fail when the gzip form has more bytes; 0 for no budget")
	flag.Usage = func() {
		fmt.Fprintln(os.Stderr, "usage: pack [-budget BYTES] FILE.wasm: writes FILE.wasm.gz and FILE.wasm.zst")
		flag.PrintDefaults()
	}
	flag.Parse()
	if flag.NArg() != 1 {
		flag.Usage()
		os.Exit(2)
	}
	if err := run(flag.Arg(0), *budget); err != nil {
		fmt.Fprintln(os.Stderr, "pack:", err)
		os.Exit(1)
	}
}

func run(file string, budget int) error {
	raw, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	small, err := gzipped(raw)
	if err != nil {
		return err
	}
	smaller, err := zstandard(raw)
	if err != nil {
		return err
	}
	fmt.Printf("%s: raw %d, gzip %d, zstd %d bytes\n", file, len(raw), len(small), len(smaller))
	if budget > 0 && len(small) > budget {
		return fmt.Errorf("%d bytes of gzip are over the budget of %d: find out what the program links now (go tool nm -size)", len(small), budget)
	}
	if err := os.WriteFile(file+".gz", small, 0o644); err != nil {
		return err
	}
	return os.WriteFile(file+".zst", smaller, 0o644)
}

func gzipped(raw []byte) ([]byte, error) {
	var b bytes.Buffer
	w, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(raw); err != nil {
		return nil, err
	}
	err = w.Close()
	return b.Bytes(), err
}

func zstandard(raw []byte) ([]byte, error) {
	w, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedBestCompression), zstd.WithWindowSize(maxWindow))
	if err != nil {
		return nil, err
	}
	defer w.Close()
	return w.EncodeAll(raw, nil), nil
}
