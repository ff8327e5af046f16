//go:build unix

package demo

import (
	"os/exec"
	"syscall"
)

// terminate ends webhookd in good order.
const terminate = syscall.SIGTERM

// keepFromTerminal keeps a Ctrl-C, which is the demo's, from webhookd.
func keepFromTerminal(command *exec.Cmd) {
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
}
