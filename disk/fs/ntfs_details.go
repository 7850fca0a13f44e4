package fs

import "fmt"

func (n *ntfs) details(s *source, at node) (Details, error) {
	f, err := n.file(s, at.(ntfsRef))
	if err != nil {
		return Details{}, err
	}
	d := Details{Entry: n.entryOf(s, f), Attributes: ntfsAttributeNames(f.flags())}
	if info := f.value(ntfsStandard, 48); info != nil {
		d.Times = ntfsTimes("$STANDARD_INFORMATION", info)
	}
	d.addNames(f)
	d.addStreams(f)
	if security := f.value(ntfsSecurity, 20); security != nil {
		d.Owner = ntfsOwner(security)
	}
	if point := f.find(ntfsReparse, ""); point != nil {
		d.note(n.addTarget(s, point, &d))
	}
	n.addContent(s, f, &d)
	return d, nil
}

func ntfsAttributeNames(flags uint32) []string {
	var names []string
	for _, f := range ntfsFlagNames {
		if flags&f.flag != 0 {
			names = append(names, f.name)
		}
	}
	return names
}

// addNames counts the names, but for the short ones of DOS, and takes the
// times of the first.
func (d *Details) addNames(f *ntfsFile) {
	for _, a := range f.attributes {
		if a.kind != ntfsFileName || !a.resident {
			continue
		}
		name, err := parseNTFSName(a.value)
		if err != nil {
			d.note(err)
			continue
		}
		if name.space == ntfsDOS {
			continue
		}
		if d.Links++; d.Links == 1 {
			d.Times = append(d.Times, ntfsTimes("$FILE_NAME", name.times)...)
		}
	}
}

func (d *Details) addStreams(f *ntfsFile) {
	for _, a := range f.attributes {
		if a.kind != ntfsData || a.name == "" {
			continue
		}
		if len(d.Streams) == MaxStreams {
			d.Problems = append(d.Problems, fmt.Sprintf("It has more than %d streams.", MaxStreams))
			return
		}
		d.Streams = append(d.Streams, Stream{a.name, a.size})
	}
}

// addTarget reads a link's target. Other reparse points have none, and are
// named among the attributes.
func (n *ntfs) addTarget(s *source, point *ntfsAttribute, d *Details) error {
	raw, err := point.all(s, n.cluster, ntfsMaxPoint)
	if err != nil {
		return err
	}
	if d.Type == TypeSymlink {
		d.Target, err = ntfsTarget(raw)
		return err
	}
	if len(raw) >= 4 {
		d.Attributes = append(d.Attributes, fmt.Sprintf("reparse point %#x", le.Uint32(raw)))
	}
	return nil
}

// addContent says where the content lies, or a folder's index.
func (n *ntfs) addContent(s *source, f *ntfsFile, d *Details) {
	a := f.find(ntfsData, "")
	if f.folder {
		a = f.find(ntfsIndex, ntfsNames)
	}
	switch {
	case a == nil:
	case a.resident:
		d.Extents = []Extent{{Length: a.size, Disk: -1, Kind: ExtentInline}}
	default:
		d.Allocated = max(a.allocated, 0)
		d.addRuns(a, n.cluster)
	}
	if d.Type == TypeFile && a != nil {
		d.note(ntfsElsewhere(f.flags(), n.point(s, f)))
		if a.flags&ntfsEncrypted != 0 {
			d.note(unsupported("the content is encrypted (EFS)"))
		}
	}
}

func (d *Details) addRuns(a *ntfsAttribute, cluster int64) {
	for _, r := range a.runs {
		if r.first*cluster >= a.size {
			return
		}
		if a.flags&ntfsCompressed != 0 && r.kind == ExtentData {
			r.kind = ExtentCompressed
		}
		if !d.addRun(r, cluster, a.size) {
			return
		}
	}
}

// ntfsOwner reads the owner and group of a security descriptor.
func ntfsOwner(b []byte) *Owner {
	o := Owner{User: sidText(b, le.Uint32(b[4:])), Group: sidText(b, le.Uint32(b[8:]))}
	if o.User == "" {
		return nil
	}
	return &o
}

// sidText writes a SID as Windows does, or nothing if it can't be read.
func sidText(b []byte, at uint32) string {
	if at < 20 || int64(at)+8 > int64(len(b)) {
		return ""
	}
	sid := b[at:]
	count := int(sid[1])
	if count > 15 || 8+4*count > len(sid) {
		return ""
	}
	text := fmt.Sprintf("S-%d-%d", sid[0], be.Uint64(sid)&(1<<48-1))
	for i := range count {
		text += fmt.Sprintf("-%d", le.Uint32(sid[8+4*i:]))
	}
	return text
}
