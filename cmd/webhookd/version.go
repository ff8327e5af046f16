package main

import (
	"fmt"
	"runtime"

	"github.com/fluxmq/webhookd/cmd/webhookd/service"
)

type versionCommand struct{}

// Run prints the version, and what it was built with and for.
func (versionCommand) Run(c console) error {
	_, err := fmt.Fprintf(c.out, "webhookd %s %s %s/%s\n", service.Version(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
	return err
}
