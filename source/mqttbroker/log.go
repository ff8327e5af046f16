package mqttbroker

import (
	"context"
	"log/slog"
)

// errorsOnly keeps mochi to its errors: its warnings hold whole packets, passwords and payloads included.
type errorsOnly struct {
	slog.Handler
}

func (h errorsOnly) Enabled(ctx context.Context, level slog.Level) bool {
	return level >= slog.LevelError && h.Handler.Enabled(ctx, level)
}

func (h errorsOnly) WithAttrs(attrs []slog.Attr) slog.Handler {
	return errorsOnly{h.Handler.WithAttrs(attrs)}
}

func (h errorsOnly) WithGroup(name string) slog.Handler {
	return errorsOnly{h.Handler.WithGroup(name)}
}
