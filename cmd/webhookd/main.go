// Command webhookd turns the events of an MQTT broker into webhooks.
package main

import (
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kong"

	"github.com/fluxmq/webhookd/router"
)

// Exit codes.
const (
	exitClean  = 0 // a clean stop: nothing was lost
	exitError  = 1 // anything else
	exitUsage  = 2 // the command line or the configuration is wrong
	exitLosses = 3 // stopped, but events were lost
)

type commandLine struct {
	Run         runCommand         `cmd:"" help:"Deliver the events of the configured sources until SIGINT or SIGTERM."`
	Check       checkCommand       `cmd:"" help:"Say what is wrong with a configuration, or print the effective one."`
	Demo        demoCommand        `cmd:"" help:"Show it all on this machine: a broker, a client, a receiver that fails now and then."`
	Listen      listenCommand      `cmd:"" help:"Receive webhooks and print them; fail, delay or hang on demand."`
	DeadLetters deadLettersCommand `cmd:"" help:"List, show, replay, delete and export the events that a running webhookd gave up."`
	Store       storeCommand       `cmd:"" help:"Look at, check or compact a store that no program uses."`
	Version     versionCommand     `cmd:"" help:"Print the version."`

	VersionFlag kong.VersionFlag `name:"version" help:"Print the version."`
}

// usageError is something that the person who started the program has to correct.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

func main() {
	signals := make(chan os.Signal, 2) // the first begins the drain, the second ends it
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	os.Exit(execute(os.Args[1:], console{out: os.Stdout, err: os.Stderr, signals: signals}))
}

// execute runs a command line and returns the exit code.
func execute(args []string, c console) int {
	exit := -1
	parser, err := kong.New(&commandLine{},
		kong.Name("webhookd"),
		kong.Description("Broker events become reliable webhooks."),
		kong.Writers(c.out, c.err),
		kong.Exit(func(code int) { exit = code }),
		kong.UsageOnError(),
		kong.Vars{"version": versionLine()},
		kong.ConfigureHelp(kong.HelpOptions{Compact: true}),
	)
	if err != nil {
		return fail(c, fmt.Errorf("read the command line: %w", err))
	}
	command, err := parser.Parse(withHelp(args))
	if exit >= 0 {
		return exit
	}
	if err != nil {
		return fail(c, usageError{fmt.Errorf("%w (webhookd --help lists what there is)", err)})
	}
	return fail(c, command.Run(c))
}

// withHelp makes of no arguments, and of "help" as the first, what asks for help with the rest.
func withHelp(args []string) []string {
	switch {
	case len(args) == 0:
		return []string{"--help"}
	case args[0] == "help":
		return append(args[1:], "--help")
	}
	return args
}

// fail prints the error, if there is one, and finds its exit code.
func fail(c console, err error) int {
	var usage usageError
	var lost *router.LostError
	switch {
	case err == nil:
		return exitClean
	case errors.As(err, &usage):
		fmt.Fprintln(c.err, err)
		return exitUsage
	case errors.As(err, &lost):
		fmt.Fprintln(c.err, err)
		return exitLosses
	}
	fmt.Fprintln(c.err, "webhookd:", err)
	return exitError
}
