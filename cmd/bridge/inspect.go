package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"

	"nbdbridge/disk"
	"nbdbridge/disk/fs"
	"nbdbridge/nbd"
)

type inspectCommand struct {
	URL       string  `arg:"" help:"URL of the export, as for bridge info."`
	Path      string  `arg:"" optional:"" help:"A folder or file within a file system, from its root, such as /etc/fstab. Without it, the partitions are shown."`
	JSON      bool    `name:"json" help:"Print JSON in place of text: of a folder one line for each entry."`
	Export    *string `placeholder:"NAME" help:"The export (default: that of the URL, else the server's default export)."`
	Partition int     `placeholder:"N" help:"The partition that the path is in, by its number in the table (default: the whole disk, if it has no table)."`
	Offset    *int64  `placeholder:"BYTES" help:"Where the file system begins, in place of --partition."`
	Size      *int64  `placeholder:"BYTES" help:"How long it is (default: up to the end of the disk); needs --offset."`
	Extract   string  `placeholder:"DEST" help:"Copy the file or folder to DEST, which must not exist; - is standard output, for files."`
	Stream    string  `placeholder:"NAME" help:"An alternate stream of the file in place of its main content; needs --extract."`
	trustFlags
	tokenFlags
}

// Help is shown by --help.
func (*inspectCommand) Help() string {
	return `Shows how a disk is divided and what its parts hold; with a path, lists a folder of ext2/3/4, FAT, exFAT, NTFS or ISO 9660, or copies out of it. The disk is opened read-only, and nothing on it is run, mounted or followed.

  bridge inspect nbds://nbd7.lab/vda --ca ca-cert.pem
  bridge inspect nbds://nbd7.lab/vda --ca ca-cert.pem --partition 1 /home
  bridge inspect nbd://127.0.0.1/ --partition 2 /etc --extract etc
  bridge inspect nbd://127.0.0.1/ --offset 1048576 /boot/grub/grub.cfg --extract -

In names, what can't be printed and what is no UTF-8 is shown as \xNN, a backslash as \\; paths are given so too.

A folder is copied with all that is in it. What is there already is never overwritten, nor followed where it is a link. Names get _ for what can't be printed, and for a backslash. Links are made where they stay within the folder; devices, sockets and alternate streams are left out. What could not be copied is told, the rest is copied all the same, and the exit code is 1.`
}

func (c *inspectCommand) Run(ctx context.Context, log *slog.Logger) error {
	if err := c.check(); err != nil {
		return err
	}
	e, cfg, err := reach(c.URL, &c.trustFlags, &c.tokenFlags, log)
	if err != nil {
		return err
	}
	d, err := c.open(ctx, e, cfg)
	if err != nil {
		return fmt.Errorf("%s: %w", e.url, withAdvice(err))
	}
	defer d.Close()
	return c.inspect(ctx, d)
}

// check refuses what can't be meant, before anything is connected to.
func (c *inspectCommand) check() error {
	switch {
	case c.Path == "" && (c.Extract != "" || c.Stream != ""):
		return usagef("--extract and --stream need a path: which file?")
	case c.Path != "" && c.Path[0] != '/':
		return usagef("the path %q does not begin with /: paths are from the root of the file system", c.Path)
	case c.Stream != "" && c.Extract == "":
		return usagef("--stream needs --extract: - prints it")
	case c.Partition < 0:
		return usagef("--partition %d: want a number of the table, from 1", c.Partition)
	case c.Partition != 0 && c.Offset != nil:
		return usagef("--partition and --offset both say where the file system is: drop one of them")
	case c.Size != nil && c.Offset == nil:
		return usagef("--size needs --offset")
	}
	return nil
}

func (c *inspectCommand) open(ctx context.Context, e *endpoint, cfg *nbd.Config) (*nbd.Disk, error) {
	name, err := e.exportName(c.Export)
	if err != nil {
		return nil, err
	}
	client, err := connectClient(ctx, e, cfg)
	if err != nil {
		return nil, err
	}
	d, err := client.Open(ctx, name)
	if err != nil {
		_ = client.Abort(ctx)
	}
	return d, err
}

