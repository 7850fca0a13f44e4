package main

import (
	"context"
	"fmt"
	"syscall/js"

	"nbdbridge/nbd"
)

// list(options) resolves with [{name, description}].
func (s *session) list(ctx context.Context, args []js.Value) (any, error) {
	return s.ask(ctx, args[0], func(o *options) string { return "exports at " + withoutQuery(o.url) },
		func(client *nbd.Client, _ *options) (any, error) {
			exports, err := client.List(ctx)
			return exportValues(exports), err
		})
}

func exportValues(exports []nbd.ExportEntry) []any {
	values := make([]any, len(exports))
	for i, e := range exports {
		values[i] = map[string]any{"name": e.Name, "description": e.Description}
	}
	return values
}

// info(options) resolves with the facts of an export, which it does not open.
func (s *session) info(ctx context.Context, args []js.Value) (any, error) {
	return s.ask(ctx, args[0], whereOf, func(client *nbd.Client, o *options) (any, error) {
		info, err := client.Info(ctx, o.export)
		if err == nil {
			err = checkSize(info)
		}
		if err != nil {
			return nil, err
		}
		return facts(info, info.ReadOnly(), client.TLS(), &o.cfg), nil
	})
}

// ask has one question answered, in a connection of its own.
func (s *session) ask(ctx context.Context, v js.Value, where func(*options) string, question func(*nbd.Client, *options) (any, error)) (any, error) {
	o, err := parseOptions(v)
	if err != nil {
		return nil, err
	}
	s.where = where(o)
	client, err := s.connect(ctx, o, tickets{fixed: o.token})
	if err != nil {
		return nil, s.in("asking about", err)
	}
	answer, err := question(client, o)
	_ = client.Abort(ctx) // a farewell, whether the answer is here or was refused
	if err != nil {
		return nil, s.in("asking about", err)
	}
	return answer, nil
}

// whereOf names an export for messages.
func whereOf(o *options) string { return fmt.Sprintf("export %q at %s", o.export, withoutQuery(o.url)) }

func checkSize(info *nbd.ExportInfo) error {
	if info.Size > maxSafeInteger {
		return fmt.Errorf("%w: its %d bytes are beyond 2^53-1, the largest offset of JavaScript", nbd.ErrOutOfRange, info.Size)
	}
	return nil
}
