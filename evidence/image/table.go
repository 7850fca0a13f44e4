package image

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sort"
)

// The table of frames is that of the "Zstandard Seekable Format", version 0.1.0:
// a skippable frame with an entry for each frame before it and a footer. All
// numbers are little-endian.
const (
	skippableMagic = 0x184D2A5E // Skippable_Magic_Number
	seekableMagic  = 0x8F92EAB1 // Seekable_Magic_Number

	headerSize = 8 // Skippable_Magic_Number, Frame_Size
	entrySize  = 8 // Compressed_Size, Decompressed_Size; no checksums, since frames have their own
	footerSize = 9 // Number_Of_Frames, Seek_Table_Descriptor, Seekable_Magic_Number

	maxFrames = 0x8000000 // of the format
	// maxCompressed bounds a frame: what can't be compressed grows a little.
	maxCompressed = MaxPiece + MaxPiece>>8
)

func appendEntry(entries []byte, compressed, length int) []byte {
	entries = binary.LittleEndian.AppendUint32(entries, uint32(compressed))
	return binary.LittleEndian.AppendUint32(entries, uint32(length))
}

// tableEnds are what stands before and behind the entries.
func tableEnds(count int) (header, footer []byte) {
	header = binary.LittleEndian.AppendUint32(nil, skippableMagic)
	header = binary.LittleEndian.AppendUint32(header, uint32(count*entrySize+footerSize))
	footer = binary.LittleEndian.AppendUint32(nil, uint32(count))
	footer = append(footer, 0) // Seek_Table_Descriptor
	return header, binary.LittleEndian.AppendUint32(footer, seekableMagic)
}

// tableSize is that of the table of a finished image.
func tableSize(s State) int64 {
	if s.Format == Raw {
		return 0
	}
	return headerSize + int64(len(s.Frames)) + footerSize
}

// A span is where a frame lies, or where several do that follow each other.
type span struct {
	place, compressed int64 // in the file
	start, length     int64 // in the disk
}

// next is the frame of the first entry, which follows the span.
func (s span) next(entry []byte) (span, error) {
	compressed := binary.LittleEndian.Uint32(entry)
	length := binary.LittleEndian.Uint32(entry[4:])
	if compressed == 0 || compressed > maxCompressed || length == 0 || length > maxFrame {
		return span{}, fmt.Errorf("the table has a frame of %d bytes for %d of the disk, which no image of this program has", compressed, length)
	}
	return span{s.place + s.compressed, int64(compressed), s.start + s.length, int64(length)}, nil
}

// past is an empty span behind s.
func (s span) past() span { return span{place: s.place + s.compressed, start: s.start + s.length} }

// through is what follows all frames of the entries.
func (s span) through(entries []byte) (span, error) {
	for ; len(entries) >= entrySize; entries = entries[entrySize:] {
		next, err := s.next(entries)
		if err != nil {
			return span{}, err
		}
		s = next.past()
	}
	return s, nil
}

func checkFrames(s State) error {
	end, err := span{}.through(s.Frames)
	if err != nil || len(s.Frames)%entrySize != 0 || len(s.Frames) > maxFrames*entrySize || end.place != s.File || end.start != s.Disk {
		return errNoState
	}
	return nil
}

// pageEntries is how many entries are read at once.
const pageEntries = 4096

// A table finds frames. It keeps one page of its entries, and where the others
// begin, so that its size says little about the memory that it takes.
type table struct {
	r     io.ReaderAt
	first int64  // place of the first entry
	count int64  // entries
	pages []span // empty, where the frames of each page begin
	end   span   // empty, behind the last frame

	loaded int64 // number of the page in buffer; -1: none
	buffer [pageEntries * entrySize]byte
}

var errNoTable = errors.New("the file does not end in a table of frames: it is no image in seekable zstd, was not finished, or was cut")

func openTable(r io.ReaderAt, size int64) (*table, error) {
	count, err := readFooter(r, size)
	if err != nil {
		return nil, err
	}
	t := &table{r: r, count: count, loaded: -1}
	place := size - footerSize - count*entrySize - headerSize
	t.first = place + headerSize
	if err := readHeader(r, place, count); err != nil {
		return nil, err
	}
	if err := t.readPages(); err != nil {
		return nil, err
	}
	if t.end.place != place {
		return nil, fmt.Errorf("the frames of the table end at byte %d, and the table begins at %d: the image is damaged", t.end.place, place)
	}
	return t, nil
}

// readFooter returns the number of frames, for whose table there is room.
func readFooter(r io.ReaderAt, size int64) (int64, error) {
	if size < headerSize+footerSize {
		return 0, errNoTable
	}
	var footer [footerSize]byte
	if err := readFull(r, footer[:], size-footerSize); err != nil {
		return 0, err
	}
	count := int64(binary.LittleEndian.Uint32(footer[:]))
	switch {
	case binary.LittleEndian.Uint32(footer[5:]) != seekableMagic:
		return 0, errNoTable
	case footer[4] != 0:
		return 0, fmt.Errorf("the table of frames is of a kind (%#x) that this program does not write", footer[4])
	case count > maxFrames || count > (size-headerSize-footerSize)/entrySize:
		return 0, fmt.Errorf("the table of frames has %d entries, for which the file has no room: the image is damaged", count)
	}
	return count, nil
}

func readHeader(r io.ReaderAt, place, count int64) error {
	var header [headerSize]byte
	if err := readFull(r, header[:], place); err != nil {
		return err
	}
	if binary.LittleEndian.Uint32(header[:]) != skippableMagic || int64(binary.LittleEndian.Uint32(header[4:])) != count*entrySize+footerSize {
		return errors.New("the table of frames has no beginning: the image is damaged")
	}
	return nil
}

func (t *table) readPages() error {
	for page := int64(0); page*pageEntries < t.count; page++ {
		entries, err := t.page(page)
		if err != nil {
			return err
		}
		t.pages = append(t.pages, t.end)
		if t.end, err = t.end.through(entries); err != nil {
			return err
		}
	}
	return nil
}

// page reads the entries of a page, which are good until the next call.
func (t *table) page(number int64) ([]byte, error) {
	from := number * pageEntries
	entries := t.buffer[:min(t.count-from, pageEntries)*entrySize]
	if t.loaded == number {
		return entries, nil
	}
	t.loaded = -1
	if err := readFull(t.r, entries, t.first+from*entrySize); err != nil {
		return nil, err
	}
	t.loaded = number
	return entries, nil
}

// find returns the frame that has the byte of the disk.
func (t *table) find(offset int64) (span, error) {
	number := sort.Search(len(t.pages), func(i int) bool { return t.pages[i].start > offset }) - 1
	entries, err := t.page(int64(number))
	if err != nil {
		return span{}, err
	}
	frame := t.pages[number]
	for ; len(entries) > 0; entries = entries[entrySize:] {
		if frame, err = frame.next(entries); err != nil || offset < frame.start+frame.length {
			return frame, err
		}
	}
	return span{}, errors.New("the table of frames has changed since the image was opened")
}

// readFull reads all of p, or fails.
func readFull(r io.ReaderAt, p []byte, offset int64) error {
	n, err := r.ReadAt(p, offset)
	if n == len(p) {
		return nil
	}
	if err == nil || errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return fmt.Errorf("the image can't be read at byte %d: %w", offset+int64(n), err)
}
