package webhookd

import (
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Process is a running program. Its methods fail the test that started it.
type Process struct {
	t       *testing.T
	dir     string // where its output is
	command *exec.Cmd
	exited  chan struct{} // closed when it has ended
}

// Start runs the program with these arguments. It is killed at the end of the test if it still runs.
func Start(t *testing.T, args ...string) *Process {
	t.Helper()
	return start(t, t.TempDir(), args...)
}

const (
	stdoutFile = "stdout"
	stderrFile = "stderr"
)

func start(t *testing.T, dir string, args ...string) *Process {
	t.Helper()
	stdout, stderr := create(t, dir, stdoutFile), create(t, dir, stderrFile)
	defer stdout.Close()
	defer stderr.Close()
	p := &Process{t: t, dir: dir, command: NewCommand(args...), exited: make(chan struct{})}
	p.command.Stdout, p.command.Stderr = stdout, stderr
	require.NoError(t, p.command.Start())
	go func() {
		defer close(p.exited)
		_ = p.command.Wait() // its exit code is in ProcessState
	}()
	t.Cleanup(func() {
		_ = p.command.Process.Kill()
		<-p.exited
	})
	return p
}

func create(t *testing.T, dir, name string) *os.File {
	t.Helper()
	file, err := os.Create(filepath.Join(dir, name))
	require.NoError(t, err)
	return file
}

// Stdout is what the program has written to standard output so far.
func (p *Process) Stdout() string { return p.read(stdoutFile) }

func (p *Process) read(name string) string {
	p.t.Helper()
	text, err := os.ReadFile(filepath.Join(p.dir, name))
	require.NoError(p.t, err)
	return string(text)
}

// Signal sends the program a signal.
func (p *Process) Signal(signal syscall.Signal) {
	p.t.Helper()
	require.NoError(p.t, p.command.Process.Signal(signal))
}

// Halt makes the program stand still (SIGSTOP) until Resume, at the latest until the end of the test.
func (p *Process) Halt() {
	p.t.Helper()
	p.Signal(syscall.SIGSTOP)
	p.t.Cleanup(func() { _ = p.command.Process.Signal(syscall.SIGCONT) }) // it may have ended
}

// Resume ends Halt.
func (p *Process) Resume() {
	p.t.Helper()
	p.Signal(syscall.SIGCONT)
}

// Exit waits for the program's end and returns its exit code, -1 where a signal ended it.
func (p *Process) Exit() int {
	p.t.Helper()
	select {
	case <-p.exited:
		return p.command.ProcessState.ExitCode()
	case <-time.After(Patience):
		p.t.Fatal("the program does not end")
		return 0
	}
}

// TerminateAndExpect sends SIGTERM and waits for the program to end with this exit code.
func (p *Process) TerminateAndExpect(code int) {
	p.t.Helper()
	p.Signal(syscall.SIGTERM)
	require.Equal(p.t, code, p.Exit(), "the exit code")
}
