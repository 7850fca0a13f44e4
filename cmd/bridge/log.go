package main

import (
	"context"
	"log/slog"
	"os"
	"sync"
	"time"

	"nbdbridge/bridge/config"
)

// A levelled handler takes its level from where it can be changed.
type levelled struct {
	slog.Handler
	level *slog.LevelVar
}

// newLogger writes in a format to the standard error, or as log does if there
// is none.
func newLogger(format config.Format, log *slog.Logger, level *slog.LevelVar) *slog.Logger {
	h := log.Handler()
	if format == config.FormatJSON {
		h = slog.NewJSONHandler(os.Stderr, nil)
	}
	return slog.New(levelled{h, level})
}

// Enabled overrules the handler within.
func (l levelled) Enabled(_ context.Context, level slog.Level) bool { return level >= l.level.Level() }

// WithAttrs keeps the level.
func (l levelled) WithAttrs(attrs []slog.Attr) slog.Handler {
	return levelled{l.Handler.WithAttrs(attrs), l.level}
}

// WithGroup keeps the level.
func (l levelled) WithGroup(name string) slog.Handler {
	return levelled{l.Handler.WithGroup(name), l.level}
}

// linesPerSecond bounds the lines of one subject that clients cause: port scans
// would fill a disk.
const linesPerSecond = 10

// A sparse handler leaves out what is too much in a second. The first line of
// a later one says how many were left out.
type sparse struct {
	slog.Handler

	mu             sync.Mutex
	second         time.Time
	lines, omitted int
}

// Handle writes a line, or counts it.
func (h *sparse) Handle(ctx context.Context, r slog.Record) error {
	omitted, ok := h.take(r.Time.Truncate(time.Second))
	if !ok {
		return nil
	}
	if omitted > 0 {
		r.AddAttrs(slog.Int("omitted", omitted))
	}
	return h.Handler.Handle(ctx, r)
}

func (h *sparse) take(second time.Time) (omitted int, ok bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if second != h.second {
		h.second, h.lines = second, 0
	}
	if h.lines >= linesPerSecond {
		h.omitted++
		return 0, false
	}
	h.lines++
	omitted, h.omitted = h.omitted, 0
	return omitted, true
}
