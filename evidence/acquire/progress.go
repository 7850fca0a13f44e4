package acquire

import "time"

// tellEvery is how much time is between two reports of progress.
const tellEvery = 100 * time.Millisecond

// A meter reports progress, on the goroutine of Run.
type meter struct {
	Progress
	report func(Progress)
	reader *reader
	last   time.Time
}

// add counts a piece that was dealt with.
func (m *meter) add(p *piece) {
	m.Done += p.length
	m.Lost += p.lostBytes()
	if p.skip {
		m.Skipped += p.length
	}
}

// tell reports, if it is time.
func (m *meter) tell() {
	if time.Since(m.last) >= tellEvery {
		m.finish()
	}
}

// finish reports whenever it is.
func (m *meter) finish() {
	if m.report == nil {
		return
	}
	m.last = time.Now()
	p := m.Progress
	p.Errors += m.reader.failed.Load()
	p.Recovering = m.reader.recovering.Load() > 0
	m.report(p)
}
