package main

import (
	"fmt"
	"io"
	"os"

	"nbdbridge/evidence/report"
)

// rangesPrinted is how many of them are; the log has all.
const rangesPrinted = 10

// incomplete is the error of an image that is whole and has gaps.
func (a *acquisition) incomplete() error {
	lost := lostOf(a.log)
	if lost == 0 {
		return nil
	}
	return partialError{fmt.Errorf("%d bytes could not be read and are zeros in the image: the log says where", lost)}
}

func lostOf(log *report.Log) (bytes int64) {
	for _, r := range log.ZeroFilled {
		bytes += r.Length
	}
	return bytes
}

// print tells the outcome.
func (a *acquisition) print() {
	a.line.clear()
	printOutcome(os.Stdout, a.log)
	fmt.Printf("image: %s\nlog: %s and %s\n", a.File, a.logName(), a.textName())
	if a.signer != nil {
		fmt.Printf("signature: %s\n", a.signatureName())
	}
}

func printOutcome(w io.Writer, log *report.Log) {
	fmt.Fprintf(w, "acquired: %d bytes (%s), of which %s were transferred\n", log.Source.Length, humanSize(log.Source.Length), humanSize(log.Transferred))
	for _, name := range log.Settings.Hashes {
		fmt.Fprintf(w, "%s: %s\n", name, log.Hashes[name])
	}
	for _, p := range log.Passes {
		fmt.Fprintf(w, "%s read again: %s\n", p.Of, outcomeOf(p))
	}
	if n := int64(len(log.Errors)) + log.ErrorsOmitted; n > 0 {
		fmt.Fprintf(w, "errors: in %d stretches, see the log\n", n)
	}
	if len(log.ZeroFilled) == 0 {
		return
	}
	fmt.Fprintf(w, "zeros in place of what could not be read: %d bytes in %d ranges\n", lostOf(log), len(log.ZeroFilled))
	for i, r := range log.ZeroFilled {
		if i == rangesPrinted {
			fmt.Fprintf(w, "\tand %d more\n", len(log.ZeroFilled)-i)
			break
		}
		fmt.Fprintf(w, "\t%d bytes at %d\n", r.Length, r.Offset)
	}
}

func outcomeOf(p report.Pass) string {
	switch {
	case p.Failed != "":
		return "failed: " + visible(p.Failed)
	case p.Equal:
		return "the hashes are the same"
	}
	return "THE HASHES DIFFER"
}
