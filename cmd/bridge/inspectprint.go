package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"unicode"
	"unicode/utf8"

	"nbdbridge/disk"
	"nbdbridge/disk/fs"
)

// visible makes a disk's text fit for a terminal, which takes orders from some
// characters: what can't be printed is written as \xNN.
func visible(text string) string {
	var out strings.Builder
	for len(text) > 0 {
		r, n := utf8.DecodeRuneInString(text)
		if unicode.IsPrint(r) && (r != utf8.RuneError || n > 1) {
			out.WriteString(text[:n])
		} else {
			for _, b := range []byte(text[:n]) {
				fmt.Fprintf(&out, `\x%02X`, b)
			}
		}
		text = text[n:]
	}
	return out.String()
}

// canonical takes a path as visible has shown it, and gives it as package fs
// wants it.
func canonical(path string) (string, error) {
	names := strings.Split(path, "/")
	for i, name := range names {
		raw, err := fs.Unescape(name)
		if err != nil {
			return "", fmt.Errorf("the path %s: %w", visible(path), err)
		}
		names[i] = fs.Escape(raw)
	}
	return strings.Join(names, "/"), nil
}

func (i *inspected) print(w io.Writer) {
	fmt.Fprintf(w, "disk: %d bytes (%s)\n", i.Size, humanSize(i.Size))
	switch {
	case i.Scheme == "none":
		fmt.Fprintln(w, "partition table: none")
	case i.UUID == "":
		fmt.Fprintf(w, "partition table: %s, sectors of %d bytes\n", i.Scheme, i.SectorSize)
	default:
		fmt.Fprintf(w, "partition table: %s %s, sectors of %d bytes\n", i.Scheme, i.UUID, i.SectorSize)
	}
	for _, p := range i.Problems {
		fmt.Fprintf(w, "problem at %d: %s\n", p.Offset, visible(p.Text))
	}
	for _, p := range i.Parts {
		p.print(w)
	}
}

func (p *inspectedPart) print(w io.Writer) {
	title := p.Kind
	if p.Number != 0 {
		title = fmt.Sprintf("%s %d", p.Kind, p.Number)
	}
	fmt.Fprintf(w, "%s: %d bytes (%s) at %d", title, p.Length, humanSize(p.Length), p.Offset)
	for _, text := range append([]string{p.TypeName, p.Name}, p.Flags...) {
		if text != "" && !strings.EqualFold(text, p.Kind) {
			fmt.Fprintf(w, ", %s", visible(text))
		}
	}
	fmt.Fprintln(w)
	for _, s := range p.Signatures {
		printSignature(w, s)
	}
	if p.Error != "" {
		fmt.Fprintf(w, "\terror: %s\n", visible(p.Error))
	}
}

func printSignature(w io.Writer, s disk.Signature) {
	fmt.Fprintf(w, "\t%s", visible(s.Name))
	if s.Version != "" {
		fmt.Fprintf(w, " %s", visible(s.Version))
	}
	if s.Label != "" {
		fmt.Fprintf(w, " %q", s.Label)
	}
	if s.UUID != "" {
		fmt.Fprintf(w, " %s", visible(s.UUID))
	}
	if s.Size > 0 {
		fmt.Fprintf(w, ", %s", humanSize(s.Size))
	}
	for _, note := range s.Notes {
		fmt.Fprintf(w, ", %s", visible(note))
	}
	fmt.Fprintln(w)
}

// list shows what is in a folder, or the details of anything else.
func (c *inspectCommand) list(ctx context.Context, v fs.Volume, path string) error {
	for e, err := range v.List(ctx, path) {
		if errors.Is(err, fs.ErrNotFolder) {
			return c.showDetails(ctx, v, path)
		}
		if err != nil {
			return err
		}
		if err := c.showEntry(ctx, v, path, e); err != nil {
			return err
		}
	}
	return nil
}

func (c *inspectCommand) showEntry(ctx context.Context, v fs.Volume, folder string, e fs.Entry) error {
	if c.JSON {
		return printJSON(e)
	}
	target := ""
	if e.Type == fs.TypeSymlink {
		if d, err := v.Stat(ctx, folder+"/"+e.Name); err == nil {
			target = " -> " + visible(d.Target)
		}
	}
	problem := ""
	if e.Problem != "" {
		problem = " (" + visible(e.Problem) + ")"
	}
	_, err := fmt.Printf("%s %14d %s %s%s%s\n", letterOf(e.Type), e.Size, timeOf(e.Modified), visible(e.Name), target, problem)
	return err
}

// letterOf is what ls shows.
func letterOf(t fs.Type) string {
	switch t {
	case fs.TypeFile:
		return "-"
	case fs.TypeSymlink:
		return "l"
	case fs.TypeFolder:
		return "d"
	case fs.TypeBlock, fs.TypeChar, fs.TypeFIFO, fs.TypeSocket:
		return map[fs.Type]string{fs.TypeBlock: "b", fs.TypeChar: "c", fs.TypeFIFO: "p", fs.TypeSocket: "s"}[t]
	}
	return "?"
}

// timeOf has one width, but for offsets.
func timeOf(t fs.Time) string {
	if t.Time.IsZero() {
		return strings.Repeat("-", len("2006-01-02 15:04:05 local"))
	}
	return fmt.Sprintf("%s %-5s", t.Time.Format("2006-01-02 15:04:05"), visible(t.Zone))
}

func (c *inspectCommand) showDetails(ctx context.Context, v fs.Volume, path string) error {
	d, err := v.Stat(ctx, path)
	if err != nil {
		return err
	}
	if c.JSON {
		return printJSON(d)
	}
	printDetails(os.Stdout, d)
	return nil
}

func printDetails(w io.Writer, d fs.Details) {
	line := func(name, text string) {
		if text != "" {
			fmt.Fprintf(w, "%s: %s\n", name, visible(text))
		}
	}
	line("name", d.Name)
	line("type", string(d.Type))
	line("size", fmt.Sprintf("%d bytes (%s), %d allocated", d.Size, humanSize(d.Size), d.Allocated))
	line("mode", d.Mode)
	if d.Owner != nil {
		line("owner", strings.TrimSuffix(d.Owner.User+":"+d.Owner.Group, ":"))
	}
	line("target", d.Target)
	line("device", d.Device)
	line("attributes", strings.Join(d.Attributes, ", "))
	for _, t := range d.Times {
		line(t.Name, strings.TrimRight(timeOf(t), " ")+", "+t.Source)
	}
	for _, s := range d.Streams {
		line("stream", fmt.Sprintf("%s, %d bytes", s.Name, s.Size))
	}
	for _, p := range append(d.Problems, d.Problem) {
		line("problem", p)
	}
}
