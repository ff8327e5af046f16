package main

import (
	"fmt"
	"runtime"

	"github.com/fluxmq/webhookd/cmd/webhookd/service"
)

type versionCommand struct{}

// Run prints the version.
func (versionCommand) Run(c console) error {
	_, err := fmt.Fprintln(c.out, versionLine())
	return err
}

// versionLine is the version, and what it was built with and for.
func versionLine() string {
	return fmt.Sprintf("webhookd %s %s %s/%s", service.Version(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
}
