package main

import (
	"context"
	"log/slog"
	"os"

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
