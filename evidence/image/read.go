package image

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/klauspost/compress/zstd"
)

// An Image is a disk in a file. Its methods may be called from several
// goroutines at once.
type Image struct {
	disk io.ReaderAt
	size int64
}

// Open finds the disk in a finished image of size bytes that a Writer made. An
// image in Zstd is known by its table of frames, which is checked; its frames
// are when they are read. A few MiB of memory do for images of any size,
// whatever they say of themselves.
func Open(f Format, r io.ReaderAt, size int64) (*Image, error) {
	switch f {
	case Raw:
		return &Image{io.NewSectionReader(r, 0, size), size}, nil
	case Zstd:
		t, err := openTable(r, size)
		if err != nil {
			return nil, err
		}
		d, err := newDecoder(r, t)
		return &Image{d, t.end.start}, err
	}
	return nil, fmt.Errorf("there is no format %q of images: known are raw and zstd", string(f))
}

// Size is that of the disk, in bytes.
func (i *Image) Size() int64 { return i.size }

// ReadAt reads bytes of the disk, as io.ReaderAt has it. Bytes of a frame whose
// checksum is wrong are an error.
func (i *Image) ReadAt(p []byte, offset int64) (int, error) {
	switch {
	case offset < 0:
		return 0, errors.New("there is nothing before the beginning of an image")
	case offset >= i.size:
		return 0, io.EOF
	case int64(len(p)) > i.size-offset:
		n, err := i.disk.ReadAt(p[:i.size-offset], offset)
		if err == nil {
			err = io.EOF
		}
		return n, err
	}
	return i.disk.ReadAt(p, offset)
}

// A decoder reads bytes out of frames.
type decoder struct {
	r     io.ReaderAt
	mu    sync.Mutex // guards all below, and the table
	table *table
	zstd  *zstd.Decoder

	frame span   // whose content is known; empty: none
	piece []byte // its content; nil: zeros

	zeros  []byte // a frame, compressed, that is known to be of zeros
	length int64  // how many

	compressed, content []byte // buffers
}

// newDecoder bounds all memory by the sizes of a piece. With a concurrency of
// one there is no goroutine, and so nothing to close.
func newDecoder(r io.ReaderAt, t *table) (*decoder, error) {
	z, err := zstd.NewReader(nil,
		zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecodeAllCapLimit(true),
		zstd.WithDecoderMaxWindow(window), zstd.WithDecoderMaxMemory(MaxPiece))
	return &decoder{r: r, table: t, zstd: z}, err
}

// ReadAt reads within the disk.
func (d *decoder) ReadAt(p []byte, offset int64) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	n := 0
	for n < len(p) {
		if err := d.load(offset + int64(n)); err != nil {
			return n, err
		}
		n += d.copy(p[n:], offset+int64(n)-d.frame.start)
	}
	return n, nil
}

func (d *decoder) copy(p []byte, from int64) int {
	if d.piece != nil {
		return copy(p, d.piece[from:])
	}
	n := min(int64(len(p)), d.frame.length-from)
	clear(p[:n])
	return int(n)
}

// load makes the frame known that has the byte of the disk.
func (d *decoder) load(offset int64) error {
	if d.frame.start <= offset && offset < d.frame.start+d.frame.length {
		return nil
	}
	f, err := d.table.find(offset)
	if err != nil {
		return err
	}
	d.frame = span{}
	if err := d.decode(f); err != nil {
		return fmt.Errorf("the image is damaged in bytes %d to %d, which hold %d to %d of the disk: %w",
			f.place, f.place+f.compressed, f.start, f.start+f.length, err)
	}
	d.frame = f
	return nil
}

var errLength = errors.New("the frame is not as long as the table says")

func (d *decoder) decode(f span) error {
	if d.content == nil {
		d.compressed, d.content = make([]byte, maxCompressed), make([]byte, MaxPiece)
	}
	compressed := d.compressed[:f.compressed]
	if err := readFull(d.r, compressed, f.place); err != nil {
		return err
	}
	if f.length > MaxPiece {
		return d.decodeZeros(compressed, f.length)
	}
	return d.decodePiece(compressed, f.length)
}

func (d *decoder) decodePiece(compressed []byte, length int64) error {
	content, err := d.zstd.DecodeAll(compressed, d.content[:0:length])
	if err == nil && int64(len(content)) != length {
		err = errLength
	}
	d.piece = content
	return err
}

// decodeZeros goes through a frame that is too long for a buffer, or knows it.
func (d *decoder) decodeZeros(compressed []byte, length int64) error {
	d.piece = nil
	if length == d.length && bytes.Equal(compressed, d.zeros) {
		return nil
	}
	if err := d.zstd.Reset(bytes.NewReader(compressed)); err != nil {
		return err
	}
	// A frame that is left in its middle would keep what decodes pieces.
	defer func() { _ = d.zstd.Reset(nil) }()
	if err := d.expectZeros(length); err != nil {
		return err
	}
	d.zeros, d.length = bytes.Clone(compressed), length
	return nil
}

// expectZeros reads the frame to its end, where its checksum is.
func (d *decoder) expectZeros(length int64) error {
	for {
		n, err := d.zstd.Read(d.content[:block])
		length -= int64(n)
		switch {
		case !bytes.Equal(d.content[:n], zeroBlock[:n]):
			return errors.New("the frame is longer than a piece, and not of zeros: no image of this program has that")
		case length < 0, errors.Is(err, io.EOF) && length > 0:
			return errLength
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
	}
}
