package fs

// ext is ext2, ext3 or ext4.
type ext struct{ *extSuper }

// An extNumber is the number of an inode.
type extNumber uint32

const extRoot = extNumber(2)

func openExt(s *source) (format, error) {
	sb, err := readExtSuper(s)
	if err != nil {
		return nil, err
	}
	x := &ext{sb}
	root, err := x.inode(s, uint32(extRoot))
	if err != nil {
		return nil, err
	}
	if root.mode&modeKind != modeFolder {
		return nil, damaged("the root is no folder")
	}
	return x, nil
}

func (x *ext) root() node { return extRoot }

func (x *ext) entry(s *source, n node) (Entry, error) {
	i, err := x.inode(s, uint32(n.(extNumber)))
	if err != nil {
		return Entry{}, err
	}
	return i.entry(), nil
}

func (i *extInode) entry() Entry {
	e := Entry{Type: modeType(i.mode), ID: uint64(i.number), Modified: i.time("", 16, 136)}
	if e.Type == TypeFile || e.Type == TypeSymlink {
		e.Size = i.size
	}
	return e
}

func (x *ext) details(s *source, n node) (Details, error) {
	i, err := x.inode(s, uint32(n.(extNumber)))
	if err != nil {
		return Details{}, err
	}
	d := Details{
		Entry: i.entry(), Times: i.times(), Mode: modeText(i.mode), Owner: i.owner(), Attributes: i.attributes(),
		Links: int64(le.Uint16(i.raw[26:])), Allocated: i.allocated(x.extSuper),
	}
	switch d.Type {
	case TypeBlock, TypeChar:
		d.Device = i.device()
	case TypeSymlink:
		d.note(x.target(s, i, &d))
	case TypeFile, TypeFolder:
		d.note(x.extents(s, i, &d))
	}
	return d, nil
}

// note keeps a part that could not be read from hiding the rest.
func (d *Details) note(err error) {
	if err != nil {
		d.Problems = append(d.Problems, err.Error())
	}
}

// target reads that of a symbolic link.
func (x *ext) target(s *source, i *extInode, d *Details) error {
	if i.flags&extFlagEncrypted != 0 {
		return unsupported("the target is encrypted")
	}
	if i.size < extBlockSize && i.flags&extFlagExtents == 0 {
		d.Target = EscapePath(i.block()[:i.size])
		return nil
	}
	if i.size > MaxTarget {
		return damaged("a target of %d bytes", i.size)
	}
	target := make([]byte, i.size)
	err := (&extContent{x, i}).readAt(s, target, 0)
	d.Target = EscapePath(target)
	return err
}

// extents are those of a file or folder.
func (x *ext) extents(s *source, i *extInode, d *Details) error {
	if i.flags&extFlagInline != 0 {
		d.Extents = []Extent{{Length: i.size, Disk: -1, Kind: ExtentInline}}
		return nil
	}
	for at := int64(0); at*x.blockSize < i.size; {
		r, err := x.run(s, i, at)
		if err != nil {
			return err
		}
		if !d.addRun(r, x.blockSize, i.size) {
			return nil
		}
		at = r.end()
	}
	return nil
}

// addRun adds what of a run, in blocks, lies in a file of size bytes. It says
// whether there is room for more.
func (d *Details) addRun(r run, blockSize, size int64) bool {
	count := min(r.count, (size+blockSize-1)/blockSize-r.first)
	e := Extent{Offset: r.first * blockSize, Length: count * blockSize, Disk: -1, Kind: r.kind}
	if r.disk >= 0 {
		e.Disk = r.disk * blockSize
	}
	if d.joined(e) {
		return true
	}
	if len(d.Extents) == MaxExtents {
		d.MoreExtent = true
		return false
	}
	d.Extents = append(d.Extents, e)
	return true
}

// joined makes one extent of e and the last, if that is what they are.
func (d *Details) joined(e Extent) bool {
	if len(d.Extents) == 0 {
		return false
	}
	last := &d.Extents[len(d.Extents)-1]
	if last.Kind != e.Kind || last.Disk >= 0 && last.Disk+last.Length != e.Disk || last.Disk < 0 && e.Disk >= 0 {
		return false
	}
	last.Length += e.Length
	return true
}

func (x *ext) content(s *source, n node, stream string) (content, error) {
	if stream != "" {
		return nil, noStream(stream)
	}
	i, err := x.inode(s, uint32(n.(extNumber)))
	if err != nil {
		return nil, err
	}
	if i.flags&extFlagEncrypted != 0 {
		return nil, unsupported("the file is encrypted")
	}
	return &extContent{x, i}, nil
}

type extContent struct {
	x *ext
	i *extInode
}

func (c *extContent) size() int64 { return c.i.size }

func (c *extContent) readAt(s *source, p []byte, offset int64) error {
	if c.i.flags&extFlagInline != 0 {
		return c.readInline(p, offset)
	}
	return readBlocks(s, p, offset, c.x.blockSize, func(at int64) (run, error) { return c.x.run(s, c.i, at) })
}

func (c *extContent) readInline(p []byte, offset int64) error {
	head, rest := c.i.inline()
	all := append(append([]byte(nil), head...), rest...)
	if offset+int64(len(p)) > int64(len(all)) {
		return damaged("%d bytes are said to be in an inode, which holds %d", c.i.size, len(all))
	}
	copy(p, all[offset:])
	return nil
}

// readBlocks fills p from a file's offset, by runs of blocks.
func readBlocks(s *source, p []byte, offset, blockSize int64, find func(block int64) (run, error)) error {
	for len(p) > 0 {
		if err := s.step(); err != nil {
			return err
		}
		r, err := find(offset / blockSize)
		if err != nil {
			return err
		}
		within := offset % blockSize
		n := int64(len(p))
		if r.count < n/blockSize+2 {
			n = min(n, r.count*blockSize-within)
		}
		if r.kind != ExtentData {
			clear(p[:n])
		} else if err := s.readFull(p[:n], r.disk*blockSize+within); err != nil {
			return err
		}
		p, offset = p[n:], offset+n
	}
	return nil
}
