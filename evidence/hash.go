// Package evidence hashes disks over io.ReaderAt.
package evidence

import (
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding"
	"encoding/binary"
	"errors"
	"hash"
	"hash/crc32"
	"io"
	"strconv"
)

// chunk is how much is read or made up at once, in bytes.
const chunk = 64 << 10

// positionSize is how many bytes of a state are its position; not every hash
// knows its own.
const positionSize = 8

var zeros [chunk]byte

// A Hash is the hash of a disk under way. It is an io.Writer that takes the
// disk from its beginning on, and never fails.
type Hash struct {
	running  hash.Hash
	position int64
}

// New begins a hash: md5, sha1, sha256, sha512 or crc32 (that of IEEE 802.3).
func New(algorithm string) (*Hash, error) {
	running := newRunning(algorithm)
	if running == nil {
		return nil, errors.New("there is no hash " + algorithm + ": known are md5, sha1, sha256, sha512 and crc32")
	}
	return &Hash{running: running}, nil
}

func newRunning(algorithm string) hash.Hash {
	switch algorithm {
	case "md5":
		return md5.New()
	case "sha1":
		return sha1.New()
	case "sha256":
		return sha256.New()
	case "sha512":
		return sha512.New()
	case "crc32":
		return crc32.NewIEEE()
	}
	return nil
}

// Resume goes on with a hash of the algorithm where State was called, position
// bytes from the beginning of the disk. A state of another position is an
// error, and so is one that is damaged or of another algorithm, where that
// shows.
func Resume(algorithm string, state []byte, position int64) (*Hash, error) {
	h, err := New(algorithm)
	if err != nil {
		return nil, err
	}
	if len(state) < positionSize || binary.BigEndian.Uint64(state) != uint64(position) {
		return nil, errors.New("this is no state of " + algorithm + " at byte " + strconv.FormatInt(position, 10))
	}
	if err := h.running.(encoding.BinaryUnmarshaler).UnmarshalBinary(state[positionSize:]); err != nil {
		return nil, errors.New("this is no state of " + algorithm + ": " + err.Error())
	}
	h.position = position
	return h, nil
}

// State is all that Resume needs, about a hundred bytes. Another version of Go
// may refuse it.
func (h *Hash) State() ([]byte, error) {
	running, err := h.running.(encoding.BinaryMarshaler).MarshalBinary()
	return append(binary.BigEndian.AppendUint64(nil, uint64(h.position)), running...), err
}

// Position is how many bytes have been hashed.
func (h *Hash) Position() int64 { return h.position }

// Write hashes the next bytes of the disk.
func (h *Hash) Write(p []byte) (int, error) {
	h.position += int64(len(p))
	return h.running.Write(p)
}

// WriteZeros hashes n zeros that need not be there.
func (h *Hash) WriteZeros(n int64) {
	for ; n > 0; n -= chunk {
		_, _ = h.Write(zeros[:min(n, chunk)])
	}
}

// ReadDisk hashes what is left of a disk of size bytes. When it fails, the
// hash has all the bytes before those that could not be read.
func (h *Hash) ReadDisk(disk io.ReaderAt, size int64) error {
	_, err := io.CopyBuffer(struct{ io.Writer }{h}, io.NewSectionReader(disk, h.position, size-h.position), make([]byte, chunk))
	if err == nil && h.position < size {
		return io.ErrUnexpectedEOF
	}
	return err
}

// Sum is the hash of what was written. It can go on after it.
func (h *Hash) Sum() []byte { return h.running.Sum(nil) }
