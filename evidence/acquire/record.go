package acquire

import (
	"fmt"
	"time"
	"unicode/utf8"

	"nbdbridge/evidence/report"
)

// fits tells whether the log has room for more ranges, before it is touched.
func (a *acquisition) fits(lost []report.Range) error {
	log := a.Log
	room := report.MaxRanges - len(log.ZeroFilled)
	if n := len(log.ZeroFilled); n > 0 && len(lost) > 0 && log.ZeroFilled[n-1].Offset+log.ZeroFilled[n-1].Length == lost[0].Offset {
		room++ // it joins the last one
	}
	if len(lost) <= room {
		return nil
	}
	return fmt.Errorf("at byte %d: %w; begin again with a larger smallest read, or with a disk that can be read better", lost[0].Offset, report.ErrTooMany)
}

// record tells the log of a piece.
func (a *acquisition) record(p *piece) {
	log := a.Log
	for _, e := range p.errors {
		log.AddError(e)
	}
	for _, r := range p.lost {
		_ = log.AddZeroFilled(r) // fits
	}
	if !p.skip {
		log.Transferred += p.length - p.lostBytes()
	}
	sum := &log.BlockStatus
	sum.Asked = sum.Asked || p.status.Asked
	sum.Data += p.status.Data
	sum.Zero += p.status.Zero
	sum.Hole += p.status.Hole
	sum.Unknown += p.status.Unknown
	sum.Skipped += p.status.Skipped
}

// fill makes lists of those that are missing: who reads states expects them.
func fill(log *report.Log) {
	log.Sessions, log.Errors, log.ZeroFilled = some(log.Sessions), some(log.Errors), some(log.ZeroFilled)
	log.Passes = some(log.Passes)
	if log.Hashes == nil {
		log.Hashes = map[string]string{}
	}
}

func some[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

// note brings the session up to date.
func (a *acquisition) note() {
	s := &a.Log.Sessions[a.session]
	s.To = a.offset
	s.Outages = []report.Outage{}
	if a.Outages != nil {
		s.Outages = append(s.Outages, a.Outages()...)
	}
}

// end ends the session, whyever.
func (a *acquisition) end(err error) {
	a.note()
	s := &a.Log.Sessions[a.session]
	s.End = time.Now().UTC()
	if err == nil {
		s.Ended = "complete"
		a.Log.End = s.End
		return
	}
	s.Ended = shortened(err)
	a.Log.Status = report.Paused
}

// maxEnded is how many bytes of an error a session keeps: the disk's is of a
// server's words.
const maxEnded = 500

// shortened is what an error says, or the beginning of it.
func shortened(err error) string {
	message := err.Error()
	if len(message) <= maxEnded {
		return message
	}
	end := maxEnded
	for end > 0 && !utf8.RuneStart(message[end]) {
		end--
	}
	return message[:end] + "…"
}
