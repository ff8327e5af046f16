package demo

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
)

// runs is what webhookd logs when it takes events.
const runs = "webhookd runs"

// program is webhookd as a process of its own, which can be killed and started again with the same configuration.
type program struct {
	file string // the configuration
	out  *lineWriter

	command *exec.Cmd
	killed  int
	logging sync.WaitGroup
}

// newProgram writes the configuration into the folder.
func newProgram(dir, configuration string, out *lineWriter) (*program, error) {
	file := filepath.Join(dir, "webhookd.yml")
	if err := os.WriteFile(file, []byte(configuration), 0o600); err != nil {
		return nil, fmt.Errorf("write the demo's configuration: %w", err)
	}
	return &program{file: file, out: out}, nil
}

// start returns when webhookd takes events.
func (p *program) start() error {
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find the demo's own program: %w", err)
	}
	p.command = exec.Command(self, "run", "--config", p.file)
	keepFromTerminal(p.command)
	log, err := p.command.StderrPipe()
	if err == nil {
		err = p.command.Start()
	}
	if err != nil {
		return fmt.Errorf("start webhookd: %w", err)
	}
	started := make(chan bool, 1)
	p.logging.Go(func() { p.show(log, started) })
	if runs := <-started; !runs {
		return errors.New("webhookd ended while it started")
	}
	return nil
}

// show prints webhookd's log without its times. started hears when webhookd runs, and is closed when it has ended.
func (p *program) show(log io.Reader, started chan<- bool) {
	defer close(started)
	for lines := bufio.NewScanner(log); lines.Scan(); {
		line := lines.Text()
		if _, rest, found := strings.Cut(line, " "); found && strings.HasPrefix(line, "time=") {
			line = rest
		}
		p.out.printf("log     %s\n", line)
		if strings.Contains(line, runs) {
			started <- true
		}
	}
}

// kill is kill -9: the program does nothing more.
func (p *program) kill() {
	p.killed++
	_ = p.command.Process.Kill() // it may be gone
	_ = p.await()                // it was killed
}

// kills is how often it was killed, in words.
func (p *program) kills() string {
	if p.killed == 1 {
		return "once"
	}
	return "not at all"
}

// stop has the program end in good order.
func (p *program) stop() error {
	if err := p.command.Process.Signal(terminate); err != nil {
		p.kill()
		return fmt.Errorf("stop webhookd: %w", err)
	}
	if err := p.await(); err != nil {
		return fmt.Errorf("stop webhookd: %w", err)
	}
	return nil
}

func (p *program) await() error {
	p.logging.Wait() // it ends with the program's
	return p.command.Wait()
}
