package main

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"nbdbridge/evidence/acquire"
	"nbdbridge/evidence/report"
)

// agrees tells whether the export, and the flags that are given, are those that
// the acquisition was begun with.
func (a *acquisition) agrees(ctx context.Context) error {
	if err := a.log.Check(); err != nil {
		return fmt.Errorf("%s is no state of an acquisition: %w", stateName(a.File), err)
	}
	was := a.log.Source
	if size := a.disk.Info().Size; size != was.Size {
		return fmt.Errorf("export %q has %d bytes, and had %d when the acquisition began: it is another disk, or has changed. Acquire it anew, to another FILE", a.route.Export, size, was.Size)
	}
	if a.route.Export != was.Export {
		return notAsBegun("the export", was.Export, a.route.Export)
	}
	if a.Offset != nil || a.Partition != 0 {
		offset, length, err := a.place(ctx)
		if err != nil {
			return err
		}
		if offset != was.Offset || length != was.Length {
			return notAsBegun("--partition or --offset", fmt.Sprintf("%d bytes at %d", was.Length, was.Offset), fmt.Sprintf("%d bytes at %d", length, offset))
		}
	}
	return a.agreesInFlags()
}

// agreesInFlags compares what was given; what was not is as it was.
func (a *acquisition) agreesInFlags() error {
	is, was, about := a.settings(), a.log.Settings, a.caseOf()
	is.Smallest, was.Smallest = acquire.Smallest(is, a.log.Source), acquire.Smallest(was, a.log.Source)
	for _, c := range []struct {
		flag    string
		given   bool
		was, is any
	}{
		{"--format", a.Format != "", a.log.Image.Format, a.Format},
		{"--hash", len(a.Hash) > 0, sorted(was.Hashes), sorted(is.Hashes)},
		{"--retries", a.Retries != nil, was.Retries, is.Retries},
		{"--smallest", a.Smallest != 0, was.Smallest, is.Smallest},
		{"--skip-holes", a.SkipHoles != nil, was.SkipHoles, is.SkipHoles},
		{"--case-number", about.Number != "", a.log.Case.Number, about.Number},
		{"--evidence-number", about.Evidence != "", a.log.Case.Evidence, about.Evidence},
		{"--examiner", about.Examiner != "", a.log.Case.Examiner, about.Examiner},
		{"--description", about.Description != "", a.log.Case.Description, about.Description},
		{"--notes", about.Notes != "", a.log.Case.Notes, about.Notes},
	} {
		if c.given && c.was != c.is {
			return notAsBegun(c.flag, c.was, c.is)
		}
	}
	return nil
}

func sorted(names []string) string { return strings.Join(slices.Sorted(slices.Values(names)), ",") }

func notAsBegun(what string, was, is any) error {
	return usagef("%s is %v, and was %v when the acquisition began: drop it, or begin another one", what, is, was)
}

// agreesWithLogs lets nothing be overwritten but what this acquisition has
// written itself, when it was ended right after.
func (a *acquisition) agreesWithLogs() error {
	if a.log.Status == report.Complete {
		text, err := os.ReadFile(a.logName())
		if err != nil {
			return a.refuseLogs()
		}
		if before, err := report.Decode(text); err == nil && before.Start.Equal(a.log.Start) {
			return nil
		}
	}
	return a.refuseLogs()
}

// tellChanges tells the user, and the log, what is not as it was and need not be.
func (a *acquisition) tellChanges() {
	a.log.Image.Name = filepath.Base(a.File)
	source := &a.log.Source
	if source.ReadOnly && !a.disk.Info().ReadOnly() {
		source.ReadOnly = false // for all of the time
		a.line.tell("the server has the export for reading and writing now, and had it read-only when the acquisition began")
	}
	if was := *source; was.Bridge != a.route.Bridge || was.Target != a.route.Target || was.Server != a.route.Server {
		source.Bridge, source.Target, source.Server = later(was.Bridge, a.route.Bridge), later(was.Target, a.route.Target), later(was.Server, a.route.Server)
		a.line.tell("the export is reached another way than when the acquisition began")
	}
	if n := len(a.log.Sessions); n > 0 {
		a.tellConnection(a.log.Sessions[n-1].Connection)
	}
}

// tellConnection compares who the server is with who it was last.
func (a *acquisition) tellConnection(was report.Connection) {
	switch is := a.connection; {
	case was.Encrypted && !is.Encrypted:
		a.line.tell("the connection is not encrypted, and was before: anybody could be the server")
	case was.Pin != is.Pin:
		a.line.tell("the server shows another key than before: " + cmp.Or(is.Pin, "none") + " in place of " + cmp.Or(was.Pin, "none"))
	case was.Certificate != is.Certificate:
		a.line.tell("the server shows another certificate than before, of the same key")
	}
}

// later keeps what was, and adds what is.
func later(was, is string) string {
	if was == is || strings.HasSuffix(was, ", later "+cmp.Or(is, "none")) {
		return was
	}
	return cmp.Or(was, "none") + ", later " + cmp.Or(is, "none")
}
