package main

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"

	"github.com/fluxmq/webhookd/cmd/webhookd/service"
	"github.com/fluxmq/webhookd/config"
)

type runCommand struct {
	Config string `required:"" placeholder:"FILE" help:"The configuration, in YAML."`
}

// Run delivers until the first signal, then drains; a second signal ends the drain.
func (r *runCommand) Run(c console) error {
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP) // first of all: it must not end the program, whenever it comes
	cfg, notes, err := c.load(r.Config)
	if errors.Is(err, errStopped) {
		fmt.Fprintln(c.err, err)
		return nil // nothing was lost
	}
	if err != nil {
		return usageError{err}
	}
	if idle := cfg.IdleReasons(); len(idle) > 0 {
		return usageError{idleError(r.Config, idle)}
	}
	log, err := newLogger(cfg.Log, c.err)
	if err != nil {
		return usageError{err}
	}
	signal.Ignore(syscall.SIGPIPE) // who reads the log may go away: that must not cost the events that are held
	takeLibraryLog(log)
	defer tellOfHangups(hangups, log)()
	for _, note := range notes {
		log.Info(note)
	}
	running, err := service.Start(cfg, log)
	if err != nil {
		return asUsageError(err)
	}
	log.Info("webhookd runs", "version", service.Version(), "endpoints", len(cfg.Webhook.Endpoints))
	first := <-c.signals
	log.Info("stopping: a second signal stops at once", "signal", first.String())
	return running.StopUntil(c.signals)
}

// tellOfHangups says of each SIGHUP that it does nothing, until stop is called.
func tellOfHangups(hangups chan os.Signal, log *slog.Logger) (stop func()) {
	var telling sync.WaitGroup
	telling.Go(func() {
		for range hangups {
			log.Warn("SIGHUP is ignored: the configuration is read at the start only", "advice", "restart webhookd to use a changed one")
		}
	})
	return func() {
		signal.Stop(hangups)
		close(hangups)
		telling.Wait()
	}
}

// asUsageError takes for a usageError what is wrong with the configuration, as it is located there.
func asUsageError(err error) error {
	var problems config.Errors
	if errors.As(err, &problems) {
		return usageError{problems}
	}
	return err
}

// idleError says why a configuration would deliver nothing for ever, and what to add.
func idleError(file string, reasons []config.IdleReason) error {
	var text strings.Builder
	fmt.Fprintf(&text, "%s: webhookd would deliver nothing:", file)
	for _, reason := range reasons {
		fmt.Fprintf(&text, "\n\n%s\n\n%s", reason.Reason, indent(reason.Add))
	}
	return errors.New(strings.TrimRight(text.String(), "\n"))
}

func indent(lines string) string {
	return "    " + strings.ReplaceAll(strings.TrimRight(lines, "\n"), "\n", "\n    ")
}
