package service

import (
	"context"
	"log/slog"

	"github.com/asynkron/protoactor-go/actor"
)

// newActorSystem makes an actor system that logs where the program does, what matters to an operator.
func newActorSystem(log *slog.Logger) *actor.ActorSystem {
	quiet := slog.New(warnings{log.Handler()})
	return actor.NewActorSystem(actor.WithLoggerFactory(func(*actor.ActorSystem) *slog.Logger { return quiet }))
}

// warnings leaves out what is less than a warning.
type warnings struct{ slog.Handler }

func (w warnings) Enabled(ctx context.Context, level slog.Level) bool {
	return level >= slog.LevelWarn && w.Handler.Enabled(ctx, level)
}

func (w warnings) WithAttrs(attrs []slog.Attr) slog.Handler {
	return warnings{w.Handler.WithAttrs(attrs)}
}
func (w warnings) WithGroup(name string) slog.Handler { return warnings{w.Handler.WithGroup(name)} }