// inspect reads through one cache: tables, signatures and file system lie close
// to each other.
func (c *inspectCommand) inspect(ctx context.Context, d *nbd.Disk) error {
	size := d.Info().Size
	pages := fs.NewPages(d.At(ctx), size, 0)
	if c.Path == "" {
		return c.showLayout(pages, size)
	}
	offset, length, err := c.place(pages, size)
	if err != nil {
		return err
	}
	v, err := fs.OpenContext(ctx, io.NewSectionReader(pages, offset, length), length)
	if err != nil {
		return withLook(err)
	}
	defer v.Close()
	path, err := canonical(c.Path)
	if err != nil {
		return usageError{err}
	}
	if c.Extract != "" {
		return c.extract(ctx, v, path)
	}
	return c.list(ctx, v, path)
}

// withLook says how to find out what is there.
func withLook(err error) error {
	if errors.Is(err, fs.ErrUnsupported) || errors.Is(err, fs.ErrDamaged) {
		return fmt.Errorf("%w\nWithout a path, bridge inspect shows what the disk holds", err)
	}
	return err
}

// place is where the file system lies that the flags mean.
func (c *inspectCommand) place(r io.ReaderAt, size int64) (offset, length int64, err error) {
	if c.Offset != nil {
		return stretchOf(*c.Offset, c.Size, size)
	}
	layout, err := disk.ReadLayout(r, size)
	switch {
	case err != nil:
		return 0, 0, err
	case c.Partition != 0:
		return partitionOf(layout, c.Partition)
	case layout.Scheme == "none" || layout.Volume != "":
		return 0, size, nil
	}
	return 0, 0, usagef("the disk has a partition table: say with --partition where %s is. Without a path, bridge inspect shows them", visible(c.Path))
}

// stretchOf is what --offset and --size mean on a disk of size bytes.
func stretchOf(offset int64, length *int64, size int64) (int64, int64, error) {
	n := size - offset
	if length != nil {
		n = *length
	}
	if offset < 0 || n <= 0 || n > size-offset {
		return 0, 0, usagef("--offset %d and --size %d are not within the disk, which has %d bytes", offset, n, size)
	}
	return offset, n, nil
}

// partitionOf is where a partition lies.
func partitionOf(layout *disk.Layout, number int) (offset, length int64, err error) {
	for _, p := range layout.Parts {
		if p.Number == number {
			return p.Offset, p.Length, nil
		}
	}
	return 0, 0, fmt.Errorf("there is no partition %d. Without a path, bridge inspect shows them", number)
}

// An inspected is what `bridge inspect --json` prints of a disk.
type inspected struct {
	*disk.Layout
	Parts []inspectedPart `json:"parts"`
}

type inspectedPart struct {
	disk.Part
	Signatures []disk.Signature `json:"signatures"`
	Error      string           `json:"error,omitempty"` // why there are none or not all
}

func (c *inspectCommand) showLayout(r io.ReaderAt, size int64) error {
	layout, err := disk.ReadLayout(r, size)
	if err != nil {
		return err
	}
	i := inspected{Layout: layout}
	for _, p := range layout.Parts {
		part := inspectedPart{Part: p, Signatures: []disk.Signature{}}
		if p.Kind != disk.PartTable {
			found, err := disk.Probe(r, p.Offset, p.Length)
			part.Signatures = append(part.Signatures, found...)
			if err != nil {
				part.Error = err.Error()
			}
		}
		i.Parts = append(i.Parts, part)
	}
	if c.JSON {
		return printJSON(i)
	}
	i.print(os.Stdout)
	return nil
}

// printJSON prints one line.
func printJSON(v any) error {
	enc := json.NewEncoder(os.Stdout)
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}
