//go:build !js

package image

import (
	"bytes"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// need skips a test whose foreign program is missing, and fails it in CI.
func need(t *testing.T, program, from string) {
	t.Helper()
	if _, err := exec.LookPath(program); err == nil {
		return
	}
	text := program + " is missing: apt-get install " + from
	if os.Getenv("CI") != "" {
		t.Fatal(text)
	}
	t.Skip(text)
}

func run(t *testing.T, input []byte, name string, args ...string) []byte {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Stdin = bytes.NewReader(input)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %v: %v\n%s", name, args, err, &stderr)
	}
	return out
}

// TestZstd has the images read by the reference implementation, with no more
// memory than every decoder has to have.
func TestZstd(t *testing.T) {
	need(t, "zstd", "zstd")
	for seed := range uint64(3) {
		parts := randomParts(rand.New(rand.NewPCG(seed, 2)), rand.NewChaCha8([32]byte{byte(seed)}))
		parts = append(parts, part{zeros: int64(1-min(seed, 1))*maxFrame + 1})
		file := filepath.Join(t.TempDir(), "image.zst")
		must(t, os.WriteFile(file, imageOf(t, Zstd, parts...), 0o600))
		run(t, nil, "zstd", "-q", "-t", "--memory=8MB", file)
		if got := run(t, nil, "zstd", "-q", "-d", "-c", "--memory=8MB", file); !bytes.Equal(got, joined(parts)) {
			t.Errorf("seed %d: zstd reads another disk of %d bytes", seed, len(got))
		}
	}
}

// TestDamageShows flips a byte of what a disk has.
func TestDamageShows(t *testing.T) {
	need(t, "zstd", "zstd")
	file := imageOf(t, Zstd, part{data: []byte("an exhibit")}, part{zeros: 100_000})
	file[12] ^= 1
	name := filepath.Join(t.TempDir(), "image.zst")
	must(t, os.WriteFile(name, file, 0o600))
	if exec.Command("zstd", "-q", "-t", name).Run() == nil {
		t.Error("zstd -t finds nothing wrong")
	}
}

// TestForeignFrames reads frames of the reference implementation.
func TestForeignFrames(t *testing.T) {
	need(t, "zstd", "zstd")
	parts := []part{{data: bytes.Repeat([]byte("text "), 60_000)}, {zeros: maxFrame}, {data: make([]byte, MaxPiece)}, {data: []byte("x")}, {zeros: 3_000_000}}
	_, _ = rand.NewChaCha8([32]byte{3}).Read(parts[2].data)
	var file, entries []byte
	for i, p := range parts {
		level := []string{"-1", "-3", "-19"}[i%3]
		content := joined([]part{p})
		frame := run(t, content, "zstd", "-q", "-c", level, "--zstd=wlog=20")
		file, entries = append(file, frame...), appendEntry(entries, len(frame), len(content))
	}
	header, footer := tableEnds(len(entries) / entrySize)
	file = append(append(append(file, header...), entries...), footer...)
	wantDisk(t, open(t, Zstd, file), joined(parts), rand.New(rand.NewPCG(3, 4)))
}
