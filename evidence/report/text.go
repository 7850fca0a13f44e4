package report

import (
	"bufio"
	"cmp"
	"io"
	"strings"
	"time"
)

// WriteText writes the log for people, as plain text in UTF-8. What others said,
// be it the server, the page or the examiner, can't look like a line of it.
func (l *Log) WriteText(w io.Writer) error {
	p := &printer{bufio.NewWriter(w)}
	p.line(0, "Log of an acquisition")
	p.line(0, "=====================")
	p.line(0, "")
	p.line(0, l.outcome())
	if doubt := l.doubt(); doubt != "" {
		p.line(0, doubt)
	}
	l.writeCase(p)
	l.writeSource(p)
	l.writeImage(p)
	l.writeSettings(p)
	l.writeSessions(p)
	l.writeBlockStatus(p)
	l.writeErrors(p)
	l.writeZeroFilled(p)
	l.writeHashes(p)
	l.writePasses(p)
	l.writeTool(p)
	l.writeSigner(p)
	return p.Flush()
}

// outcome is what came of it, in a sentence.
func (l *Log) outcome() string {
	length := counted(l.Source.Length, "byte")
	switch {
	case l.Status == Complete && len(l.ZeroFilled) == 0:
		return "Complete: " + length + "; nothing was unreadable."
	case l.Status == Complete:
		return "Complete: " + length + "; " + l.unreadable() + "."
	}
	sentence := "Running, or ended from outside, and last known at"
	if l.Status == Paused {
		sentence = "Paused at"
	}
	sentence += " byte " + grouped(l.reached()) + " of " + grouped(l.Source.Length) + ": the image is right up to there"
	if len(l.ZeroFilled) > 0 {
		sentence += ", but " + l.unreadable()
	}
	return sentence + "; the rest is missing."
}

func (l *Log) unreadable() string {
	zeros := " could not be read and are zeros in the image"
	if l.lost() == 1 {
		zeros = " could not be read and is zero in the image"
	}
	return counted(l.lost(), "byte") + " in " + counted(int64(len(l.ZeroFilled)), "range") + zeros
}

// reached is the byte up to which the image goes.
func (l *Log) reached() int64 {
	if l.Status == Complete {
		return l.Source.Length
	}
	var to int64
	for _, s := range l.Sessions {
		to = max(to, s.From, s.To)
	}
	return to
}

// doubt tells of passes that did not confirm the image; empty: all did.
func (l *Log) doubt() string {
	var different, failed int64
	for _, pass := range l.Passes {
		switch {
		case pass.Failed != "" || pass.End.IsZero():
			failed++
		case !pass.Equal:
			different++
		}
	}
	var doubts []string
	if different > 0 {
		doubts = append(doubts, counted(different, "pass")+" gave other hashes")
	}
	if failed > 0 {
		doubts = append(doubts, counted(failed, "pass")+" did not end")
	}
	if doubts == nil {
		return ""
	}
	return "Attention: " + strings.Join(doubts, ", ") + " (see below)."
}

func (l *Log) writeCase(p *printer) {
	if l.Case == (Case{}) {
		return
	}
	p.heading("Case, as the examiner says")
	p.said("Number", l.Case.Number)
	p.said("Evidence", l.Case.Evidence)
	p.said("Examiner", l.Case.Examiner)
	p.said("Description", l.Case.Description)
	p.said("Notes", l.Case.Notes)
}

func (l *Log) writeSource(p *printer) {
	s := l.Source
	p.heading("Source, as its server says")
	p.said("Bridge", s.Bridge)
	p.said("Target", s.Target)
	p.said("Server", s.Server)
	p.said("Export", cmp.Or(s.Export, "(the default export, whose name is empty)"))
	p.row("Size", counted(s.Size, "byte"))
	p.row("Acquired", l.acquired())
	p.row("Read-only", map[bool]string{true: "yes: the server does not take writes", false: "no: the server would take writes"}[s.ReadOnly])
	p.said("Offers", strings.Join(s.Flags, ", "))
	p.row("Smallest block", counted(s.MinimumSize, "byte"))
}

// acquired is the range that was asked for.
func (l *Log) acquired() string {
	s := l.Source
	if s.Length == 0 {
		return "nothing"
	}
	text := "bytes " + grouped(s.Offset) + " to " + grouped(s.Offset+s.Length-1)
	if s.Length == s.Size {
		return text + ", which is all"
	}
	return text + ", " + counted(s.Length, "byte") + "; in this log, but for the words of the server, the first of them is byte 0"
}

func (l *Log) writeImage(p *printer) {
	p.heading("Image")
	p.said("Name", l.Image.Name)
	p.said("Format", l.Image.Format)
	if l.Image.Size > 0 {
		p.row("Size of the file", counted(l.Image.Size, "byte"))
	}
}

func (l *Log) writeSettings(p *printer) {
	p.heading("Acquisition")
	p.said("Hashes", strings.Join(l.Settings.Hashes, ", "))
	p.row("Retries", grouped(int64(l.Settings.Retries))+" of a read that fails, in the largest and the smallest size")
	p.row("Smallest read", counted(l.Settings.Smallest, "byte"))
	p.row("Zeros and holes", map[bool]string{true: "not read, where the server tells of them", false: "read"}[l.Settings.SkipHoles])
	p.time("Start", l.Start)
	p.time("End", l.End)
	if l.End.After(l.Start) {
		p.row("Took", l.End.Sub(l.Start).Round(time.Second).String())
	}
	p.row("Transferred", counted(l.Transferred, "byte"))
}
