package fs

import (
	"fmt"
	"strings"
	"time"
)

// isoSector is the unit of descriptors and of folders, in bytes.
const isoSector = 2048

// An isoTree is one of the trees of names that a volume has over its files.
type isoTree struct {
	root   []byte // its record
	joliet bool
	rock   bool
	skip   int // bytes before the entries of Rock Ridge
}

// isoMaxDescriptors is more than any disc has.
const isoMaxDescriptors = 64

func openISO(s *source) (format, error) {
	primary, joliet, err := isoDescriptors(s)
	if err != nil {
		return nil, err
	}
	iso := &iso{block: int64(le.Uint16(primary[128:])), tree: isoTree{root: primary[156:190]}}
	if iso.block < 512 || iso.block > isoSector || iso.block&(iso.block-1) != 0 {
		return nil, damaged("blocks of %d bytes", iso.block)
	}
	if err := iso.findRock(s); err != nil {
		return nil, err
	}
	if !iso.tree.rock && joliet != nil {
		iso.tree = isoTree{root: joliet[156:190], joliet: true}
	}
	iso.told = isoFacts(primary, joliet, iso)
	root, err := iso.rootNode()
	iso.top = root
	return iso, err
}

// isoDescriptors finds the first primary one, and that of Joliet if there is.
func isoDescriptors(s *source) (primary, joliet []byte, err error) {
	for i := int64(0); i < isoMaxDescriptors; i++ {
		raw, err := s.read(isoSector, (16+i)*isoSector)
		if err != nil {
			return nil, nil, err
		}
		if string(raw[1:6]) != "CD001" || raw[0] == 255 {
			break
		}
		escape := string(raw[88:91])
		switch {
		case raw[0] == 1 && primary == nil:
			primary = raw
		case raw[0] == 2 && joliet == nil && (escape == "%/@" || escape == "%/C" || escape == "%/E"):
			joliet = raw
		}
	}
	if primary == nil {
		return nil, nil, damaged("the descriptor of ISO 9660 is not there")
	}
	return primary, joliet, nil
}

// findRock looks in the root's first entry for the mark of Rock Ridge.
func (iso *iso) findRock(s *source) error {
	top, err := iso.rootNode()
	if err != nil {
		return err
	}
	first, err := iso.record(s, isoNode{at: top.folder, end: top.folderEnd})
	if err != nil {
		return err
	}
	area := first.system
	if len(area) >= 7 && string(area[:2]) == "SP" && area[4] == 0xbe && area[5] == 0xef {
		iso.tree.skip = int(area[6])
		iso.tree.rock = iso.rockRidge(s, first, 0).found
	}
	return nil
}

// rootNode is the root, which has no record in a folder.
func (iso *iso) rootNode() (isoNode, error) {
	r, err := parseISORecord(iso.tree.root)
	if err != nil {
		return isoNode{}, err
	}
	start := iso.start(r)
	return isoNode{at: -1, folder: start, folderEnd: start + r.size}, nil
}

func isoFacts(primary, joliet []byte, iso *iso) Facts {
	f := Facts{
		Kind: "ISO 9660", Label: isoText(primary[40:72]), BlockSize: iso.block, Free: 0,
		Size: int64(le.Uint32(primary[80:])) * iso.block,
	}
	if joliet != nil {
		f.Features = append(f.Features, "Joliet")
		if label := strings.TrimRight(Escape(utf16Name(joliet[40:72], be)), " \x00"); iso.tree.joliet && label != "" {
			f.Label = label
		}
	}
	if iso.tree.rock {
		f.Features = append(f.Features, "Rock Ridge")
	}
	for _, t := range []struct {
		name string
		at   int
	}{{"created", 813}, {"modified", 830}} {
		if at, ok := isoLongTime(t.name, "volume descriptor", primary[t.at:t.at+17]); ok {
			f.Times = append(f.Times, at)
		}
	}
	return f
}

// isoText is a text that is filled with blanks.
func isoText(b []byte) string { return Escape([]byte(strings.TrimRight(string(b), " \x00"))) }

// isoShortTime reads a time of 7 bytes, with its distance from UTC.
func isoShortTime(name, source string, b []byte) (Time, bool) {
	t := time.Date(1900+int(b[0]), time.Month(b[1]), int(b[2]), int(b[3]), int(b[4]), int(b[5]), 0, time.UTC)
	return isoZoned(name, source, t, int8(b[6])), b[1] != 0
}

// isoLongTime reads a time of 16 digits, and its distance from UTC.
func isoLongTime(name, source string, b []byte) (Time, bool) {
	t, err := time.Parse("20060102150405.00", string(b[:14])+"."+string(b[14:16]))
	return isoZoned(name, source, t, int8(b[16])), err == nil
}

// isoZoned makes a Time of one in a zone, in quarters of an hour east. Zones
// that no place has are taken for UTC.
func isoZoned(name, source string, t time.Time, quarters int8) Time {
	if quarters < -48 || quarters > 56 {
		quarters = 0
	}
	minutes := 15 * int(quarters)
	zone, sign := "UTC", '+'
	if minutes < 0 {
		sign = '-'
	}
	if minutes != 0 {
		zone = fmt.Sprintf("%c%02d:%02d", sign, max(minutes, -minutes)/60, max(minutes, -minutes)%60)
	}
	return Time{Name: name, Source: source, Zone: zone, Time: moment(t.Add(-time.Duration(minutes) * time.Minute))}
}
