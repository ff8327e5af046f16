// Package e2e tests the real binary from outside: real MQTT clients on one side, a real HTTP server on the other.
package e2e

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const patience = 30 * time.Second

// binary is the program under test, built once.
var binary string

func TestMain(m *testing.M) {
	os.Exit(buildAndRun(m))
}

func buildAndRun(m *testing.M) int {
	dir, err := os.MkdirTemp("", "webhookd-e2e-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	binary = filepath.Join(dir, "webhookd")
	build := exec.Command("go", "build", "-o", binary, "github.com/fluxmq/webhookd/cmd/webhookd")
	if output, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build the program: %v\n%s", err, output)
		return 1
	}
	return m.Run()
}

// program is a running webhookd.
type program struct {
	t       *testing.T
	command *exec.Cmd
	exited  chan struct{} // closed when it has ended and its log is read

	mu    sync.Mutex
	lines []logLine
}

type logLine map[string]any

// run starts `webhookd run` with this configuration. It is killed at the end of the test if it still runs.
func run(t *testing.T, config string) *program {
	t.Helper()
	file := filepath.Join(t.TempDir(), "webhookd.yml")
	require.NoError(t, os.WriteFile(file, []byte(config), 0o600))
	p := &program{t: t, command: exec.Command(binary, "run", "--config", file), exited: make(chan struct{})}
	stderr, err := p.command.StderrPipe()
	require.NoError(t, err)
	require.NoError(t, p.command.Start())
	go p.follow(stderr)
	t.Cleanup(func() {
		_ = p.command.Process.Kill()
		<-p.exited
	})
	p.await("webhookd runs")
	return p
}

func (p *program) follow(stderr io.Reader) {
	defer close(p.exited)
	scanner := bufio.NewScanner(stderr)
	scanner.Buffer(nil, 1<<20)
	for scanner.Scan() {
		line := logLine{}
		if json.Unmarshal(scanner.Bytes(), &line) != nil {
			line = logLine{"msg": scanner.Text()}
		}
		p.mu.Lock()
		p.lines = append(p.lines, line)
		p.mu.Unlock()
	}
	_ = p.command.Wait() // its exit code is in ProcessState
}

// logged lists the lines of the log with this message.
func (p *program) logged(message string) []logLine {
	p.mu.Lock()
	defer p.mu.Unlock()
	var found []logLine
	for _, line := range p.lines {
		if line["msg"] == message {
			found = append(found, line)
		}
	}
	return found
}

// await returns the first line of the log with this message.
func (p *program) await(message string) logLine {
	p.t.Helper()
	var found []logLine
	if !within(patience, func() bool {
		found = p.logged(message)
		return len(found) > 0
	}) {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.t.Fatalf("the log has no line %q:\n%v", message, p.lines)
	}
	return found[0]
}

// address is where the part whose start is logged with this message listens.
func (p *program) address(message string) string {
	p.t.Helper()
	return p.await(message)["address"].(string)
}

func (p *program) mqtt() string   { return p.address("MQTT broker is open") }
func (p *program) ingest() string { return p.address("ingest is open") }
func (p *program) admin() string  { return p.address("admin side is open") }

func (p *program) signal(signal syscall.Signal) {
	p.t.Helper()
	require.NoError(p.t, p.command.Process.Signal(signal))
}

// exit waits for the program's end and returns its exit code.
func (p *program) exit() int {
	p.t.Helper()
	select {
	case <-p.exited:
		return p.command.ProcessState.ExitCode()
	case <-time.After(patience):
		p.t.Fatal("the program does not end")
		return 0
	}
}

// summary is the last account of an endpoint in the log of a stopped program.
func (p *program) summary(endpoint string) logLine {
	p.t.Helper()
	for _, line := range p.logged("summary of an endpoint") {
		if line["endpoint"] == endpoint {
			return line
		}
	}
	p.t.Fatalf("the log has no summary of %s", endpoint)
	return nil
}

// number is a figure of a log line; path leads into its groups.
func (l logLine) number(path ...string) int {
	var value any = map[string]any(l)
	for _, key := range path {
		group, ok := value.(map[string]any)
		if !ok {
			return 0
		}
		value = group[key]
	}
	n, _ := value.(float64)
	return int(n)
}

// within waits until the condition holds.
func within(limit time.Duration, condition func() bool) bool {
	for deadline := time.Now().Add(limit); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if condition() {
			return true
		}
	}
	return condition()
}

func eventually(t *testing.T, condition func() bool, what string) {
	t.Helper()
	require.True(t, within(patience, condition), what)
}

// command runs the program with these arguments to its end.
func command(args ...string) (code int, stdout, stderr string) {
	c := exec.Command(binary, args...)
	var out, errs lockedBuilder
	c.Stdout, c.Stderr = &out, &errs
	_ = c.Run() // its exit code tells
	return c.ProcessState.ExitCode(), out.String(), errs.String()
}
