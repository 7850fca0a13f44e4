package image

import (
	"bytes"
	"fmt"

	"github.com/klauspost/compress/zstd"
)

const (
	// maxFrame is how many bytes of the disk a frame has at most: of zeros,
	// since others have MaxPiece.
	maxFrame = 64 << 20
	// window is how far back a frame refers at most: what a decoder needs.
	window = MaxPiece
	// block is how much a block of Zstandard holds at most.
	block = 128 << 10
)

// An encoder makes frames with checksums. What it returns is good until it is
// asked again.
type encoder struct {
	zstd  *zstd.Encoder
	frame []byte
	zero  []byte // the frame of maxFrame zeros, once it is made
}

var zeroBlock [block]byte

// newEncoder takes the fastest level: on system files a third more than the
// next one would save a twentieth of the image and cost twice the time.
func newEncoder() (*encoder, error) {
	z, err := zstd.NewWriter(nil,
		zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderCRC(true),
		zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(window), zstd.WithLowerEncoderMem(true))
	if err != nil {
		return nil, fmt.Errorf("no encoder of Zstandard: %w", err)
	}
	return &encoder{zstd: z}, nil
}

func (e *encoder) piece(p []byte) []byte {
	e.frame = e.zstd.EncodeAll(p, e.frame[:0])
	return e.frame
}

// zeros is a frame of n zeros, at most maxFrame.
func (e *encoder) zeros(n int64) ([]byte, error) {
	if n != maxFrame {
		return e.makeZeros(n)
	}
	if e.zero == nil {
		made, err := e.makeZeros(n)
		if err != nil {
			return nil, err
		}
		e.zero = bytes.Clone(made)
	}
	return e.zero, nil
}

// makeZeros streams, so that a decoder needs no more than the window.
func (e *encoder) makeZeros(n int64) ([]byte, error) {
	frame := bytes.NewBuffer(e.frame[:0])
	e.zstd.ResetContentSize(frame, n)
	for ; n > 0; n -= block {
		if _, err := e.zstd.Write(zeroBlock[:min(n, block)]); err != nil {
			return nil, err
		}
	}
	err := e.zstd.Close()
	e.frame = frame.Bytes()
	return e.frame, err
}
